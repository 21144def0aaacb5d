// Methods of everything that is not text.
#include <bit>
#include <cmath>
#include <utility>

#include "prompt/jinja/builtins.h"

namespace atelier::prompt::jinja {
namespace {

void expect_count(const Arguments& arguments, Method method, std::size_t least, std::size_t most) {
  const std::size_t count = arguments.positional.size();
  if (!arguments.named.empty() || count < least || count > most) {
    raise_runtime("the method '" + std::string(method_name(method)) + "' takes " + std::to_string(least) +
                  (least == most ? std::string() : " to " + std::to_string(most)) + " argument(s) without names");
  }
}

Value dict_view(const Value& self, DictViewObject::Part part) {
  return Value::of(std::make_unique<DictViewObject>(self, part).release(), self.provenance());
}

Value call_dict_method(const Value& self, Method method, Arguments& arguments) {
  switch (method) {
    case Method::k_items: expect_count(arguments, method, 0, 0); return dict_view(self, DictViewObject::Part::kItems);
    case Method::k_keys: expect_count(arguments, method, 0, 0); return dict_view(self, DictViewObject::Part::kKeys);
    case Method::k_values: expect_count(arguments, method, 0, 0); return dict_view(self, DictViewObject::Part::kValues);
    case Method::k_copy: expect_count(arguments, method, 0, 0); return self;
    default: {
      expect_count(arguments, method, 1, 2);
      const Value* found = self.as_dict().find(arguments.positional[0]);
      if (found != nullptr) return *found;
      return arguments.positional.size() > 1 ? arguments.positional[1] : Value::none();
    }
  }
}

Value call_sequence_method(const Value& self, Method method, Arguments& arguments) {
  if (method == Method::k_copy) {
    expect_count(arguments, method, 0, 0);
    return self;
  }
  const bool is_range = self.is(Kind::kRange);
  expect_count(arguments, method, 1, method == Method::k_index && !is_range ? 3 : 1);
  const std::vector<Value> elements = elements_of(self);
  const auto size = static_cast<std::int64_t>(elements.size());
  if (method == Method::k_count) {
    std::int64_t count = 0;
    for (const Value& element : elements) count += equal(element, arguments.positional[0]) ? 1 : 0;
    return Value::integer(count);
  }
  const auto bound = [&](std::size_t index, std::int64_t fallback) {
    if (arguments.positional.size() <= index) return fallback;
    std::int64_t value = integer_argument(arguments.positional[index], "a position");
    if (value < 0) value = std::max<std::int64_t>(0, value + size);
    return std::min(value, size);
  };
  for (std::int64_t i = bound(1, 0); i < bound(2, size); ++i) {
    if (equal(elements[static_cast<std::size_t>(i)], arguments.positional[0])) return Value::integer(i);
  }
  raise_runtime("the value is not in the " + std::string(type_name(self)));
}

Value call_number_method(const Value& self, Method method, Arguments& arguments) {
  expect_count(arguments, method, 0, 0);
  switch (method) {
    case Method::k_is_integer:
      return Value::boolean(std::isfinite(self.as_real()) && self.as_real() == std::floor(self.as_real()));
    case Method::k_conjugate: return self.is(Kind::kFloat) ? self : Value::integer(self.as_int(), self.provenance());
    default: {
      const std::int64_t value = self.as_int();
      const std::uint64_t magnitude =
          value < 0 ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
      return Value::integer(method == Method::k_bit_length ? std::bit_width(magnitude) : std::popcount(magnitude),
                            self.provenance());
    }
  }
}

Value call_loop_method(LoopObject& loop, Method method, Arguments& arguments) {
  if (!arguments.named.empty()) raise_runtime("the methods of loop take no named arguments");
  if (method == Method::k_cycle) {
    if (arguments.positional.empty()) raise_runtime("loop.cycle needs something to cycle through");
    return arguments.positional[static_cast<std::size_t>(loop.index0) % arguments.positional.size()];
  }
  const bool unchanged =
      loop.changed_called && loop.last_changed.size() == arguments.positional.size() &&
      std::equal(loop.last_changed.begin(), loop.last_changed.end(), arguments.positional.begin(), equal);
  if (unchanged) return Value::boolean(false);
  loop.changed_called = true;
  loop.last_changed = std::move(arguments.positional);
  return Value::boolean(true);
}

Value call_cycler_method(CyclerObject& cycler, Method method, Arguments& arguments) {
  expect_count(arguments, method, 0, 0);
  if (method == Method::k_reset) {
    cycler.position = 0;
    return Value::none();
  }
  const Value current = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return current;
}

}  // namespace

Value call_container_method(Interpreter&, const Value& self, Method method, Arguments& arguments) {
  switch (self.kind()) {
    case Kind::kDict: return call_dict_method(self, method, arguments);
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kRange: return call_sequence_method(self, method, arguments);
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat: return call_number_method(self, method, arguments);
    case Kind::kLoop: return call_loop_method(self.as<LoopObject>(), method, arguments);
    case Kind::kCycler: return call_cycler_method(self.as<CyclerObject>(), method, arguments);
    default: raise_runtime("'" + std::string(type_name(self)) + "' has no methods");
  }
}

Value call_method(Interpreter& interpreter, const Value& self, Method method, Arguments& arguments) {
  if (self.is_markup()) return call_markup_method(self, method, arguments);
  return self.is_text() ? call_text_method(self, method, arguments)
                        : call_container_method(interpreter, self, method, arguments);
}

}  // namespace atelier::prompt::jinja
