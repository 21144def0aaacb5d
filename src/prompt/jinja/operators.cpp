#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "prompt/jinja/builtins.h"

namespace atelier::prompt::jinja {
namespace {

std::string_view symbol_of(ExpressionKind operation) {
  switch (operation) {
    case ExpressionKind::kAdd: return "+";
    case ExpressionKind::kSubtract: return "-";
    case ExpressionKind::kMultiply: return "*";
    case ExpressionKind::kDivide: return "/";
    case ExpressionKind::kFloorDivide: return "//";
    case ExpressionKind::kModulo: return "%";
    default: return "**";
  }
}

[[noreturn]] void fail_types(ExpressionKind operation, const Value& a, const Value& b) {
  if (a.is_undefined()) raise_undefined(a);
  if (b.is_undefined()) raise_undefined(b);
  std::string message = "'" + std::string(symbol_of(operation)) + "' does not work between '" +
                        std::string(type_name(a)) + "' and '" + std::string(type_name(b)) + "'";
  if (operation == ExpressionKind::kAdd && (a.is_text() || b.is_text()))
    message += "; use '~' to join text and other values";
  raise_runtime(std::move(message));
}

[[noreturn]] void fail_overflow() { raise_runtime("the result of this integer arithmetic does not fit in 64 bits"); }

Provenance mixed_of(const Value& a, const Value& b) { return mixed(a.provenance(), b.provenance()); }

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) raise_runtime("integer division by zero");
  if (b == -1) {
    if (a == std::numeric_limits<std::int64_t>::min()) fail_overflow();
    return -a;
  }
  const std::int64_t quotient = a / b;
  return (a % b != 0 && ((a < 0) != (b < 0))) ? quotient - 1 : quotient;
}

std::int64_t modulo(std::int64_t a, std::int64_t b) {
  if (b == 0) raise_runtime("integer modulo by zero");
  if (b == -1) return 0;
  const std::int64_t remainder = a % b;
  return (remainder != 0 && ((remainder < 0) != (b < 0))) ? remainder + b : remainder;
}

std::int64_t multiply(std::int64_t a, std::int64_t b) {
  std::int64_t result;
  if (__builtin_mul_overflow(a, b, &result)) fail_overflow();
  return result;
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0) result = multiply(result, base);
    exponent >>= 1;
    if (exponent > 0) base = multiply(base, base);
  }
  return result;
}

double real_modulo(double a, double b) {
  if (b == 0) raise_runtime("float modulo");
  double remainder = std::fmod(a, b);
  if (remainder != 0) {
    if ((b < 0) != (remainder < 0)) remainder += b;
  } else {
    remainder = std::copysign(0.0, b);
  }
  return remainder;
}

// As CPython computes it, from the remainder.
double real_floor_divide(double a, double b) {
  if (b == 0) raise_runtime("float floor division by zero");
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0 && ((b < 0) != (remainder < 0))) quotient -= 1.0;
  if (quotient == 0) return std::copysign(0.0, a / b);
  double floored = std::floor(quotient);
  if (quotient - floored > 0.5) floored += 1.0;
  return floored;
}

Value real_power(double base, double exponent, Provenance provenance) {
  if (base == 0 && exponent < 0) raise_runtime("0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) && exponent != std::floor(exponent)) {
    raise_runtime("a negative number cannot be raised to a fractional power");
  }
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent)) raise_runtime("the result is too large");
  return Value::real(result, provenance);
}

Value divide(const Value& a, const Value& b) {
  if (b.as_real() == 0) raise_runtime("division by zero");
  const Provenance provenance = mixed_of(a, b);
  if (!a.is_integral() || !b.is_integral()) return Value::real(a.as_real() / b.as_real(), provenance);
  // The quotient of two integers is rounded once, not each integer first; long double has 64 bits for each.
  return Value::real(static_cast<double>(static_cast<long double>(a.as_int()) / static_cast<long double>(b.as_int())),
                     provenance);
}

Value integer_arithmetic(ExpressionKind operation, const Value& left, const Value& right) {
  const std::int64_t a = left.as_int();
  const std::int64_t b = right.as_int();
  std::int64_t result = 0;
  switch (operation) {
    case ExpressionKind::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) fail_overflow();
      break;
    case ExpressionKind::kMultiply: result = multiply(a, b); break;
    case ExpressionKind::kFloorDivide: result = floor_divide(a, b); break;
    case ExpressionKind::kModulo: result = modulo(a, b); break;
    default:
      if (b < 0) return real_power(static_cast<double>(a), static_cast<double>(b), mixed_of(left, right));
      if (a == 0 || a == 1) return Value::integer(b == 0 ? 1 : a, mixed_of(left, right));
      if (a == -1) return Value::integer((b & 1) != 0 ? -1 : 1, mixed_of(left, right));
      if (b > 63) fail_overflow();
      result = power(a, b);
      break;
  }
  return Value::integer(result, mixed_of(left, right));
}

