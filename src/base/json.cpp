#include "base/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace atelier::json {
namespace {

// From this many members on, the parser looks for duplicates with a hash table.
constexpr std::size_t kLinearMembers = 16;

// Builds a Value from the parser's events, with bounds on depth and size.
class Builder {
 public:
  explicit Builder(const ParseLimits& limits) : limits_(limits) {}

  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;

  bool null() { return add(Value()); }
  bool boolean(bool value) { return add(Value(value)); }
  bool number_integer(number_integer_t value) { return add(Value(static_cast<std::int64_t>(value))); }
  bool number_unsigned(number_unsigned_t value) { return add(Value(static_cast<std::uint64_t>(value))); }
  bool number_float(number_float_t value, const std::string& text) {
    const bool written_as_integer = text.find_first_of(".eE") == std::string::npos;
    if (written_as_integer || !std::isfinite(value)) return add(Value(ExactNumber{text, value}));
    return add(Value(value));
  }
  bool string(std::string& value) { return add(Value(std::move(value))); }
  bool binary(nlohmann::json::binary_t&) { return false; }
  bool start_object(std::size_t) { return push(Value(Object())); }
  bool start_array(std::size_t) { return push(Value(Array())); }
  bool key(std::string& value) {
    frames_.back().key = std::move(value);
    return true;
  }
  bool end_object() { return pop(); }
  bool end_array() { return pop(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
    message_ = error.what();
    return false;
  }

  Value take() { return std::move(root_); }
  const std::string& message() const { return message_; }

 private:
  struct Frame {
    Value value;
    std::string key;
    std::unordered_set<std::string> keys;  // filled once the object outgrows a linear search
  };

  bool add(Value value) {
    if (++count_ > limits_.values) {
      message_ = fmt::format("the document has more than {} values", limits_.values);
      return false;
    }
    if (frames_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Frame& frame = frames_.back();
    if (Array* array = frame.value.if_array()) {
      array->push_back(std::move(value));
      return true;
    }
    add_member(frame, std::move(value));
    return true;
  }

  void add_member(Frame& frame, Value value) {
    Object& object = *frame.value.if_object();
    if (object.size() < kLinearMembers) {
      object.set(frame.key, std::move(value));
      return;
    }
    if (frame.keys.empty()) {
      for (const auto& [key, _] : object) frame.keys.insert(key);
    }
    if (frame.keys.insert(frame.key).second) {
      object.append(std::move(frame.key), std::move(value));
    } else {
      object.set(frame.key, std::move(value));
    }
  }

  bool push(Value container) {
    if (static_cast<int>(frames_.size()) >= limits_.depth) {
      message_ = fmt::format("arrays and objects are nested more than {} deep", limits_.depth);
      return false;
    }
    frames_.push_back(Frame{std::move(container), {}, {}});
    return true;
  }

  bool pop() {
    Value value = std::move(frames_.back().value);
    frames_.pop_back();
    return add(std::move(value));
  }

  ParseLimits limits_;
  std::size_t count_ = 0;
  std::vector<Frame> frames_;
  Value root_;
  std::string message_;
};

std::optional<unsigned> hex4(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
  if (error != std::errc() || end != text.data() + at + 4) return std::nullopt;
  return value;
}

// Replaces lone surrogate escapes by �. Clients cut text in the middle of a pair and send it; the
// parser refuses them, and Python would read them.
std::optional<std::string> without_lone_surrogates(std::string_view text) {
  std::optional<std::string> changed;
  for (std::size_t i = 0; i + 5 < text.size(); ++i) {
    if (text[i] != '\\') continue;
    if (text[i + 1] != 'u') {
      ++i;
      continue;
    }
    const auto unit = hex4(text, i + 2);
    if (!unit || *unit < 0xD800 || *unit > 0xDFFF) {
      i += 1;
      continue;
    }
    if (*unit < 0xDC00 && i + 11 < text.size() && text[i + 6] == '\\' && text[i + 7] == 'u') {
      const auto low = hex4(text, i + 8);
      if (low && *low >= 0xDC00 && *low <= 0xDFFF) {
        i += 11;
        continue;
      }
    }
    if (!changed) changed.emplace(text);
    changed->replace(i, 6, "\\uFFFD");
    i += 5;
  }
  return changed;
}

// nlohmann's texts begin with "[json.exception.parse_error.101] parse error at line 1, column 2: …".
std::string readable(std::string message) {
  if (const auto end = message.find("] "); message.starts_with('[') && end != std::string::npos) {
    message.erase(0, end + 2);
  }
  if (message.starts_with("parse error ")) message.erase(0, 12);
  return message;
}

void append_number(std::string& out, const Value::Data& data) {
  std::array<char, 24> digits;
  if (const auto* integer = std::get_if<std::int64_t>(&data)) {
    out.append(digits.data(), std::to_chars(digits.begin(), digits.end(), *integer).ptr);
  } else if (const auto* natural = std::get_if<std::uint64_t>(&data)) {
    out.append(digits.data(), std::to_chars(digits.begin(), digits.end(), *natural).ptr);
  } else if (const auto* exact = std::get_if<ExactNumber>(&data)) {
    out += exact->text;
  } else if (const double value = std::get<double>(data); std::isfinite(value)) {
    out += python_repr(value);
  } else {
    out += "null";
  }
}

class Writer {
 public:
  Writer(std::string& out, const DumpOptions& options) : out_(out), options_(options) {}

  void write(const Value& value, int level) {
    switch (value.kind()) {
      case Value::Kind::kNull: out_ += "null"; break;
      case Value::Kind::kBool: out_ += *value.if_bool() ? "true" : "false"; break;
      case Value::Kind::kNumber: append_number(out_, value.data()); break;
      case Value::Kind::kString: dump_string_to(out_, *value.if_string(), options_.ensure_ascii); break;
      case Value::Kind::kArray: write_array(*value.if_array(), level); break;
      case Value::Kind::kObject: write_object(*value.if_object(), level); break;
    }
  }

 private:
  void write_array(const Array& array, int level) {
    if (array.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    bool first = true;
    for (const Value& item : array) {
      separate(first, level + 1);
      write(item, level + 1);
    }
    close(level);
    out_ += ']';
  }

  void write_object(const Object& object, int level) {
    if (object.empty()) {
      out_ += "{}";
      return;
    }
    out_ += '{';
    bool first = true;
    const auto write_member = [&](const Member& member) {
      separate(first, level + 1);
      dump_string_to(out_, member.first, options_.ensure_ascii);
      out_ += options_.key_separator;
      write(member.second, level + 1);
    };
    if (options_.sort_keys) {
      std::vector<const Member*> members;
      for (const Member& member : object) members.push_back(&member);
      std::ranges::sort(members, {}, [](const Member* member) -> const std::string& { return member->first; });
      for (const Member* member : members) write_member(*member);
    } else {
      for (const Member& member : object) write_member(member);
    }
    close(level);
    out_ += '}';
  }

  void separate(bool& first, int level) {
    if (!first) {
      // With an indent the line break stands for the blank, as in Python.
      std::string_view separator = options_.item_separator;
      if (options_.indent >= 0 && separator.ends_with(' ')) separator.remove_suffix(1);
      out_ += separator;
    }
    first = false;
    new_line(level);
  }

  void close(int level) { new_line(level); }

  void new_line(int level) {
    if (options_.indent < 0) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(level) * static_cast<std::size_t>(options_.indent), ' ');
  }

  std::string& out_;
  const DumpOptions& options_;
};

}  // namespace

const Value* Object::find(std::string_view key) const {
  const auto found = std::ranges::find(members_, key, &Member::first);
  return found == members_.end() ? nullptr : &found->second;
}

Value* Object::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

Value& Object::operator[](std::string_view key) {
  if (Value* value = find(key)) return *value;
  return append(std::string(key), Value());
}

Value& Object::set(std::string_view key, Value value) { return (*this)[key] = std::move(value); }

Value& Object::append(std::string key, Value value) {
  return members_.emplace_back(std::move(key), std::move(value)).second;
}

bool Object::erase(std::string_view key) {
  const auto found = std::ranges::find(members_, key, &Member::first);
  if (found == members_.end()) return false;
  members_.erase(found);
  return true;
}

bool operator==(const Object& a, const Object& b) {
  if (a.size() != b.size()) return false;
  return std::ranges::all_of(a.members_, [&](const Member& member) {
    const Value* other = b.find(member.first);
    return other != nullptr && *other == member.second;
  });
}

Value::Data Value::from_unsigned(std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(INT64_MAX)) return static_cast<std::int64_t>(value);
  return value;
}

Value::Kind Value::kind() const {
  switch (data_.index()) {
    case 0: return Kind::kNull;
    case 1: return Kind::kBool;
    case 2:
    case 3:
    case 4:
    case 5: return Kind::kNumber;
    case 6: return Kind::kString;
    case 7: return Kind::kArray;
    default: return Kind::kObject;
  }
}

bool Value::is_integer() const {
  return std::holds_alternative<std::int64_t>(data_) || std::holds_alternative<std::uint64_t>(data_);
}

std::optional<double> Value::number() const {
  if (const auto* value = std::get_if<std::int64_t>(&data_)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&data_)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<double>(&data_)) return *value;
  if (const auto* value = std::get_if<ExactNumber>(&data_)) return value->approximate;
  return std::nullopt;
}

