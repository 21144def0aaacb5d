// The tests of the `is` operator.
#include <unordered_map>

#include "prompt/jinja/builtins.h"
#include "prompt/jinja/suggestion.h"

namespace atelier::prompt::jinja {
namespace {

bool divides(const Value& value, const Value& by, std::int64_t remainder) {
  return equal(arithmetic(ExpressionKind::kModulo, value, by), Value::integer(remainder));
}

bool test_odd(const Value& v, Bound&) { return divides(v, Value::integer(2), 1); }
bool test_even(const Value& v, Bound&) { return divides(v, Value::integer(2), 0); }
bool test_divisibleby(const Value& v, Bound& bound) { return divides(v, bound[0], 0); }
bool test_defined(const Value& v) { return !v.is_undefined(); }
bool test_undefined(const Value& v) { return v.is_undefined(); }
// A name is looked up in a table, which only what can be hashed can be.
bool is_name(const Value& v) {
  if (!hashable(v)) raise_runtime("unhashable type: '" + std::string(type_name(v)) + "'");
  return v.is_text();
}
bool test_filter(const Value& v, Bound&) { return is_name(v) && find_filter(text_view(v)) != nullptr; }
bool test_test(const Value& v, Bound&) { return is_name(v) && find_test(text_view(v)) != nullptr; }
bool test_none(const Value& v) { return v.is_none(); }
bool test_boolean(const Value& v) { return v.is(Kind::kBool); }
bool test_false(const Value& v) { return v.is(Kind::kBool) && !v.as_bool(); }
bool test_true(const Value& v) { return v.is(Kind::kBool) && v.as_bool(); }
bool test_integer(const Value& v) { return v.is(Kind::kInt) || v.is(Kind::kBigInt); }
bool test_float(const Value& v) { return v.is(Kind::kFloat); }
bool test_string(const Value& v) { return v.is_text(); }
bool test_mapping(const Value& v) { return v.is_dict(); }
bool test_number(const Value& v) { return v.is_number() || v.is(Kind::kBigInt); }
bool test_iterable(const Value& v) { return ValueIterator::possible(v) || v.is(Kind::kLoop); }
bool test_callable(const Value& v) { return is_callable(v); }
bool test_sameas(const Value& v, Bound& bound) { return same(v, bound[0]); }
bool test_escaped(const Value& v) { return v.is_markup(); }
bool test_in(const Value& v, Bound& bound) { return contains(bound[0], v); }

bool test_lower(const Value& v, Bound&) {
  const Value text = to_text(v);
  return text_property(text.as_text(), Method::k_islower);
}
bool test_upper(const Value& v, Bound&) {
  const Value text = to_text(v);
  return text_property(text.as_text(), Method::k_isupper);
}

// Whatever has a length and can be subscripted.
bool test_sequence(const Value& v) {
  switch (v.kind()) {
    case Kind::kText:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kRange:
    case Kind::kUndefined: return true;
    default: return false;
  }
}

template <Comparison kComparison>
bool test_compare(const Value& v, Bound& bound) {
  return compare(kComparison, v, bound[0]);
}

constexpr Signature kOther{{"other"}, 1};

template <bool (*kTest)(const Value&)>
constexpr TestInfo plain(std::string_view name) {
  return {name, {}, [](const Value& v, Bound&) { return kTest(v); }, kTest};
}

constexpr TestInfo kTests[] = {
    {"odd", {}, test_odd},
    {"even", {}, test_even},
    {"divisibleby", {{"num"}, 1}, test_divisibleby},
    plain<test_defined>("defined"),
    plain<test_undefined>("undefined"),
    {"filter", {}, test_filter},
    {"test", {}, test_test},
    plain<test_none>("none"),
    plain<test_boolean>("boolean"),
    plain<test_false>("false"),
    plain<test_true>("true"),
    plain<test_integer>("integer"),
    plain<test_float>("float"),
    {"lower", {}, test_lower},
    {"upper", {}, test_upper},
    plain<test_string>("string"),
    plain<test_mapping>("mapping"),
    plain<test_number>("number"),
    plain<test_sequence>("sequence"),
    plain<test_iterable>("iterable"),
    plain<test_callable>("callable"),
    {"sameas", kOther, test_sameas},
    plain<test_escaped>("escaped"),
    {"in", {{"seq"}, 1}, test_in},
    {"==", kOther, test_compare<Comparison::kEqual>},
    {"eq", kOther, test_compare<Comparison::kEqual>},
    {"equalto", kOther, test_compare<Comparison::kEqual>},
    {"!=", kOther, test_compare<Comparison::kNotEqual>},
    {"ne", kOther, test_compare<Comparison::kNotEqual>},
    {">", kOther, test_compare<Comparison::kGreater>},
    {"gt", kOther, test_compare<Comparison::kGreater>},
    {"greaterthan", kOther, test_compare<Comparison::kGreater>},
    {">=", kOther, test_compare<Comparison::kGreaterEqual>},
    {"ge", kOther, test_compare<Comparison::kGreaterEqual>},
    {"<", kOther, test_compare<Comparison::kLess>},
    {"lt", kOther, test_compare<Comparison::kLess>},
    {"lessthan", kOther, test_compare<Comparison::kLess>},
    {"<=", kOther, test_compare<Comparison::kLessEqual>},
    {"le", kOther, test_compare<Comparison::kLessEqual>},
};

}  // namespace

std::string unknown_test(std::string_view name) {
  std::vector<std::string_view> known;
  for (const TestInfo& test : kTests) known.push_back(test.name);
  return "there is no test '" + std::string(name) + "'" + suggestion(name, known);
}

const TestInfo* find_test(std::string_view name) {
  static const auto* const kByName = [] {
    auto* table = new std::unordered_map<std::string_view, const TestInfo*>();
    for (const TestInfo& test : kTests) table->emplace(test.name, &test);
    return table;
  }();
  const auto found = kByName->find(name);
  return found == kByName->end() ? nullptr : found->second;
}

bool run_test(const TestInfo& test, const Value& input, Arguments& arguments) {
  Bound bound;
  bind_arguments(test.name, test.signature, arguments, bound);
  return test.run(input, bound);
}

}  // namespace atelier::prompt::jinja
