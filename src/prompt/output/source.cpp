#include "prompt/output/source.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace atelier::prompt::output {
namespace {

// Consumed bytes are dropped when there are this many of them, so that a long answer costs no memory.
constexpr std::size_t kDropConsumedAt = 64 * 1024;

void append_without_control(std::string& out, std::string_view encoded) {
  while (!encoded.empty()) {
    const std::size_t control = encoded.find(kControlBegin);
    out += encoded.substr(0, control);
    if (control == std::string_view::npos) return;
    encoded.remove_prefix(std::min(encoded.size(), encoded.find(kControlEnd, control) + 1));
  }
}

}  // namespace

Marker::Marker(std::string_view text, const std::vector<std::string>& control_tokens)
    : text_(text), control_(text.size(), false) {
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t longest = 0;
    for (const std::string& token : control_tokens) {
      if (token.size() > longest && text.substr(begin).starts_with(token)) longest = token.size();
    }
    std::fill_n(control_.begin() + static_cast<std::ptrdiff_t>(begin), longest, true);
    begin += std::max<std::size_t>(longest, 1);
  }
}

// What is no UTF-8 becomes U+FFFD, wherever it is cut: arguments are JSON, and the bytes 0xFF and 0xFE mean control tokens
// here. An engine completes characters itself (engine/answer_text.h), so nothing waits in fact.
void Source::append_text(std::string_view text) {
  if (unfinished_.empty() && utf8::is_valid(text)) {
    bytes_ += text;
    return;
  }
  unfinished_ += text;
  const std::size_t ready = utf8::complete_prefix(unfinished_);
  bytes_ += utf8::repair(std::string_view(unfinished_).substr(0, ready));
  unfinished_.erase(0, ready);
}

void Source::finish_text() {
  if (!unfinished_.empty()) bytes_ += utf8::repair(unfinished_);
  unfinished_.clear();
}

void Source::append_control(std::string_view token) {
  finish_text();
  bytes_ += kControlBegin;
  bytes_ += utf8::repair(token);
  bytes_ += kControlEnd;
}

void Source::end(bool complete) {
  finish_text();
  ended_ = true;
  complete_ = complete;
}

void Source::wake() {
  if (waiting_) loop_.schedule(std::exchange(waiting_, nullptr));
  loop_.run();
}

int Source::Peek::await_resume() const {
  if (source.available() == 0) return kEnd;
  const auto byte = static_cast<unsigned char>(source.bytes_[source.position_]);
  return byte == static_cast<unsigned char>(kControlBegin) ? kControl : byte;
}

Match Source::match(const Marker& marker, std::size_t offset, std::size_t& length) const {
  const std::string_view bytes = rest();
  const std::string& text = marker.text();
  std::size_t position = offset;
  std::size_t matched = 0;
  while (matched < text.size()) {
    if (position == bytes.size()) return ended_ ? Match::kNo : Match::kPartial;
    if (bytes[position] == kControlBegin) {
      const std::size_t end = bytes.find(kControlEnd, position);
      const std::string_view token = bytes.substr(position + 1, end - position - 1);
      if (token.empty() || !std::string_view(text).substr(matched).starts_with(token)) return Match::kNo;
      matched += token.size();
      position = end + 1;
    } else {
      if (marker.is_control(matched) || bytes[position] != text[matched]) return Match::kNo;
      ++matched;
      ++position;
    }
  }
  length = position - offset;
  return Match::kYes;
}

void Source::take(std::size_t count) {
  if (recording_) append_without_control(record_, rest().substr(0, count));
  position_ += count;
  if (position_ < kDropConsumedAt && position_ < bytes_.size()) return;
  bytes_.erase(0, position_);
  position_ = 0;
}

void Source::take_control() { take(rest().find(kControlEnd) + 1); }

std::string_view Source::front_control() const { return rest().substr(1, rest().find(kControlEnd) - 1); }

std::string Source::end_record() {
  recording_ = false;
  return std::exchange(record_, {});
}

}  // namespace atelier::prompt::output
