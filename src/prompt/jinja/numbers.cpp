// Numbers from text and text from numbers, as Python has them.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

#include "base/utf8.h"
#include "prompt/jinja/builtins.h"
#include "prompt/jinja/unicode.h"

namespace atelier::prompt::jinja {
namespace {

std::string_view stripped(std::string_view text) { return unicode::strip_left(unicode::strip_right(text)); }

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

int digit_value(char c) {
  if (is_ascii_digit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

// Underscores may stand between digits only.
bool remove_underscores(std::string& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') continue;
    if (i == 0 || i + 1 == text.size() || digit_value(text[i - 1]) == 99 || digit_value(text[i + 1]) == 99)
      return false;
  }
  std::erase(text, '_');
  return true;
}

}  // namespace

bool parse_integer(std::string_view text, int base, Value& result) {
  text = stripped(text);
  std::string sign;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    if (text[0] == '-') sign = "-";
    text.remove_prefix(1);
  }
  const auto prefix = [&](char mark) { return text.size() > 1 && text[0] == '0' && (text[1] | 0x20) == mark; };
  const int marked = prefix('x') ? 16 : prefix('o') ? 8 : prefix('b') ? 2 : 0;
  bool had_prefix = false;
  if (marked != 0 && (base == 0 || base == marked)) {
    base = marked;
    text.remove_prefix(2);
    if (!text.empty() && text[0] == '_') text.remove_prefix(1);
    had_prefix = true;
  }
  std::string digits(text);
  if (!remove_underscores(digits) || digits.empty() || digits.size() > 4300) return false;
  if (base == 0) {
    base = 10;
    if (!had_prefix && digits[0] == '0' && digits.find_first_not_of('0') != std::string::npos) return false;
  }
  if (base < 2 || base > 36) raise_runtime("the base of an integer must be 0 or 2 to 36");
  if (std::any_of(digits.begin(), digits.end(), [&](char c) { return digit_value(c) >= base; })) return false;
  const std::string signed_digits = sign + digits;
  std::int64_t value = 0;
  const auto [stop, error] =
      std::from_chars(signed_digits.data(), signed_digits.data() + signed_digits.size(), value, base);
  if (error == std::errc() && stop == signed_digits.data() + signed_digits.size()) {
    result = Value::integer(value);
    return true;
  }
  if (base != 10) raise_runtime("this integer does not fit in 64 bits");
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  result = Value::big_integer(sign + digits, Provenance::kTemplate);
  return true;
}

bool parse_real(std::string_view text, double& result) {
  std::string number(stripped(text));
  if (!remove_underscores(number) || number.empty()) return false;
  std::string lower = number;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  const std::string unsigned_lower = lower[0] == '+' || lower[0] == '-' ? lower.substr(1) : lower;
  if (unsigned_lower == "inf" || unsigned_lower == "infinity" || unsigned_lower == "nan") {
    const double value =
        unsigned_lower == "nan" ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
    result = lower[0] == '-' ? -value : value;
    return true;
  }
  // Python knows no hexadecimal here, and no "nan(…)".
  if (unsigned_lower.find_first_not_of("0123456789.e+-") != std::string::npos) return false;
  char* end = nullptr;
  result = std::strtod(number.c_str(), &end);
  return end == number.c_str() + number.size() && std::any_of(number.begin(), number.end(), is_ascii_digit);
}

std::int64_t truncate(double real) {
  if (std::isnan(real)) raise_runtime("cannot convert NaN to an integer");
  if (std::isinf(real)) raise_runtime("cannot convert infinity to an integer");
  if (real >= 9223372036854775808.0 || real < -9223372036854775808.0) {
    raise_runtime("this number does not fit in a 64-bit integer");
  }
  return static_cast<std::int64_t>(real);
}

std::string print_real(char conversion, int precision, bool alternative, double real) {
  if (precision > 1000) raise_runtime("the precision is too large");
  const char format[] = {'%',
                         alternative ? '#' : '.',
                         alternative ? '.' : '*',
                         alternative ? '*' : conversion,
                         alternative ? conversion : '\0',
                         '\0'};
  std::string buffer(400 + static_cast<std::size_t>(precision), '\0');
  const int length = std::snprintf(buffer.data(), buffer.size(), format, precision, real);
  buffer.resize(static_cast<std::size_t>(std::max(length, 0)));
  return buffer;
}

// To even where two results are as near, and by the exact value of the double, as Python does.
Value round_value(const Value& value, std::int64_t precision) {
  if (value.is_undefined()) raise_undefined(value);
  if (value.is_integral()) {
    if (precision >= 0) return Value::integer(value.as_int(), value.provenance());
    if (precision < -18) return Value::integer(0, value.provenance());
    std::int64_t unit = 1;
    for (std::int64_t i = 0; i < -precision; ++i) unit *= 10;
    const std::int64_t number = value.as_int();
    std::int64_t quotient = number / unit;
    std::int64_t remainder = number % unit;
    if (remainder < 0) {
      remainder += unit;
      --quotient;
    }
    if (remainder > unit - remainder || (remainder == unit - remainder && (quotient & 1) != 0)) ++quotient;
    return arithmetic(ExpressionKind::kMultiply, Value::integer(quotient, value.provenance()), Value::integer(unit));
  }
  if (value.is(Kind::kBigInt) && precision >= 0) return value;
  if (!value.is(Kind::kFloat)) raise_runtime("'" + std::string(type_name(value)) + "' cannot be rounded");
  const double real = value.as_real();
  if (!std::isfinite(real) || precision > 323) return value;
  if (precision < -308) return Value::real(std::copysign(0.0, real), value.provenance());
  if (precision >= 0) {
    return Value::real(std::strtod(print_real('f', static_cast<int>(precision), false, real).c_str(), nullptr),
                       value.provenance());
  }
  // Exact: a double without fraction, in units of a power of ten. The digits decide.
  std::string digits = print_real('f', 0, false, std::trunc(std::abs(real)));
  const auto cut = static_cast<std::size_t>(-precision);
  if (digits.size() < cut) return Value::real(std::copysign(0.0, real), value.provenance());
  std::string kept = digits.substr(0, digits.size() - cut);
  if (kept.empty()) kept = "0";
  const std::string rest = digits.substr(digits.size() - cut);
  const bool fraction = std::abs(real) != std::trunc(std::abs(real));
  const bool half = rest[0] == '5' && rest.find_first_not_of('0', 1) == std::string::npos && !fraction;
  const bool up = rest[0] > '5' || (rest[0] == '5' && !half) || (half && ((kept.back() - '0') & 1) != 0);
  double result = std::strtod((kept + "e" + std::to_string(cut)).c_str(), nullptr);
  if (up) {
    std::string next = kept;
    std::size_t i = next.size();
    while (i > 0 && next[i - 1] == '9') next[--i] = '0';
    if (i == 0)
      next.insert(0, "1");
    else
      ++next[i - 1];
    result = std::strtod((next + "e" + std::to_string(cut)).c_str(), nullptr);
  }
  return Value::real(std::copysign(result, real), value.provenance());
}

std::int64_t integer_argument(const Value& value, std::string_view what) {
  if (value.is_undefined()) raise_undefined(value);
  if (!value.is_integral()) {
    raise_runtime(std::string(what) + " must be an integer, not '" + std::string(type_name(value)) + "'");
  }
  return value.as_int();
}

const TextObject& text_argument(const Value& value, std::string_view what) {
  if (!value.is_text()) {
    if (value.is_undefined()) raise_undefined(value);
    raise_runtime(std::string(what) + " must be text, not '" + std::string(type_name(value)) + "'");
  }
  return value.as_text();
}

}  // namespace atelier::prompt::jinja
