#include "net/sse.h"

namespace atelier::net::sse {
namespace {

// One field line per line of the text. CR LF, CR and LF all end a line in an event stream.
void append_lines(std::string& out, std::string_view field, std::string_view text) {
  while (true) {
    const std::size_t end = text.find_first_of("\r\n");
    out.append(field).append(text.substr(0, end)).push_back('\n');
    if (end == std::string_view::npos) return;
    const bool pair = text.substr(end, 2) == "\r\n";
    text.remove_prefix(end + (pair ? 2 : 1));
  }
}

}  // namespace

void append_data(std::string& out, std::string_view data) {
  append_lines(out, "data: ", data);
  out.push_back('\n');
}

void append_event(std::string& out, std::string_view name, std::string_view data) {
  out.append("event: ");
  for (const char c : name) {
    if (c != '\r' && c != '\n') out.push_back(c);
  }
  out.push_back('\n');
  append_data(out, data);
}

std::string data(std::string_view data) {
  std::string out;
  out.reserve(data.size() + 8);
  append_data(out, data);
  return out;
}

std::string event(std::string_view name, std::string_view data) {
  std::string out;
  out.reserve(name.size() + data.size() + 16);
  append_event(out, name, data);
  return out;
}

std::string comment(std::string_view text) {
  std::string out;
  append_lines(out, ": ", text);
  out.push_back('\n');
  return out;
}

}  // namespace atelier::net::sse
