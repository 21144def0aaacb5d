// "%s and %5.2f" % (a, b)
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "base/utf8.h"
#include "prompt/jinja/builtins.h"

namespace atelier::prompt::jinja {
namespace {

constexpr std::int64_t kMaxWidth = 1'000'000;

struct Conversion {
  bool left = false, plus = false, space = false, alternative = false, zero = false;
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char type = 0;
};

class PercentFormatter {
 public:
  PercentFormatter(const Value& format, const Value& arguments)
      : format_(format.as_text()), arguments_(arguments), escape_(format.is_markup()) {
    if (arguments.is(Kind::kTuple)) {
      count_ = arguments.as_sequence().items.size();
    } else {
      single_ = true;
      count_ = 1;
      mapping_ = arguments.is_dict();
      // Python asks only whether the value could be subscripted.
      lenient_ = mapping_ || arguments.is(Kind::kList) || arguments.is(Kind::kRange) || arguments.is_undefined();
    }
  }

  Value run() {
    const std::string& bytes = format_.bytes;
    std::size_t at = 0;
    while (at < bytes.size()) {
      const std::size_t percent = bytes.find('%', at);
      if (percent == std::string::npos) break;
      out_.append_slice(format_, at, percent);
      at = percent + 1;
      at = conversion(at);
    }
    if (at < bytes.size()) out_.append_slice(format_, at, bytes.size());
    if (next_ < count_ && !lenient_) raise_runtime("not all arguments of '%' were used by the format");
    return out_.take();
  }

 private:
  const Value& take() {
    if (next_ >= count_) raise_runtime("there are not enough arguments for the format");
    const std::size_t index = next_++;
    return single_ ? arguments_ : arguments_.as_sequence().items[index];
  }

  char at_or_end(std::size_t at) const {
    if (at >= format_.bytes.size()) raise_runtime("the format ends within a conversion");
    return format_.bytes[at];
  }

  std::int64_t number(std::size_t& at) {
    if (at_or_end(at) == '*') {
      ++at;
      const std::int64_t value = integer_argument(take(), "a '*' in a format");
      return std::clamp<std::int64_t>(value, -kMaxWidth, kMaxWidth);
    }
    std::int64_t value = 0;
    while (at_or_end(at) >= '0' && format_.bytes[at] <= '9') {
      value = value * 10 + (format_.bytes[at++] - '0');
      if (value > kMaxWidth) raise_runtime("the width in the format is too large");
    }
    return value;
  }

  // "(name)": the rest of the conversion uses that member alone.
  const Value* key(std::size_t& at) {
    if (at_or_end(at) != '(') return nullptr;
    if (!mapping_) raise_runtime("the format needs a mapping");
    std::size_t depth = 1;
    const std::size_t begin = ++at;
    while (depth > 0) {
      const char c = at_or_end(at++);
      depth += c == '(' ? 1 : 0;
      depth -= c == ')' ? 1 : 0;
    }
    const std::string name = format_.bytes.substr(begin, at - 1 - begin);
    const Value* found = arguments_.as_dict().find(std::string_view(name));
    if (found == nullptr) raise_runtime("the mapping has no '" + name + "' for the format");
    return found;
  }

  std::size_t conversion(std::size_t at) {
    const std::size_t begin = at - 1;
    const Value* member = key(at);
    Conversion spec;
    for (bool more = true; more;) {
      switch (at_or_end(at)) {
        case '-': spec.left = true; break;
        case '+': spec.plus = true; break;
        case ' ': spec.space = true; break;
        case '#': spec.alternative = true; break;
        case '0': spec.zero = true; break;
        default: more = false; continue;
      }
      ++at;
    }
    spec.width = number(at);
    if (spec.width < 0) {
      spec.left = true;
      spec.width = -spec.width;
    }
    if (at_or_end(at) == '.') {
      ++at;
      spec.precision = std::max<std::int64_t>(0, number(at));
    }
    if (at_or_end(at) == 'h' || format_.bytes[at] == 'l' || format_.bytes[at] == 'L') ++at;
    spec.type = at_or_end(at);
    const Provenance format_provenance = format_.at(begin);
    if (spec.type == '%') {
      out_.append('%', format_provenance);
      return at + 1;
    }
    if (member == nullptr)
      member = &take();
    else
      next_ = count_;
    convert(spec, *member);
    return at + 1;
  }

  void convert(const Conversion& spec, const Value& value) {
    switch (spec.type) {
      case 's':
      case 'r':
      case 'a': text(spec, value); return;
      case 'c': character(spec, value); return;
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o': integer(spec, value); return;
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': real(spec, value); return;
      default: raise_runtime(std::string("the format has an unknown conversion '") + spec.type + "'");
    }
  }

  void pad(const Conversion& spec, const TextObject& text) {
    const std::int64_t missing = spec.width - static_cast<std::int64_t>(text.length());
    if (!spec.left) out_.append_repeated(" ", missing, text.overall());
    out_.append(text);
    if (spec.left) out_.append_repeated(" ", missing, text.overall());
  }

  void text(const Conversion& spec, const Value& value) {
    if (spec.type == 's' && !escape_ && spec.width == 0 && spec.precision < 0) {
      append_text(out_, value);
      return;
    }
    TextBuilder builder;
    if (spec.type == 's' && escape_) {
      builder.append(escaped(value).as_text());
    } else if (spec.type == 's') {
      append_text(builder, value);
    } else {
      append_representation(builder, value);
    }
    Value made = builder.take();
    if (spec.type != 's' && escape_) made = escaped(made);
    if (spec.type == 'a') made = ascii(made.as_text());
    if (spec.precision >= 0) {
      const TextObject& whole = made.as_text();
      made = slice_text(whole, 0, whole.offset_of(static_cast<std::size_t>(spec.precision)));
    }
    pad(spec, made.as_text());
  }

