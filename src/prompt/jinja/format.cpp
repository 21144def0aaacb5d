// str.format and its little language of format specifications.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"
#include "prompt/jinja/builtins.h"

namespace atelier::prompt::jinja {

namespace {

constexpr std::int64_t kMaxWidth = 1'000'000;

// [[fill]align][sign][#][0][width][grouping][.precision][type]
struct Specification {
  std::string fill = " ";
  char align = 0;
  char sign = '-';
  bool alternative = false;
  bool no_negative_zero = false;
  std::int64_t width = 0;
  char grouping = 0;
  std::int64_t precision = -1;
  char type = 0;
};

bool is_align(char c) { return c == '<' || c == '>' || c == '=' || c == '^'; }

[[noreturn]] void fail_specification(std::string_view text) {
  raise_runtime("'" + std::string(text) + "' is no valid format specification");
}

Specification parse_specification(std::string_view text) {
  Specification spec;
  std::size_t at = 0;
  bool explicit_fill = false;
  const auto peek = [&] { return at < text.size() ? text[at] : '\0'; };
  const auto number = [&] {
    std::int64_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + (text[at++] - '0');
      if (value > kMaxWidth) raise_runtime("the width in the format is too large");
    }
    return value;
  };
  if (!text.empty()) {
    const std::size_t first = utf8::decode(text, 0).length;
    if (first < text.size() && is_align(text[first])) {
      spec.fill = text.substr(0, first);
      explicit_fill = true;
      spec.align = text[first];
      at = first + 1;
    } else if (is_align(text[0])) {
      spec.align = text[0];
      at = 1;
    }
  }
  if (peek() == '+' || peek() == '-' || peek() == ' ') {
    spec.sign = text[at++];
    if (spec.sign == '-') spec.sign = 'm';  // as the default, but text does not accept it
  }
  if (peek() == 'z') {
    spec.no_negative_zero = true;
    ++at;
  }
  if (peek() == '#') {
    spec.alternative = true;
    ++at;
  }
  if (!explicit_fill && peek() == '0') {
    spec.fill = "0";
    if (spec.align == 0) spec.align = 'z';  // as '=' for numbers, as '<' for text
    ++at;
  }
  spec.width = number();
  if (peek() == ',' || peek() == '_') {
    spec.grouping = text[at++];
    if (peek() == ',' || peek() == '_') fail_specification(text);
  }
  if (peek() == '.') {
    ++at;
    if (peek() < '0' || peek() > '9') fail_specification(text);
    spec.precision = number();
  }
  if (at < text.size()) spec.type = text[at++];
  if (at != text.size()) fail_specification(text);
  return spec;
}

void append_padded(TextBuilder& out, const Specification& spec, const TextObject& text, char default_align) {
  const std::int64_t missing = std::max<std::int64_t>(0, spec.width - static_cast<std::int64_t>(text.length()));
  const char align = spec.align == 0 || spec.align == 'z' ? default_align : spec.align;
  const std::int64_t left = align == '>' ? missing : align == '^' ? missing / 2 : 0;
  out.append_repeated(spec.fill, left, text.overall());
  out.append(text);
  out.append_repeated(spec.fill, missing - left, text.overall());
}

void append_text_value(TextBuilder& out, const Value& value, const Specification& spec, std::string_view source) {
  if ((spec.type != 0 && spec.type != 's') || spec.sign != '-' || spec.alternative || spec.align == '=' ||
      spec.grouping != 0 || spec.no_negative_zero) {
    fail_specification(source);
  }
  Value text = value;
  if (spec.precision >= 0) {
    text = slice_text(value.as_text(), 0, value.as_text().offset_of(static_cast<std::size_t>(spec.precision)));
  }
  append_padded(out, spec, text.as_text(), '<');
}

std::string grouped(const std::string& digits, char separator, std::size_t size) {
  std::string result;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % size == 0) result += separator;
    result += digits[i];
  }
  return result;
}