std::optional<std::int64_t> Value::integer() const {
  if (const auto* value = std::get_if<std::int64_t>(&data_)) return *value;
  if (const auto* value = std::get_if<double>(&data_)) {
    // 2^63 itself does not fit; every double below it in size does.
    if (std::trunc(*value) == *value && std::fabs(*value) < 9223372036854775808.0) {
      return static_cast<std::int64_t>(*value);
    }
  }
  return std::nullopt;
}

const Value* Value::find(std::string_view key) const {
  const Object* object = if_object();
  return object == nullptr ? nullptr : object->find(key);
}

bool operator==(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (a.kind() != Value::Kind::kNumber || a.data_.index() == b.data_.index()) return a.data_ == b.data_;
  return a.number() == b.number();
}

Result<Value> parse(std::string_view text, const ParseLimits& limits) {
  // The parser below would take it for the end of the text.
  if (const std::size_t nul = text.find('\0'); nul != text.npos) {
    return fail(ErrorCode::kInvalidRequest, fmt::format("Not valid JSON: a NUL byte at offset {}", nul));
  }
  std::optional<std::string> mended;
  if (text.find("\\ud") != text.npos || text.find("\\uD") != text.npos) mended = without_lone_surrogates(text);
  if (mended) text = *mended;

  Builder builder(limits);
  bool done = false;
  try {
    done = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInvalidRequest, fmt::format("Not valid JSON: {}", error.what()));
  }
  if (!done) return fail(ErrorCode::kInvalidRequest, "Not valid JSON: " + readable(builder.message()));
  return builder.take();
}

