// Calling filters, and the filters for single values.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>

#include "prompt/jinja/builtins.h"
#include "prompt/jinja/interpreter.h"
#include "prompt/jinja/suggestion.h"

namespace atelier::prompt::jinja {
namespace {

const Value& or_none(const Value& value) {
  static const Value kNone = Value::none();
  return value.is_missing() ? kNone : value;
}

// Text that threads share.
Value constant_text(const char* bytes) {
  Value text = Value::of(std::make_unique<TextObject>(bytes, Provenance::kTemplate).release());
  (void)text.as_text().length();
  text.object()->references = Object::kImmortal;
  return text;
}

Value filter_abs(Interpreter&, const Value& input, Bound&, Arguments&) {
  if (input.is(Kind::kFloat)) return Value::real(std::abs(input.as_real()), input.provenance());
  if (input.is_integral()) return input.as_int() < 0 ? negative(input) : positive(input);
  if (input.is(Kind::kBigInt)) return input.as<TextObject>().bytes.starts_with('-') ? negative(input) : input;
  if (input.is_undefined()) raise_undefined(input);
  raise_runtime("abs needs a number, not '" + std::string(type_name(input)) + "'");
}

Value filter_attr(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  text_argument(bound[0], "the name of the attribute");
  return attribute_alone(input, bound[0]);
}

Value filter_default(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  const bool use_default = input.is_undefined() || (!bound[1].is_missing() && truth(bound[1]) && !truth(input));
  if (!use_default) return input;
  return bound[0].is_missing() ? Value::template_text("") : bound[0];
}

Value integer_of_real(double real, Provenance provenance) {
  if (std::isnan(real)) raise_runtime("cannot convert NaN to an integer");
  if (std::isinf(real)) raise_runtime("cannot convert infinity to an integer");
  if (std::abs(real) < 9.2e18) return Value::integer(static_cast<std::int64_t>(real), provenance);
  return Value::big_integer(print_real('f', 0, false, std::trunc(real)), provenance);
}

Value filter_int(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  Value fallback = bound[0].is_missing() ? Value::integer(0) : bound[0];
  const Provenance provenance = input.is_text() ? input.as_text().overall() : input.provenance();
  switch (input.kind()) {
    case Kind::kBool:
    case Kind::kInt: return Value::integer(input.as_int(), provenance);
    case Kind::kBigInt: return input;
    case Kind::kFloat:
      if (std::isnan(input.as_real())) return fallback;
      return integer_of_real(input.as_real(), provenance);
    case Kind::kUndefined: raise_undefined(input);
    case Kind::kText: {
      const int base = bound[1].is_missing()
                           ? 10
                           : static_cast<int>(std::clamp<std::int64_t>(integer_argument(bound[1], "base"), -1, 99));
      Value parsed;
      if (((base >= 2 && base <= 36) || base == 0) && parse_integer(text_view(input), base, parsed)) {
        parsed.set_provenance(provenance);
        return parsed;
      }
      double real = 0;
      if (parse_real(text_view(input), real) && !std::isnan(real)) return integer_of_real(real, provenance);
      return fallback;
    }
    default: return fallback;
  }
}

Value filter_float(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  Value fallback = bound[0].is_missing() ? Value::real(0) : bound[0];
  if (input.is_number()) return Value::real(input.as_real(), input.provenance());
  if (input.is_undefined()) raise_undefined(input);
  if (input.is(Kind::kBigInt)) {
    return Value::real(std::strtod(input.as<TextObject>().bytes.c_str(), nullptr), input.provenance());
  }
  double real = 0;
  if (input.is_text() && parse_real(text_view(input), real)) return Value::real(real, input.as_text().overall());
  return fallback;
}

Value filter_round(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  const std::int64_t precision =
      bound[0].is_missing() ? 0 : std::clamp<std::int64_t>(integer_argument(bound[0], "precision"), -400, 400);
  const std::string method = bound[1].is_missing() ? "common" : text_argument(bound[1], "method").bytes;
  if (method == "common") return round_value(input, precision);
  if (method != "ceil" && method != "floor") raise_runtime("the method of round must be common, ceil or floor");
  if (!input.is_number() && !input.is(Kind::kBigInt)) {
    if (input.is_undefined()) raise_undefined(input);
    raise_runtime("'" + std::string(type_name(input)) + "' cannot be rounded");
  }
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = input.approximate() * unit;
  if (!std::isfinite(scaled)) raise_runtime("this number cannot be rounded");
  // Python divides an integer here, which has no negative zero.
  const double whole = (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) + 0.0;
  return Value::real(whole / unit, input.provenance());
}

Value filter_string(Interpreter&, const Value& input, Bound&, Arguments&) { return to_text(input); }

void write_string(TextBuilder& out, const Value& input, const Bound&) { append_text(out, input); }

Value plain_length(const Value& input) {
  return Value::integer(length_of(input), input.is_text() ? input.as_text().overall() : input.provenance());
}

Value filter_length(Interpreter&, const Value& input, Bound&, Arguments&) { return plain_length(input); }

Value filter_format(Interpreter&, const Value& input, Bound&, Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    raise_runtime("format takes positional or named arguments, not both");
  }
  const Value text = to_text(input);
  if (arguments.named.empty()) return percent_format(text, Value::tuple(std::move(arguments.positional)));
  Ref<DictObject> dict(std::make_unique<DictObject>().release());
  for (auto& [name, value] : arguments.named) dict->set(name, std::move(value));
  return percent_format(text, Value::of(dict.get()));
}

void write_json(TextBuilder& out, const Value& input, const Bound& bound) {
  static const Value kComma = constant_text(",");
  static const Value kCommaSpace = constant_text(", ");
  static const Value kColonSpace = constant_text(": ");
  const Value& indent = or_none(bound[1]);
  const Value& separators = or_none(bound[2]);
  JsonOptions options;
  options.ensure_ascii = !bound[0].is_missing() && truth(bound[0]);
  options.sort_keys = !bound[3].is_missing() && truth(bound[3]);
  options.pretty = !indent.is_none();
  if (indent.is_text()) {
    options.indentation = indent;
  } else if (options.pretty) {
    const std::int64_t width = integer_argument(indent, "the indent of tojson");
    if (width > 1000) raise_runtime("the indent of tojson is too large");
    options.indentation =
        Value::template_text(std::string(static_cast<std::size_t>(std::max<std::int64_t>(0, width)), ' '));
  }
  options.item_separator = options.pretty ? kComma : kCommaSpace;
  options.key_separator = kColonSpace;
  if (!separators.is_none()) {
    const std::vector<Value> pair = elements_of(separators);
    if (pair.size() != 2) raise_runtime("the separators of tojson must be two texts");
    text_argument(pair[0], "the item separator of tojson");
    text_argument(pair[1], "the key separator of tojson");
    options.item_separator = pair[0];
    options.key_separator = pair[1];
  }
  append_json(out, input, options);
}

Value filter_tojson(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  TextBuilder out;
  write_json(out, input, bound);
  return out.take();
}

Value plain_tojson(const Value& input) {
  TextBuilder out;
  write_json(out, input, nothing_bound());
  return out.take();
}

Value filter_filesizeformat(Interpreter& interpreter, const Value& input, Bound& bound, Arguments& arguments) {
  Bound none;
  double bytes = 0;
  if (input.is_text()) {
    if (!parse_real(text_view(input), bytes)) raise_runtime("filesizeformat needs a number");
  } else {
    if (!input.is_number() && !input.is(Kind::kBigInt)) raise_runtime("filesizeformat needs a number");
    bytes = filter_float(interpreter, input, none, arguments).as_real();
  }
  const bool binary = !bound[0].is_missing() && truth(bound[0]);
  const double base = binary ? 1024 : 1000;
  const Provenance provenance = overall_provenance(input);
  if (bytes == 1) return Value::text("1 Byte", provenance);
  if (bytes < base) return Value::text(plain_text(integer_of_real(bytes, provenance)) + " Bytes", provenance);
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  std::string name;
  for (const char prefix : kPrefixes) {
    unit *= base;
    name = std::string(1, binary && prefix == 'k' ? 'K' : prefix) + (binary ? "iB" : "B");
    if (bytes < unit) break;
  }
  return Value::text(print_real('f', 1, false, base * bytes / unit) + " " + name, provenance);
}

Value filter_pprint(Interpreter&, const Value& input, Bound&, Arguments&) { return pretty_text(input); }

constexpr FilterInfo kFilters[] = {
    {"abs", {}, filter_abs},
    {"attr", {{"name"}, 1}, filter_attr},
    {"count", {}, filter_length, nullptr, plain_length},
    {"d", {{"default_value", "boolean"}}, filter_default},
    {"default", {{"default_value", "boolean"}}, filter_default},
    {"filesizeformat", {{"binary"}}, filter_filesizeformat},
    {"float", {{"default"}}, filter_float},
    {"format", {{}, 0, true}, filter_format},
    {"int", {{"default", "base"}}, filter_int},
    {"length", {}, filter_length, nullptr, plain_length},
    {"pprint", {}, filter_pprint},
    {"round", {{"precision", "method"}}, filter_round},
    {"string", {}, filter_string, write_string, to_text},
    {"tojson", {{"ensure_ascii", "indent", "separators", "sort_keys"}}, filter_tojson, write_json, plain_tojson},
};

}  // namespace