 public:
  static Value ascii(const TextObject& text) {
    TextBuilder builder;
    for (std::size_t at = 0; at < text.bytes.size();) {
      const utf8::Decoded decoded = utf8::decode(text.bytes, at);
      const auto code = static_cast<unsigned>(decoded.code_point);
      if (code < 0x80) {
        builder.append_slice(text, at, at + 1);
      } else {
        char buffer[16];
        std::snprintf(buffer, sizeof(buffer), code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
        builder.append(buffer, text.at(at));
      }
      at += decoded.length;
    }
    return builder.take();
  }

 private:
  void character(const Conversion& spec, const Value& value) {
    TextBuilder builder;
    if (value.is_text() && value.as_text().length() == 1) {
      builder.append(value.as_text());
    } else if (value.is_integral() && value.as_int() >= 0 && value.as_int() <= 0x10FFFF) {
      builder.append_code_point(static_cast<char32_t>(value.as_int()), value.provenance());
    } else {
      raise_runtime("%c needs one character or its number");
    }
    const Value made = builder.take();
    pad(spec, made.as_text());
  }

  void number_text(const Conversion& spec, std::string sign, std::string prefix, std::string digits,
                   Provenance provenance) {
    const auto length = static_cast<std::int64_t>(sign.size() + prefix.size() + digits.size());
    const std::int64_t missing = std::max<std::int64_t>(0, spec.width - length);
    if (!spec.left && !spec.zero) out_.append_repeated(" ", missing, provenance);
    out_.append(sign + prefix, provenance);
    if (!spec.left && spec.zero) out_.append_repeated("0", missing, provenance);
    out_.append(digits, provenance);
    if (spec.left) out_.append_repeated(" ", missing, provenance);
  }

  std::string sign_of(const Conversion& spec, bool negative) const {
    return negative ? "-" : spec.plus ? "+" : spec.space ? " " : "";
  }

  void integer(const Conversion& spec, const Value& value) {
    if (value.is_undefined()) raise_undefined(value);
    const bool decimal = spec.type == 'd' || spec.type == 'i' || spec.type == 'u';
    std::string digits;
    bool negative = false;
    const bool large_real =
        value.is(Kind::kFloat) && std::isfinite(value.as_real()) && std::abs(value.as_real()) > 9e18;
    if (decimal && (value.is(Kind::kBigInt) || large_real)) {
      digits = large_real ? print_real('f', 0, false, value.as_real()) : value.as<TextObject>().bytes;
      negative = digits.starts_with('-');
      if (negative) digits.erase(0, 1);
    } else {
      if (!value.is_integral() && !(decimal && value.is(Kind::kFloat))) {
        raise_runtime(std::string("%") + spec.type + " needs a number, not '" + std::string(type_name(value)) + "'");
      }
      const std::int64_t number = value.is(Kind::kFloat) ? truncate(value.as_real()) : value.as_int();
      negative = number < 0;
      const std::uint64_t magnitude =
          negative ? ~static_cast<std::uint64_t>(number) + 1 : static_cast<std::uint64_t>(number);
      char buffer[32];
      std::snprintf(buffer, sizeof(buffer),
                    decimal            ? "%llu"
                    : spec.type == 'x' ? "%llx"
                    : spec.type == 'X' ? "%llX"
                                       : "%llo",
                    static_cast<unsigned long long>(magnitude));
      digits = buffer;
    }
    if (spec.precision > static_cast<std::int64_t>(digits.size())) {
      if (spec.precision > kMaxWidth) raise_runtime("the precision is too large");
      digits.insert(0, static_cast<std::size_t>(spec.precision) - digits.size(), '0');
    }
    std::string prefix;
    if (spec.alternative && !decimal) prefix.append(1, '0').append(1, spec.type);
    number_text(spec, sign_of(spec, negative), prefix, digits, value.provenance());
  }

  void real(const Conversion& spec, const Value& value) {
    if (value.is_undefined()) raise_undefined(value);
    if (!value.is_number() && !value.is(Kind::kBigInt)) {
      raise_runtime(std::string("%") + spec.type + " needs a number, not '" + std::string(type_name(value)) + "'");
    }
    const double number = value.approximate();
    std::string digits =
        print_real(spec.type, static_cast<int>(std::min<std::int64_t>(spec.precision < 0 ? 6 : spec.precision, 1001)),
                   spec.alternative, std::abs(number));
    if (std::isnan(number)) digits = spec.type >= 'a' ? "nan" : "NAN";
    number_text(spec, sign_of(spec, std::signbit(number) && !std::isnan(number)), "", digits, value.provenance());
  }

  const TextObject& format_;
  const Value& arguments_;
  const bool escape_;
  bool single_ = false;
  bool mapping_ = false;
  bool lenient_ = false;
  std::size_t count_ = 0;
  std::size_t next_ = 0;
  TextBuilder out_;
};

}  // namespace

Value percent_format(const Value& format, const Value& arguments) {
  const Value made = PercentFormatter(format, arguments).run();
  return format.is_markup() ? made.as_markup() : made;
}

Value ascii_text(const TextObject& text) { return PercentFormatter::ascii(text); }

}  // namespace atelier::prompt::jinja
