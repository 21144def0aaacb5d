// The functions that every template has without being given them.
#include <limits>
#include <utility>

#include "prompt/jinja/builtins.h"
#include "prompt/jinja/interpreter.h"

namespace atelier::prompt::jinja {
namespace {

constexpr std::int64_t kMaxRange = 100'000;  // as in Jinja's sandbox

Value function_range(Interpreter&, Arguments& arguments) {
  const std::size_t count = arguments.positional.size();
  if (!arguments.named.empty() || count < 1 || count > 3) raise_runtime("range takes 1 to 3 arguments without names");
  std::int64_t bounds[3] = {0, 0, 1};
  for (std::size_t i = 0; i < count; ++i) {
    bounds[count == 1 ? 1 : i] = integer_argument(arguments.positional[i], "an argument of range");
  }
  if (bounds[2] == 0) raise_runtime("the step of range must not be zero");
  constexpr std::int64_t kFar = std::int64_t{1} << 61;
  for (const std::int64_t bound : bounds) {
    if (bound > kFar || bound < -kFar) raise_runtime("an argument of range is too large");
  }
  Ref<RangeObject> range(std::make_unique<RangeObject>(bounds[0], bounds[1], bounds[2]).release());
  if (range->length() > kMaxRange) {
    raise(ErrorKind::kBudget, "a range may have at most " + std::to_string(kMaxRange) + " elements");
  }
  Provenance provenance = Provenance::kTemplate;
  for (const Value& argument : arguments.positional) provenance = mixed(provenance, argument.provenance());
  return Value::of(range.get(), provenance);
}

// A mapping, or pairs, and named arguments.
void fill_dict(DictObject& dict, Arguments& arguments, std::string_view what) {
  if (arguments.positional.size() > 1) raise_runtime(std::string(what) + " takes at most one argument without a name");
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is_dict()) {
      for (const auto& [key, value] : source.as_dict().items) dict.set(key, value);
    } else {
      for (const Value& item : elements_of(source)) {
        const std::vector<Value> pair = elements_of(item);
        if (pair.size() != 2) raise_runtime(std::string(what) + " needs pairs of a key and a value");
        dict.set(pair[0], pair[1]);
      }
    }
  }
  for (auto& [name, value] : arguments.named) dict.set(name, std::move(value));
}

Value function_dict(Interpreter&, Arguments& arguments) {
  Ref<DictObject> dict(std::make_unique<DictObject>().release());
  fill_dict(*dict, arguments, "dict");
  return Value::of(dict.get());
}

Value function_namespace(Interpreter& interpreter, Arguments& arguments) {
  DictObject members;
  fill_dict(members, arguments, "namespace");
  Arguments named;
  named.named = std::move(members.items);
  return interpreter.make_namespace(named);
}

Value function_cycler(Interpreter&, Arguments& arguments) {
  if (!arguments.named.empty() || arguments.positional.empty()) raise_runtime("cycler needs at least one item");
  Ref<CyclerObject> cycler(std::make_unique<CyclerObject>().release());
  cycler->items = std::move(arguments.positional);
  return Value::of(cycler.get());
}

Value function_joiner(Interpreter&, Arguments& arguments) {
  Bound bound;
  bind_arguments("joiner", Signature{{"sep"}}, arguments, bound);
  if (bound[0].is_missing()) bound[0] = Value::template_text(", ");
  return Value::of(std::make_unique<JoinerObject>(bound[0]).release());
}

Value function_lipsum(Interpreter&, Arguments&) {
  raise_runtime("lipsum is not available: the same conversation must always give the same prompt");
}

Value function_raise_exception(Interpreter&, Arguments& arguments) {
  Bound bound;
  bind_arguments("raise_exception", Signature{{"message"}, 1}, arguments, bound);
  raise(ErrorKind::kRaised, plain_text(bound[0]));
}

Value function_strftime_now(Interpreter& interpreter, Arguments& arguments) {
  Bound bound;
  bind_arguments("strftime_now", Signature{{"format"}, 1}, arguments, bound);
  const TextObject& format = text_argument(bound[0], "the format of strftime_now");
  return Value::text(format_time(format.bytes, interpreter.now()), format.overall());
}

constexpr std::pair<std::string_view, FunctionObject::Implementation> kFunctions[] = {
    {"range", function_range},
    {"dict", function_dict},
    {"namespace", function_namespace},
    {"cycler", function_cycler},
    {"joiner", function_joiner},
    {"lipsum", function_lipsum},
    {"raise_exception", function_raise_exception},
    {"strftime_now", function_strftime_now},
};

}  // namespace

Value builtin_function(std::string_view name) {
  // Made once, and shared by all renderings.
  static const auto kObjects = [] {
    std::vector<std::unique_ptr<FunctionObject>> made;
    for (const auto& [known, implementation] : kFunctions) {
      made.push_back(std::make_unique<FunctionObject>(known, implementation));
      made.back()->references = Object::kImmortal;
    }
    return made;
  }();
  for (const auto& function : kObjects) {
    if (function->name == name) return Value::of(function.get());
  }
  return {};
}

Value call_joiner(JoinerObject& joiner) {
  if (!std::exchange(joiner.used, true)) return Value::template_text("");
  return joiner.separator;
}

}  // namespace atelier::prompt::jinja