Value repeat(const Value& value, std::int64_t times) {
  if (value.is_text()) {
    TextBuilder builder;
    const TextObject& text = value.as_text();
    if (!text.runs) {
      builder.append_repeated(text.bytes, times, text.provenance);
    } else {
      for (std::int64_t i = 0; i < times; ++i) builder.append(text);
    }
    return value.is_markup() ? builder.take().as_markup() : builder.take();
  }
  const std::vector<Value>& items = value.as_sequence().items;
  std::vector<Value> result;
  if (times > 0 && !items.empty()) {
    constexpr std::size_t kLongest = 10'000'000;
    if (static_cast<std::uint64_t>(times) > kLongest / items.size()) {
      raise(ErrorKind::kBudget, "this list would be too long");
    }
    const std::size_t total = items.size() * static_cast<std::size_t>(times);
    charge_allocation(total * sizeof(Value));
    result.reserve(total);
    for (std::int64_t i = 0; i < times; ++i) result.insert(result.end(), items.begin(), items.end());
  }
  return value.is(Kind::kList) ? Value::list(std::move(result), value.provenance())
                               : Value::tuple(std::move(result), value.provenance());
}

bool contains_text(const Value& container, const Value& item) {
  if (!item.is_text()) {
    raise_runtime("'in' needs text on its left to look for it in text, not '" + std::string(type_name(item)) + "'");
  }
  charge_bytes(text_view(container).size());
  return text_view(container).find(text_view(item)) != std::string_view::npos;
}

bool contains_range(const RangeObject& range, const Value& item) {
  if (!item.is_number()) return false;
  if (item.is(Kind::kFloat) && item.as_real() != std::floor(item.as_real())) return false;
  if (item.is(Kind::kFloat) && std::abs(item.as_real()) > 9e18) return false;
  const std::int64_t value = item.is(Kind::kFloat) ? static_cast<std::int64_t>(item.as_real()) : item.as_int();
  if (range.step > 0 ? value < range.start || value >= range.stop : value > range.start || value <= range.stop) {
    return false;
  }
  return (value - range.start) % range.step == 0;
}

bool contains_element(const Value& container, const Value& item) {
  ValueIterator iterator(container);
  Value element;
  while (iterator.next(element)) {
    if (equal(element, item)) return true;
  }
  return false;
}

}  // namespace

void raise_undefined(const Value& value) { raise(ErrorKind::kUndefined, value.undefined_message()); }

namespace {

bool is_big_with_real(const Value& a, const Value& b) {
  return (a.is(Kind::kBigInt) && b.is(Kind::kFloat)) || (a.is(Kind::kFloat) && b.is(Kind::kBigInt));
}

// Integers beyond 64 bits are carried and printed; what is computed with them has to become a real number.
Value as_computable(const Value& value) {
  return value.is(Kind::kBigInt) ? Value::real(value.approximate(), value.provenance()) : value;
}

// digits % divisor, with the divisor's sign, digit by digit.
std::int64_t modulo_of_digits(std::string_view digits, std::int64_t divisor) {
  const bool digits_negative = digits.starts_with('-');
  const std::int64_t magnitude = divisor < 0 ? -divisor : divisor;
  std::int64_t remainder = 0;
  for (const char digit : digits.substr(digits_negative ? 1 : 0))
    remainder = (remainder * 10 + (digit - '0')) % magnitude;
  return modulo(digits_negative ? -remainder : remainder, divisor);
}

}  // namespace

Value add(Value a, const Value& b) {
  if (a.is_text() && b.is_text()) {
    return a.is_markup() || b.is_markup() ? add_markup(a, b) : concatenate(std::move(a), b);
  }
  if (a.is_integral() && b.is_integral()) {
    std::int64_t result;
    if (__builtin_add_overflow(a.as_int(), b.as_int(), &result)) fail_overflow();
    return Value::integer(result, mixed_of(a, b));
  }
  if (a.is_number() && b.is_number()) return Value::real(a.as_real() + b.as_real(), mixed_of(a, b));
  if (a.is_sequence() && a.kind() == b.kind()) {
    std::vector<Value> items = a.as_sequence().items;
    const std::vector<Value>& more = b.as_sequence().items;
    items.insert(items.end(), more.begin(), more.end());
    return a.is(Kind::kList) ? Value::list(std::move(items), mixed_of(a, b))
                             : Value::tuple(std::move(items), mixed_of(a, b));
  }
  if (is_big_with_real(a, b)) return add(as_computable(a), as_computable(b));
  fail_types(ExpressionKind::kAdd, a, b);
}