// A number in its parts: sign and prefix, digits before the point, and the rest.
void append_number(TextBuilder& out, const Specification& spec, std::string head, std::string digits,
                   const std::string& tail, std::size_t group_size, Provenance provenance) {
  const char align = spec.align == 'z' ? '=' : spec.align == 0 ? '>' : spec.align;
  const bool zero_filled = align == '=' && spec.fill == "0";
  const std::int64_t room = spec.width - static_cast<std::int64_t>(head.size() + tail.size());
  if (spec.grouping != 0) {
    if (zero_filled) {
      // Zeros are grouped like digits.
      while (static_cast<std::int64_t>(grouped(digits, spec.grouping, group_size).size()) < room) {
        digits.insert(digits.begin(), '0');
        charge_bytes(digits.size());
      }
    }
    digits = grouped(digits, spec.grouping, group_size);
  }
  const std::int64_t missing = std::max<std::int64_t>(0, room - static_cast<std::int64_t>(digits.size()));
  const std::int64_t before = align == '>' ? missing : align == '^' ? missing / 2 : 0;
  out.append_repeated(spec.fill, before, provenance);
  out.append(head, provenance);
  if (align == '=') out.append_repeated(spec.fill, missing, provenance);
  out.append(digits + tail, provenance);
  if (align == '<' || align == '^') out.append_repeated(spec.fill, missing - before, provenance);
}

std::string sign_text(const Specification& spec, bool negative) {
  if (negative) return "-";
  return spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
}

void append_integer(TextBuilder& out, const Value& value, const Specification& spec, std::string_view source) {
  if (spec.precision >= 0 || spec.no_negative_zero) fail_specification(source);
  std::string digits;
  bool negative = false;
  std::string prefix;
  std::size_t group_size = 3;
  if (spec.type == 'c') {
    if (spec.sign != '-' || spec.alternative || spec.grouping != 0 || value.is(Kind::kBigInt) || value.as_int() < 0 ||
        value.as_int() > 0x10FFFF) {
      fail_specification(source);
    }
    utf8::append(digits, static_cast<char32_t>(value.as_int()));
    const Value text = Value::text(digits, value.provenance());
    append_padded(out, spec, text.as_text(), '<');
    return;
  }
  if (value.is(Kind::kBigInt)) {
    if (spec.type != 0 && spec.type != 'd' && spec.type != 'n') raise_runtime("this integer does not fit in 64 bits");
    digits = value.as<TextObject>().bytes;
    negative = digits.starts_with('-');
    if (negative) digits.erase(0, 1);
  } else {
    const std::int64_t number = value.as_int();
    negative = number < 0;
    std::uint64_t magnitude = negative ? ~static_cast<std::uint64_t>(number) + 1 : static_cast<std::uint64_t>(number);
    unsigned base = 10;
    switch (spec.type) {
      case 'b': base = 2; break;
      case 'o': base = 8; break;
      case 'x':
      case 'X': base = 16; break;
      case 0:
      case 'd': break;
      case 'n':
        if (spec.grouping != 0) fail_specification(source);
        break;
      default: fail_specification(source);
    }
    const std::string_view numerals = spec.type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    do {
      digits.insert(digits.begin(), numerals[magnitude % base]);
      magnitude /= base;
    } while (magnitude != 0);
    if (base != 10) {
      group_size = 4;
      if (spec.grouping == ',') fail_specification(source);
      if (spec.alternative) prefix.append(1, '0').append(1, spec.type);
    }
  }
  append_number(out, spec, sign_text(spec, negative) + prefix, digits, "", group_size, value.provenance());
}

// The digits of a magnitude for a conversion, without a type as repr gives them.
std::string real_digits(const Specification& spec, double magnitude) {
  if (std::isnan(magnitude) || std::isinf(magnitude)) {
    const bool upper = spec.type == 'E' || spec.type == 'F' || spec.type == 'G';
    std::string name = std::isnan(magnitude) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
    if (spec.type == '%') name += '%';
    return name;
  }
  const int precision = static_cast<int>(std::min<std::int64_t>(spec.precision, 1001));
  switch (spec.type) {
    case 0: {
      if (spec.precision < 0) return json::python_repr(magnitude);
      // As 'g', but with a digit after the point where there is no exponent, which comes one digit sooner.
      const int significant = std::max(1, precision);
      std::string exponent_form = print_real('e', significant - 1, false, magnitude);
      const int exponent = std::atoi(exponent_form.c_str() + exponent_form.find('e') + 1);
      if (exponent < -4 || exponent >= significant - 1) {
        std::string digits = exponent_form.substr(0, exponent_form.find('e'));
        if (digits.find('.') != std::string::npos) {
          digits.erase(digits.find_last_not_of('0') + 1);
          if (digits.back() == '.') digits.pop_back();
        }
        return digits + exponent_form.substr(exponent_form.find('e'));
      }
      std::string digits = print_real('f', std::max(0, significant - 1 - exponent), false, magnitude);
      if (digits.find('.') == std::string::npos) return digits + ".0";
      digits.erase(digits.find_last_not_of('0') + 1);
      if (digits.back() == '.') digits += '0';
      return digits;
    }
    case '%': return print_real('f', spec.precision < 0 ? 6 : precision, spec.alternative, magnitude * 100) + "%";
    case 'n': return print_real('g', spec.precision < 0 ? 6 : precision, spec.alternative, magnitude);
    default: return print_real(spec.type, spec.precision < 0 ? 6 : precision, spec.alternative, magnitude);
  }
}

