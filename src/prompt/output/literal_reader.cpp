#include "prompt/output/literal_reader.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/utf8.h"

namespace atelier::prompt::output {
namespace {

bool is_space(int byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

bool ends_scalar(int byte) {
  return is_space(byte) || byte == LiteralReader::kDelimiter ||
         (byte > 0 && std::string_view(",:]})([{\"'").find(static_cast<char>(byte)) != std::string_view::npos);
}

int hex_digit(int byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

void append_byte(std::string& out, int byte) { out += static_cast<char>(byte); }

void append_escaped_byte(std::string& out, int byte) {
  switch (byte) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    default: break;
  }
  if (byte < 0x20) {
    out += fmt::format("\\u{:04x}", byte);
  } else {
    append_byte(out, byte);
  }
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  for (const char byte : text) append_escaped_byte(out, static_cast<unsigned char>(byte));
}

LiteralReader::Step LiteralReader::feed(int byte, std::string& out) {
  switch (state_) {
    case State::kString: return feed_string(byte, out);
    case State::kEscape: return feed_escape(byte, out);
    case State::kDigits: return feed_digits(byte, out);
    case State::kScalar:
    case State::kBareKey: return feed_scalar(byte, out);
    default: break;
  }
  if (is_space(byte)) {
    if (is_json() && !open_.empty()) append_byte(out, byte);
    return Step::kMore;
  }
  switch (state_) {
    case State::kValue:
    case State::kValueOrEnd: return feed_value(byte, out);
    case State::kKey:
    case State::kKeyOrEnd: return feed_key(byte, out);
    case State::kColon:
      if (byte != ':') return Step::kBad;
      out += is_json() ? ":" : ": ";
      state_ = State::kValue;
      return Step::kMore;
    default: return feed_after_value(byte, out);
  }
}

LiteralReader::Step LiteralReader::feed_value(int byte, std::string& out) {
  if (byte == ']' || (byte == ')' && !is_json())) {
    return state_ == State::kValueOrEnd ? close('[', out) : Step::kBad;
  }
  write_comma(out);
  if (byte == '{') return open('{', out);
  if (byte == '[' || (byte == '(' && notation_ == Notation::kPython)) return open('[', out);
  if (byte == '"' || (byte == '\'' && notation_ == Notation::kPython) || byte == kDelimiter) {
    return open_string(byte, false, out);
  }
  if (byte < 0 || ends_scalar(byte)) return Step::kBad;
  state_ = State::kScalar;
  scalar_.clear();
  append_byte(scalar_, byte);
  return Step::kMore;
}

LiteralReader::Step LiteralReader::feed_key(int byte, std::string& out) {
  if (byte == '}') return state_ == State::kKeyOrEnd ? close('{', out) : Step::kBad;
  write_comma(out);
  if (byte == '"' || (byte == '\'' && notation_ == Notation::kPython) || byte == kDelimiter) {
    return open_string(byte, true, out);
  }
  if (is_json() || byte < 0 || ends_scalar(byte)) return Step::kBad;
  state_ = State::kBareKey;
  scalar_.clear();
  append_byte(scalar_, byte);
  return Step::kMore;
}

LiteralReader::Step LiteralReader::feed_after_value(int byte, std::string& out) {
  const bool in_object = open_.back() == '{';
  if (byte == ',') {
    if (is_json()) {
      out += ',';
      state_ = in_object ? State::kKey : State::kValue;
    } else {
      // Python allows a comma before the end, JSON does not: it is written when another element begins.
      owes_comma_ = true;
      state_ = in_object ? State::kKeyOrEnd : State::kValueOrEnd;
    }
    return Step::kMore;
  }
  if (in_object) return byte == '}' ? close('{', out) : Step::kBad;
  return byte == ']' || (byte == ')' && !is_json()) ? close('[', out) : Step::kBad;
}

void LiteralReader::write_comma(std::string& out) {
  if (std::exchange(owes_comma_, false)) out += ", ";
}

LiteralReader::Step LiteralReader::open(char bracket, std::string& out) {
  if (open_.size() >= kMaxDepth) return Step::kBad;
  open_ += bracket;
  out += bracket;
  state_ = bracket == '{' ? State::kKeyOrEnd : State::kValueOrEnd;
  return Step::kMore;
}

LiteralReader::Step LiteralReader::close(char bracket, std::string& out) {
  if (open_.empty() || open_.back() != bracket) return Step::kBad;
  owes_comma_ = false;
  open_.pop_back();
  out += bracket == '{' ? '}' : ']';
  return value_ended();
}

LiteralReader::Step LiteralReader::value_ended() {
  state_ = State::kAfterValue;
  return open_.empty() ? Step::kDone : Step::kMore;
}

LiteralReader::Step LiteralReader::open_string(int quote, bool key, std::string& out) {
  quote_ = quote;
  in_key_ = key;
  out += '"';
  state_ = State::kString;
  return Step::kMore;
}

LiteralReader::Step LiteralReader::close_string(std::string& out) {
  out += '"';
  if (!in_key_) return value_ended();
  state_ = State::kColon;
  return Step::kMore;
}

LiteralReader::Step LiteralReader::feed_string(int byte, std::string& out) {
  if (byte == quote_) return close_string(out);
  if (byte == kDelimiter) return Step::kBad;
  if (byte == '\\' && quote_ != kDelimiter) {
    state_ = State::kEscape;
    return Step::kMore;
  }
  append_escaped_byte(out, byte);
  return Step::kMore;
}

LiteralReader::Step LiteralReader::feed_escape(int byte, std::string& out) {
  if (byte < 0) return Step::kBad;
  state_ = State::kString;
  if (!is_json()) return feed_python_escape(byte, out);
  if (std::string_view("\"\\/bfnrtu").find(static_cast<char>(byte)) != std::string_view::npos) {
    out += '\\';
    append_byte(out, byte);
    if (byte != 'u') return Step::kMore;
    digits_left_ = 4;
    state_ = State::kDigits;
    return Step::kMore;
  }
  if (byte != '\'') out += "\\\\";
  append_escaped_byte(out, byte);
  return Step::kMore;
}

LiteralReader::Step LiteralReader::feed_python_escape(int byte, std::string& out) {
  switch (byte) {
    case 'n': append_escaped_byte(out, '\n'); return Step::kMore;
    case 't': append_escaped_byte(out, '\t'); return Step::kMore;
    case 'r': append_escaped_byte(out, '\r'); return Step::kMore;
    case 'b': append_escaped_byte(out, '\b'); return Step::kMore;
    case 'f': append_escaped_byte(out, '\f'); return Step::kMore;
    case 'a': append_escaped_byte(out, 7); return Step::kMore;
    case 'v': append_escaped_byte(out, 11); return Step::kMore;
    case '0': append_escaped_byte(out, 0); return Step::kMore;
    case '\n': return Step::kMore;
    case '\\':
    case '\'':
    case '"': append_escaped_byte(out, byte); return Step::kMore;
    case 'x': digits_left_ = 2; break;
    case 'u': digits_left_ = 4; break;
    case 'U': digits_left_ = 8; break;
    default:  // Python keeps a backslash that escapes nothing
      append_escaped_byte(out, '\\');
      append_escaped_byte(out, byte);
      return Step::kMore;
  }
  code_ = 0;
  state_ = State::kDigits;
  return Step::kMore;
}

LiteralReader::Step LiteralReader::feed_digits(int byte, std::string& out) {
  const int digit = hex_digit(byte);
  if (digit < 0) return Step::kBad;
  if (is_json()) append_byte(out, byte);
  code_ = code_ << 4 | static_cast<std::uint32_t>(digit);
  if (--digits_left_ > 0) return Step::kMore;
  state_ = State::kString;
  if (is_json()) return Step::kMore;
  if (code_ < 0x80) {
    append_escaped_byte(out, static_cast<int>(code_));
  } else {
    const bool surrogate = code_ >= 0xD800 && code_ <= 0xDFFF;
    utf8::append(out, surrogate || code_ > 0x10FFFF ? 0xFFFD : static_cast<char32_t>(code_));
  }
  return Step::kMore;
}

LiteralReader::Step LiteralReader::feed_scalar(int byte, std::string& out) {
  if (byte >= 0 && !ends_scalar(byte)) {
    if (scalar_.size() >= kMaxScalar) return Step::kBad;
    append_byte(scalar_, byte);
    return Step::kMore;
  }
  if (state_ == State::kBareKey) {
    out += '"';
    append_escaped(out, scalar_);
    out += '"';
    state_ = State::kColon;
    return feed(byte, out);
  }
  if (!write_scalar(out)) return Step::kBad;
  state_ = State::kAfterValue;
  if (open_.empty()) return Step::kDoneBefore;
  return feed(byte, out);
}

bool LiteralReader::write_scalar(std::string& out) {
  if (!is_json()) {
    if (scalar_ == "True" || scalar_ == "False") {
      out += scalar_ == "True" ? "true" : "false";
      return true;
    }
    if (scalar_ == "None") {
      out += "null";
      return true;
    }
  }
  if (json::parse(scalar_)) {
    out += scalar_;
    return true;
  }
  if (notation_ != Notation::kBraced) return false;
  out += '"';
  append_escaped(out, scalar_);
  out += '"';
  return true;
}

}  // namespace atelier::prompt::output
