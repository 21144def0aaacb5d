#include "client/sse.h"

#include <fmt/format.h>

namespace atelier::client {

Result<void> SseParser::feed(std::string_view bytes, const Sink& sink) {
  while (!bytes.empty()) {
    if (after_carriage_return_) {
      after_carriage_return_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    std::size_t end = bytes.find_first_of("\r\n");
    std::string_view part = bytes.substr(0, end);
    if (line_.size() + event_.data.size() + part.size() > max_event_bytes_) {
      return fail(
          ErrorCode::kBodyTooLarge,
          fmt::format("The server sent an event of more than {} bytes; the answer was given up.", max_event_bytes_));
    }
    line_.append(part);
    if (end == std::string_view::npos) break;
    after_carriage_return_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line(sink);
  }
  return {};
}

void SseParser::end_line(const Sink& sink) {
  std::string_view line = line_;
  if (first_line_) {
    first_line_ = false;
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  }
  if (line.empty()) {
    if (has_data_) {
      event_.data.pop_back();  // the line feed after the last data line
      sink(event_);
    }
    event_ = {};
    has_data_ = false;
    line_.clear();
    return;
  }
  std::size_t colon = line.find(':');
  std::string_view field = line.substr(0, colon);
  std::string_view value;
  if (colon != std::string_view::npos) value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") {
    event_.name = value;
  } else if (field == "data") {
    event_.data += value;
    event_.data += '\n';
    has_data_ = true;
  }
  line_.clear();
}

}  // namespace atelier::client