void append_real(TextBuilder& out, const Value& value, const Specification& spec, std::string_view source) {
  constexpr std::string_view kTypes = "eEfFgGn%";
  if (spec.type != 0 && kTypes.find(spec.type) == std::string_view::npos) fail_specification(source);
  if (spec.type == 'n' && spec.grouping != 0) fail_specification(source);
  const double number = value.as_real();
  const std::string text = real_digits(spec, std::abs(number));
  bool negative = std::signbit(number) && !std::isnan(number);
  if (spec.no_negative_zero && text.find_first_of("123456789i") == std::string::npos) negative = false;
  const std::size_t whole = std::min(text.find_first_not_of("0123456789"), text.size());
  append_number(out, spec, sign_text(spec, negative), text.substr(0, whole), text.substr(whole), 3, value.provenance());
}

class Formatter {
 public:
  Formatter(const Arguments& arguments, bool escape) : arguments_(arguments), escape_(escape) {}

  void run(TextBuilder& out, const TextObject& format, std::size_t begin, std::size_t end, int depth) {
    if (depth > 1) raise_runtime("formats nest too deeply");
    const std::string& bytes = format.bytes;
    std::size_t plain = begin;
    std::size_t at = begin;
    while (at < end) {
      const char c = bytes[at];
      if (c != '{' && c != '}') {
        ++at;
        continue;
      }
      if (at + 1 < end && bytes[at + 1] == c) {
        out.append_slice(format, plain, at + 1);
        plain = at = at + 2;
        continue;
      }
      if (c == '}') raise_runtime("a single '}' in a format; write '}}'");
      out.append_slice(format, plain, at);
      at = field(out, format, at + 1, end, depth);
      plain = at;
    }
    out.append_slice(format, plain, end);
  }

 private:
  // A replacement field after its '{'; returns the position after its '}'.
  std::size_t field(TextBuilder& out, const TextObject& format, std::size_t begin, std::size_t end, int depth) {
    const std::string& bytes = format.bytes;
    std::size_t close = begin;
    std::size_t name_end = end;
    int nesting = 1;
    bool in_brackets = false;
    for (;; ++close) {
      if (close >= end) raise_runtime("a '{' in the format is never closed");
      const char c = bytes[close];
      if (name_end == end) {
        if (c == '[') in_brackets = true;
        if (c == ']') in_brackets = false;
        if (in_brackets) continue;
        if (c == '{') raise_runtime("a '{' is not allowed in the name of a replacement field");
        if (c == ':' || c == '!') name_end = close;
      }
      if (c == '{') ++nesting;
      if (c == '}' && --nesting == 0) break;
    }
    name_end = std::min(name_end, close);
    Value value = lookup(std::string_view(bytes).substr(begin, name_end - begin));
    std::size_t at = name_end;
    if (at < close && bytes[at] == '!') {
      if (at + 1 >= close) raise_runtime("the format ends before its conversion");
      value = convert(value, bytes[at + 1]);
      at += 2;
      if (at < close && bytes[at] != ':') raise_runtime("expected ':' after the conversion in a format");
    }
    TextBuilder specification;
    if (at < close) run(specification, format, at + 1, close, depth + 1);
    const Value made = specification.take();
    if (!escape_) {
      append_formatted(out, value, made.as_text());
    } else if (value.is_markup()) {
      if (!made.as_text().bytes.empty()) raise_runtime("marked text takes no format specification");
      out.append(value.as_text());
    } else {
      TextBuilder formatted;
      append_formatted(formatted, value, made.as_text());
      out.append(escaped(formatted.take()).as_text());
    }
    return close + 1;
  }