std::span<const FilterInfo> value_filters() { return kFilters; }

const FilterInfo* find_filter(std::string_view name) {
  static const auto* const kByName = [] {
    auto* table = new std::unordered_map<std::string_view, const FilterInfo*>();
    for (const auto filters : {value_filters(), sequence_filters(), text_filters()}) {
      for (const FilterInfo& filter : filters) table->emplace(filter.name, &filter);
    }
    return table;
  }();
  const auto found = kByName->find(name);
  return found == kByName->end() ? nullptr : found->second;
}

std::string unknown_filter(std::string_view name) {
  std::vector<std::string_view> known;
  for (const auto filters : {value_filters(), sequence_filters(), text_filters()}) {
    for (const FilterInfo& filter : filters) known.push_back(filter.name);
  }
  return "there is no filter '" + std::string(name) + "'" + suggestion(name, known);
}

const Bound& nothing_bound() {
  static const Bound kNothing{};
  return kNothing;
}

void bind_arguments(std::string_view what, const Signature& signature, Arguments& arguments, Bound& bound) {
  if (arguments.positional.empty() && arguments.named.empty() && signature.required == 0) return;
  std::size_t known = 0;
  while (known < kMaxParameters && !signature.parameters[known].empty()) ++known;
  if (arguments.positional.size() > known) {
    raise_runtime("'" + std::string(what) + "' takes no more than " + std::to_string(known) + " argument(s)");
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = std::move(arguments.positional[i]);
  for (auto& [name, value] : arguments.named) {
    std::size_t index = 0;
    while (index < known && signature.parameters[index] != text_view(name)) ++index;
    if (index == known) {
      raise_runtime("'" + std::string(what) + "' has no argument '" + std::string(text_view(name)) + "'");
    }
    if (!bound[index].is_missing()) {
      raise_runtime("the argument '" + std::string(text_view(name)) + "' of '" + std::string(what) +
                    "' is given twice");
    }
    bound[index] = std::move(value);
  }
  for (std::size_t i = 0; i < signature.required; ++i) {
    if (bound[i].is_missing()) {
      raise_runtime("'" + std::string(what) + "' needs the argument '" + std::string(signature.parameters[i]) + "'");
    }
  }
}

Value run_filter(Interpreter& interpreter, const FilterInfo& filter, const Value& input, Arguments& arguments) {
  Bound bound;
  if (!filter.signature.takes_anything) bind_arguments(filter.name, filter.signature, arguments, bound);
  return filter.run(interpreter, input, bound, arguments);
}

}  // namespace atelier::prompt::jinja
