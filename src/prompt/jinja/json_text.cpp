// The filter tojson as Hugging Face's chat templates have it: json.dumps, without escaping for HTML and
// without turning text to ASCII.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"
#include "prompt/jinja/builtins.h"

namespace atelier::prompt::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(TextBuilder& out, const JsonOptions& options)
      : out_(out),
        options_(options),
        item_separator_(options.item_separator.as_text()),
        key_separator_(options.key_separator.as_text()) {}

  void write(const Value& value, int level) {
    charge_steps(1);
    const Provenance provenance = value.provenance();
    switch (value.kind()) {
      case Kind::kText: write_text(value.as_text()); return;
      case Kind::kNone: out_.append("null", provenance); return;
      case Kind::kBool: out_.append(value.as_bool() ? "true" : "false", provenance); return;
      case Kind::kInt:
      case Kind::kBigInt: append_text(out_, value); return;
      case Kind::kFloat: out_.append(real(value.as_real()), provenance); return;
      case Kind::kList:
      case Kind::kTuple: write_items(value.as_sequence().items, provenance, level); return;
      case Kind::kDict: write_members(value.as_dict(), provenance, level); return;
      case Kind::kUndefined:
        raise(ErrorKind::kUndefined, "tojson cannot write an undefined value: " + value.undefined_message());
      default: raise_runtime("tojson cannot write a value of type '" + std::string(type_name(value)) + "'");
    }
  }

 private:
  static std::string real(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return json::python_repr(value);
  }

  void break_line(int level, Provenance provenance) {
    if (!options_.pretty) return;
    const TextObject& unit = options_.indentation.as_text();
    const std::size_t width = unit.bytes.size() * static_cast<std::size_t>(level);
    while (indentation_.size() < 1 + width) indentation_ += unit.bytes;
    const Provenance spaces = mixed(provenance, unit.overall());
    if (spaces == provenance) {
      out_.append(std::string_view(indentation_).substr(0, 1 + width), provenance);
    } else {
      out_.append('\n', provenance);
      out_.append(std::string_view(indentation_).substr(1, width), spaces);
    }
  }

  void separate(Provenance provenance) {
    out_.append(item_separator_.bytes, mixed(provenance, item_separator_.overall()));
  }

  void write_items(const std::vector<Value>& items, Provenance provenance, int level) {
    check_stack();
    if (items.empty()) {
      out_.append("[]", provenance);
      return;
    }
    out_.append('[', provenance);
    bool first = true;
    for (const Value& item : items) {
      if (!std::exchange(first, false)) separate(provenance);
      break_line(level + 1, provenance);
      write(item, level + 1);
    }
    break_line(level, provenance);
    out_.append(']', provenance);
  }

  void write_key(const Value& key) {
    const Provenance provenance = key.provenance();
    switch (key.kind()) {
      case Kind::kText: write_text(key.as_text()); return;
      case Kind::kNone: out_.append("\"null\"", provenance); return;
      case Kind::kBool: out_.append(key.as_bool() ? "\"true\"" : "\"false\"", provenance); return;
      case Kind::kFloat: out_.append("\"" + real(key.as_real()) + "\"", provenance); return;
      case Kind::kInt:
      case Kind::kBigInt: out_.append("\"" + plain_text(key) + "\"", provenance); return;
      default: raise_runtime("tojson cannot write a key of type '" + std::string(type_name(key)) + "'");
    }
  }

  // The separator, the key and the colon in one, where all of it is of one provenance and plain; false where not.
  bool write_key_at_once(const Value& key, Provenance provenance, bool follows) {
    if (options_.pretty || !key.is_text() || !separators_are_plain_) return false;
    const TextObject& text = key.as_text();
    if (text.runs || text.provenance != provenance || !all_plain(text.bytes)) return false;
    const std::string_view before = follows ? std::string_view(item_separator_.bytes) : std::string_view();
    const std::string_view after = key_separator_.bytes;
    const std::size_t size = before.size() + text.bytes.size() + 2 + after.size();
    char* to = out_.room(size);
    copy_bytes(to, before.data(), before.size());
    to += before.size();
    *to++ = '"';
    copy_bytes(to, text.bytes.data(), text.bytes.size());
    to += text.bytes.size();
    *to++ = '"';
    copy_bytes(to, after.data(), after.size());
    out_.note(size, provenance);
    return true;
  }

  void write_members(const DictObject& dict, Provenance provenance, int level) {
    check_stack();
    if (dict.items.empty()) {
      out_.append("{}", provenance);
      return;
    }
    out_.append('{', provenance);
    bool first = true;
    const auto write_member = [&](const std::pair<Value, Value>& member) {
      const bool follows = !std::exchange(first, false);
      if (!write_key_at_once(member.first, provenance, follows)) {
        if (follows) separate(provenance);
        break_line(level + 1, provenance);
        write_key(member.first);
        out_.append(key_separator_.bytes, mixed(provenance, key_separator_.overall()));
      }
      write(member.second, level + 1);
    };
    if (options_.sort_keys) {
      std::vector<const std::pair<Value, Value>*> members;
      members.reserve(dict.items.size());
      for (const auto& member : dict.items) members.push_back(&member);
      std::stable_sort(members.begin(), members.end(), [](auto* a, auto* b) { return less(a->first, b->first); });
      for (const auto* member : members) write_member(*member);
    } else {
      for (const auto& member : dict.items) write_member(member);
    }
    break_line(level, provenance);
    out_.append('}', provenance);
  }

  // A byte whose high bit is set in the result may be one to escape; the lowest such byte is, because borrows and carries
  // only go upwards.
  static std::uint64_t special_bytes(std::uint64_t word) {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    constexpr std::uint64_t kHigh = 0x8080808080808080;
    const auto zeros = [](std::uint64_t x) { return (x - kOnes) & ~x; };
    return (word | (word - kOnes * 0x20) | zeros(word ^ (kOnes * '"')) | zeros(word ^ (kOnes * '\\')) |
            (word + kOnes)) &
           kHigh;
  }

  template <class Word>
  static std::uint64_t load(const char* from) {
    Word word;
    std::memcpy(&word, from, sizeof(Word));
    return word;
  }

  // Whether none of it needs an escape, whatever the options are.
  static bool all_plain(std::string_view bytes) {
    const std::size_t size = bytes.size();
    const char* from = bytes.data();
    if (size >= 8) {
      for (std::size_t at = 0; at + 8 < size; at += 8) {
        if (special_bytes(load<std::uint64_t>(from + at)) != 0) return false;
      }
      return special_bytes(load<std::uint64_t>(from + size - 8)) == 0;
    }
    if (size >= 4) {
      return special_bytes(load<std::uint32_t>(from) | load<std::uint32_t>(from + size - 4) << 32) == 0;
    }
    return std::all_of(bytes.begin(), bytes.end(), [](char c) { return is_plain(static_cast<unsigned char>(c)); });
  }

  // How many of the bytes from `at` on need no escape whatever the options are.
  static std::size_t plain_ascii(std::string_view bytes, std::size_t at) {
    const std::size_t begin = at;
    for (; at + 8 <= bytes.size(); at += 8) {
      const std::uint64_t special = special_bytes(load<std::uint64_t>(bytes.data() + at));
      if (special == 0) continue;
      if constexpr (std::endian::native == std::endian::little) {
        return at - begin + static_cast<std::size_t>(std::countr_zero(special)) / 8;
      }
      break;
    }
    while (at < bytes.size() && is_plain(static_cast<unsigned char>(bytes[at]))) ++at;
    return at - begin;
  }
  static bool is_plain(unsigned char byte) { return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\'; }

  // The escape of a character, or nothing.
  std::size_t escape(char32_t c, char (&buffer)[40]) const {
    const auto two = [&](char second) {
      buffer[0] = '\\';
      buffer[1] = second;
      return std::size_t{2};
    };
    switch (c) {
      case '"': return two('"');
      case '\\': return two('\\');
      case '\n': return two('n');
      case '\r': return two('r');
      case '\t': return two('t');
      case '\f': return two('f');
      case '\b': return two('b');
      default: break;
    }
    const auto code = static_cast<unsigned>(c);
    if (c < 0x20) return static_cast<std::size_t>(std::snprintf(buffer, sizeof(buffer), "\\u%04x", code));
    if (!options_.ensure_ascii || c < 0x7F) return 0;
    if (c < 0x10000) return static_cast<std::size_t>(std::snprintf(buffer, sizeof(buffer), "\\u%04x", code));
    const unsigned above = code - 0x10000;
    return static_cast<std::size_t>(
        std::snprintf(buffer, sizeof(buffer), "\\u%04x\\u%04x", 0xD800 + (above >> 10), 0xDC00 + (above & 0x3FF)));
  }

  void write_text(const TextObject& text) {
    const std::string_view bytes = text.bytes;
    if (!text.runs && all_plain(bytes)) {
      // Most text: nothing to escape.
      char* to = out_.room(bytes.size() + 2);
      *to = '"';
      copy_bytes(to + 1, bytes.data(), bytes.size());
      to[bytes.size() + 1] = '"';
      out_.note(bytes.size() + 2, text.provenance);
      return;
    }
    const Provenance around = text.overall();
    out_.append('"', around);
    std::size_t plain = 0;
    char buffer[40];
    for (std::size_t at = plain_ascii(bytes, 0); at < bytes.size(); at += plain_ascii(bytes, at)) {
      const auto byte = static_cast<unsigned char>(bytes[at]);
      if (byte >= 0x80 && !options_.ensure_ascii) {
        do {
          ++at;
        } while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) >= 0x80);
        continue;
      }
      const utf8::Decoded decoded = utf8::decode(bytes, at);
      if (const std::size_t length = escape(decoded.code_point, buffer); length > 0) {
        out_.append_slice(text, plain, at);
        out_.append(std::string_view(buffer, length), text.at(at));
        plain = at + decoded.length;
      }
      at += decoded.length;
    }
    out_.append_slice(text, plain, bytes.size());
    out_.append('"', around);
  }

  TextBuilder& out_;
  const JsonOptions& options_;
  const TextObject& item_separator_;
  const TextObject& key_separator_;
  // They become what stands around them.
  const bool separators_are_plain_ =
      item_separator_.overall() == Provenance::kTemplate && key_separator_.overall() == Provenance::kTemplate;
  std::string indentation_ = "\n";  // and as many levels as were needed so far
};

}  // namespace

void append_json(TextBuilder& out, const Value& value, const JsonOptions& options) {
  JsonWriter(out, options).write(value, 0);
}

}  // namespace atelier::prompt::jinja