  static Value convert(const Value& value, char conversion) {
    TextBuilder builder;
    switch (conversion) {
      case 's': return to_text(value);
      case 'r': append_representation(builder, value); return builder.take();
      case 'a': {
        append_representation(builder, value);
        const Value made = builder.take();
        return ascii_text(made.as_text());
      }
      default: raise_runtime(std::string("unknown conversion '!") + conversion + "' in a format");
    }
  }

  static bool is_number(std::string_view text) {
    return !text.empty() && text.size() < 18 && text.find_first_not_of("0123456789") == std::string_view::npos;
  }
  static std::int64_t to_number(std::string_view text) {
    std::int64_t value = 0;
    for (const char c : text) value = value * 10 + (c - '0');
    return value;
  }

  Value argument(std::string_view name) {
    if (name.empty()) {
      if (manual_) raise_runtime("a format cannot mix '{}' and '{0}'");
      automatic_ = true;
      return positional(next_++);
    }
    if (is_number(name)) {
      if (automatic_) raise_runtime("a format cannot mix '{}' and '{0}'");
      manual_ = true;
      return positional(static_cast<std::size_t>(to_number(name)));
    }
    const Value* found = arguments_.find_named(name);
    if (found == nullptr) raise_runtime("the format has no argument '" + std::string(name) + "'");
    return *found;
  }

  Value positional(std::size_t index) const {
    if (index >= arguments_.positional.size()) raise_runtime("the format has no argument " + std::to_string(index));
    return arguments_.positional[index];
  }

  // name.attribute[index]…
  Value lookup(std::string_view path) {
    std::size_t at = std::min(path.find_first_of(".["), path.size());
    Value value = argument(path.substr(0, at));
    while (at < path.size()) {
      if (path[at] == '.') {
        const std::size_t stop = std::min(path.find_first_of(".[", at + 1), path.size());
        const std::string_view name = path.substr(at + 1, stop - at - 1);
        if (name.empty()) raise_runtime("an attribute in the format is empty");
        value = attribute(value, Value::template_text(std::string(name)), method_named(name));
        at = stop;
      } else if (path[at] == '[') {
        const std::size_t stop = path.find(']', at);
        if (stop == std::string_view::npos) raise_runtime("a '[' in the format is never closed");
        const std::string_view index = path.substr(at + 1, stop - at - 1);
        if (index.empty()) raise_runtime("an index in the format is empty");
        value = subscript(
            value, is_number(index) ? Value::integer(to_number(index)) : Value::template_text(std::string(index)));
        at = stop + 1;
      } else {
        raise_runtime("only '.' or '[' may follow ']' in a format");
      }
    }
    return value;
  }

  const Arguments& arguments_;
  const bool escape_;
  bool automatic_ = false, manual_ = false;
  std::size_t next_ = 0;
};

}  // namespace

void append_formatted(TextBuilder& out, const Value& value, const TextObject& specification) {
  if (specification.bytes.empty()) {
    append_text(out, value);
    return;
  }
  const std::string_view source = specification.bytes;
  switch (value.kind()) {
    case Kind::kText: append_text_value(out, value, parse_specification(source), source); return;
    case Kind::kFloat: append_real(out, value, parse_specification(source), source); return;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kBigInt: {
      const Specification spec = parse_specification(source);
      constexpr std::string_view kRealTypes = "eEfFgG%";
      if (spec.type != 0 && kRealTypes.find(spec.type) != std::string_view::npos) {
        if (value.is(Kind::kBigInt)) {
          append_real(out, Value::real(std::strtod(value.as<TextObject>().bytes.c_str(), nullptr), value.provenance()),
                      spec, source);
        } else {
          append_real(out, Value::real(value.as_real(), value.provenance()), spec, source);
        }
      } else {
        append_integer(out, value, spec, source);
      }
      return;
    }
    default: raise_runtime("'" + std::string(type_name(value)) + "' takes no format specification");
  }
}

Value format_text(const Value& format, const Arguments& arguments) {
  TextBuilder out;
  const TextObject& text = format.as_text();
  Formatter(arguments, format.is_markup()).run(out, text, 0, text.bytes.size(), 0);
  return format.is_markup() ? out.take().as_markup() : out.take();
}

}  // namespace atelier::prompt::jinja