void dump_to(std::string& out, const Value& value, const DumpOptions& options) { Writer(out, options).write(value, 0); }

std::string dump(const Value& value, const DumpOptions& options) {
  std::string out;
  dump_to(out, value, options);
  return out;
}

void dump_string_to(std::string& out, std::string_view text, bool ensure_ascii) {
  out += '"';
  std::size_t i = 0;
  while (i < text.size()) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x80) {
      const utf8::Decoded decoded = utf8::decode(text, i);
      if (!decoded.valid) {
        out += ensure_ascii ? "\\ufffd" : "\xEF\xBF\xBD";
      } else if (!ensure_ascii) {
        out.append(text, i, decoded.length);
      } else if (decoded.code_point < 0x10000) {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(decoded.code_point));
      } else {
        const auto offset = static_cast<unsigned>(decoded.code_point) - 0x10000;
        fmt::format_to(std::back_inserter(out), "\\u{:04x}\\u{:04x}", 0xD800 + (offset >> 10),
                       0xDC00 + (offset & 0x3FF));
      }
      i += decoded.length;
      continue;
    }
    switch (byte) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (byte < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
        } else {
          out += static_cast<char>(byte);
        }
    }
    ++i;
  }
  out += '"';
}

double shortest_double(float value) {
  if (!std::isfinite(value)) return static_cast<double>(value);
  std::array<char, 32> buffer;
  const char* end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  double result = 0;
  std::from_chars(buffer.data(), end, result);
  return result;
}

std::string python_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  // The shortest digits that read back the same, as d.ddde±xx; then laid out by Python's rule: fixed
  // notation for decimal exponents from -4 to 15.
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.begin(), buffer.end(), value, std::chars_format::scientific).ptr;
  std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  std::string out;
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  int exponent = 0;
  const std::string_view exponent_text = text.substr(text[e + 1] == '+' ? e + 2 : e + 1);
  std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
  std::string digits(text.substr(0, 1));
  if (e > 2) digits += text.substr(2, e - 2);

  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out += '.' + digits.substr(1);
    fmt::format_to(std::back_inserter(out), "e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  } else if (exponent < 0) {
    out += "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  } else if (count <= exponent + 1) {
    out += digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0') + ".0";
  } else {
    out += digits.substr(0, static_cast<std::size_t>(exponent) + 1) + '.' +
           digits.substr(static_cast<std::size_t>(exponent) + 1);
  }
  return out;
}

}  // namespace atelier::json