Value arithmetic(ExpressionKind operation, const Value& a, const Value& b) {
  if (operation == ExpressionKind::kModulo && a.is_text()) {
    return percent_format(a, b);
  }
  if (a.is_number() && b.is_number()) {
    if (operation == ExpressionKind::kDivide) return divide(a, b);
    if (a.is_integral() && b.is_integral()) return integer_arithmetic(operation, a, b);
    const Provenance provenance = mixed_of(a, b);
    switch (operation) {
      case ExpressionKind::kSubtract: return Value::real(a.as_real() - b.as_real(), provenance);
      case ExpressionKind::kMultiply: return Value::real(a.as_real() * b.as_real(), provenance);
      case ExpressionKind::kFloorDivide: return Value::real(real_floor_divide(a.as_real(), b.as_real()), provenance);
      case ExpressionKind::kModulo: return Value::real(real_modulo(a.as_real(), b.as_real()), provenance);
      default: return real_power(a.as_real(), b.as_real(), provenance);
    }
  }
  if (operation == ExpressionKind::kMultiply) {
    if ((a.is_text() || a.is_sequence()) && b.is_integral()) return repeat(a, b.as_int());
    if (a.is_integral() && (b.is_text() || b.is_sequence())) return repeat(b, a.as_int());
  }
  if (is_big_with_real(a, b)) return arithmetic(operation, as_computable(a), as_computable(b));
  if (a.is(Kind::kBigInt) && operation == ExpressionKind::kModulo && b.is_integral()) {
    constexpr std::int64_t kLargest = 900'000'000'000'000'000;  // ten times it and a digit still fit
    if (b.as_int() != 0 && b.as_int() <= kLargest && b.as_int() >= -kLargest) {
      return Value::integer(modulo_of_digits(a.as<TextObject>().bytes, b.as_int()), mixed_of(a, b));
    }
  }
  if (a.is(Kind::kBigInt) || b.is(Kind::kBigInt)) {
    if (operation == ExpressionKind::kDivide && (a.is_number() || b.is_number() || a.kind() == b.kind())) {
      return divide(as_computable(a), as_computable(b));
    }
    if ((a.is_integral() || a.is(Kind::kBigInt)) && (b.is_integral() || b.is(Kind::kBigInt))) fail_overflow();
  }
  fail_types(operation, a, b);
}

Value negative(const Value& a) {
  if (a.is(Kind::kFloat)) return Value::real(-a.as_real(), a.provenance());
  if (a.is_integral()) {
    if (a.as_int() == std::numeric_limits<std::int64_t>::min()) fail_overflow();
    return Value::integer(-a.as_int(), a.provenance());
  }
  if (a.is(Kind::kBigInt)) {
    const std::string& digits = a.as<TextObject>().bytes;
    // -9223372036854775808 fits where 9223372036854775808 does not.
    if (digits == "9223372036854775808") {
      return Value::integer(std::numeric_limits<std::int64_t>::min(), a.provenance());
    }
    return Value::big_integer(digits.starts_with('-') ? digits.substr(1) : "-" + digits, a.provenance());
  }
  if (a.is_undefined()) raise_undefined(a);
  raise_runtime("'-' does not work on '" + std::string(type_name(a)) + "'");
}

Value positive(const Value& a) {
  if (a.is(Kind::kFloat) || a.is(Kind::kBigInt)) return a;
  if (a.is_integral()) return Value::integer(a.as_int(), a.provenance());
  if (a.is_undefined()) raise_undefined(a);
  raise_runtime("'+' does not work on '" + std::string(type_name(a)) + "'");
}

bool contains(const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kText: return contains_text(container, item);
    case Kind::kDict: return container.as_dict().find(item) != nullptr;
    case Kind::kDictView: {
      const auto& view = container.as<DictViewObject>();
      if (view.part == DictViewObject::Part::kKeys) return view.dict.as_dict().find(item) != nullptr;
      return contains_element(container, item);
    }
    case Kind::kRange: return contains_range(container.as<RangeObject>(), item);
    default:
      if (!ValueIterator::possible(container)) {
        raise_runtime("'in' cannot look into '" + std::string(type_name(container)) + "'");
      }
      return contains_element(container, item);
  }
}

bool compare(Comparison comparison, const Value& a, const Value& b) {
  const bool nan = (a.is(Kind::kFloat) && std::isnan(a.as_real())) || (b.is(Kind::kFloat) && std::isnan(b.as_real()));
  switch (comparison) {
    case Comparison::kEqual: return equal(a, b);
    case Comparison::kNotEqual: return !equal(a, b);
    case Comparison::kLess: return less(a, b);
    case Comparison::kGreater: return less(b, a);
    case Comparison::kLessEqual: return !less(b, a) && !nan;
    case Comparison::kGreaterEqual: return !less(a, b) && !nan;
    case Comparison::kIn: return contains(b, a);
    case Comparison::kNotIn: return !contains(b, a);
  }
  return false;
}

}  // namespace atelier::prompt::jinja
