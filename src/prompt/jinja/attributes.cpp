// What object.name and object[index] give: Python's attributes and items as Jinja's sandbox lets templates
// reach them. Nothing here leads outside of the values that a template was given.
#include <algorithm>
#include <array>
#include <bit>
#include <initializer_list>
#include <utility>

#include "base/utf8.h"
#include "prompt/jinja/builtins.h"

namespace atelier::prompt::jinja {
namespace {

constexpr std::string_view kMethodNames[] = {"",
#define ATELIER_JINJA_METHOD(name) #name,
                                             ATELIER_JINJA_METHODS(ATELIER_JINJA_METHOD)
#undef ATELIER_JINJA_METHOD
};

bool one_of(Method method, std::initializer_list<Method> list) {
  return std::find(list.begin(), list.end(), method) != list.end();
}

bool is_text_method(Method method) { return method >= Method::k_capitalize && method <= Method::k_zfill; }

// An index counted from the end where it is negative; false where there is no such element.
bool locate(std::int64_t index, std::size_t length, std::size_t& position) {
  if (index < 0) index += static_cast<std::int64_t>(length);
  if (index < 0 || index >= static_cast<std::int64_t>(length)) return false;
  position = static_cast<std::size_t>(index);
  return true;
}

// object[index] alone; missing where Python raises LookupError or TypeError.
Value item(const Value& object, const Value& index) {
  std::size_t position = 0;
  switch (object.kind()) {
    case Kind::kDict: {
      if (!hashable(index)) return {};
      const Value* found = object.as_dict().find(index);
      return found != nullptr ? *found : Value();
    }
    case Kind::kList:
    case Kind::kTuple: {
      const auto& items = object.as_sequence().items;
      if (!index.is_integral() || !locate(index.as_int(), items.size(), position)) return {};
      return items[position];
    }
    case Kind::kText: {
      const TextObject& text = object.as_text();
      if (!index.is_integral() || !locate(index.as_int(), text.length(), position)) return {};
      const std::size_t begin = text.offset_of(position);
      charge_bytes(text.is_ascii() ? 0 : begin);
      Value character = slice_text(text, begin, begin + utf8::decode(text.bytes, begin).length);
      return object.is_markup() ? character.as_markup() : character;
    }
    case Kind::kRange: {
      const auto& range = object.as<RangeObject>();
      if (!index.is_integral() || !locate(index.as_int(), static_cast<std::size_t>(range.length()), position))
        return {};
      return Value::integer(range.start + static_cast<std::int64_t>(position) * range.step, object.provenance());
    }
    case Kind::kUndefined: raise_undefined(object);
    default: return {};
  }
}

Value macro_member(const MacroObject& macro, std::string_view name) {
  if (name == "name") {
    return macro.body.name.empty() ? Value::none() : Value::template_text(macro.body.name);
  }
  if (name == "arguments") {
    std::vector<Value> names;
    names.reserve(macro.body.parameters.size());
    for (const auto& parameter : macro.body.parameters) names.push_back(parameter->name_text);
    return Value::tuple(std::move(names));
  }
  if (name == "catch_kwargs") return Value::boolean(macro.body.uses_kwargs);
  if (name == "catch_varargs") return Value::boolean(macro.body.uses_varargs);
  if (name == "caller") return Value::boolean(macro.body.uses_caller);
  if (name == "explicit_caller") return Value::boolean(macro.body.explicit_caller);
  return {};
}

// Attributes that are no methods; missing where there is none.
Value data_attribute(const Value& object, std::string_view name) {
  switch (object.kind()) {
    case Kind::kNamespace: {
      const Value* found = object.as<NamespaceObject>().attributes.find(name);
      return found != nullptr ? *found : Value();
    }
    case Kind::kLoop: {
      const LoopMember member = loop_member_named(name);
      return member == LoopMember::kNone ? Value() : loop_member(object.as<LoopObject>(), member);
    }
    case Kind::kMacro: return macro_member(object.as<MacroObject>(), name);
    case Kind::kCycler:
      if (name == "current") return object.as<CyclerObject>().items[object.as<CyclerObject>().position];
      if (name == "pos") return Value::integer(static_cast<std::int64_t>(object.as<CyclerObject>().position));
      if (name == "items") return Value::tuple(object.as<CyclerObject>().items);
      return {};
    case Kind::kJoiner:
      if (name == "sep") return object.as<JoinerObject>().separator;
      if (name == "used") return Value::boolean(object.as<JoinerObject>().used);
      return {};
    case Kind::kTuple:
      if (object.as_sequence().grouped && name == "grouper") return object.as_sequence().items[0];
      if (object.as_sequence().grouped && name == "list") return object.as_sequence().items[1];
      return {};
    case Kind::kRange:
      if (name == "start") return Value::integer(object.as<RangeObject>().start);
      if (name == "stop") return Value::integer(object.as<RangeObject>().stop);
      if (name == "step") return Value::integer(object.as<RangeObject>().step);
      return {};
    case Kind::kBool:
    case Kind::kInt:
      if (name == "real" || name == "numerator") return Value::integer(object.as_int(), object.provenance());
      if (name == "imag") return Value::integer(0);
      if (name == "denominator") return Value::integer(1);
      return {};
    case Kind::kBigInt:
      if (name == "real" || name == "numerator") return object;
      if (name == "imag") return Value::integer(0);
      if (name == "denominator") return Value::integer(1);
      return {};
    case Kind::kFloat:
      if (name == "real") return object;
      if (name == "imag") return Value::real(0);
      return {};
    default: return {};
  }
}

// Names of Python's own machinery and methods that would change a list or dictionary: there, but not for templates.
Value forbidden(const Value& object, std::string_view name) {
  return Value::undefined_because("access to attribute '" + std::string(name) + "' of '" +
                                  std::string(type_name(object)) + "' object is unsafe");
}

bool any_object_has(std::string_view name) {
  constexpr std::string_view kEverywhere[] = {
      "__class__",   "__delattr__", "__dir__",           "__doc__",         "__eq__",
      "__format__",  "__ge__",      "__getattribute__",  "__getstate__",    "__gt__",
      "__hash__",    "__init__",    "__init_subclass__", "__le__",          "__lt__",
      "__ne__",      "__new__",     "__reduce__",        "__reduce_ex__",   "__repr__",
      "__setattr__", "__sizeof__",  "__str__",           "__subclasshook__"};
  return std::find(std::begin(kEverywhere), std::end(kEverywhere), name) != std::end(kEverywhere);
}

// getattr(object, name); missing where Python raises AttributeError.
Value own_attribute(const Value& object, std::string_view name, Method method) {
  if (object.is_undefined()) {
    if (any_object_has(name)) return forbidden(object, name);
    if (name.starts_with("__")) return {};
    raise_undefined(object);
  }
  if (method != Method::kNone) {
    switch (method_access(object, method)) {
      case MethodAccess::kAllowed: return Value::of(std::make_unique<MethodObject>(object, method).release());
      case MethodAccess::kForbidden: return forbidden(object, name);
      case MethodAccess::kAbsent: break;
    }
  }
  Value found = data_attribute(object, name);
  if (!found.is_missing() && name.starts_with("_")) return forbidden(object, name);
  if (found.is_missing() && name.starts_with("__") && !object.is(Kind::kNamespace) && any_object_has(name)) {
    return forbidden(object, name);
  }
  return found;
}

}  // namespace

LoopMember loop_member_named(std::string_view name) {
  constexpr std::string_view kNames[] = {"",         "index0",    "index", "first",  "last",     "length",
                                         "revindex", "revindex0", "depth", "depth0", "previtem", "nextitem"};
  for (std::size_t i = 1; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<LoopMember>(i);
  }
  return LoopMember::kNone;
}

Value loop_member(LoopObject& loop, LoopMember member) {
  switch (member) {
    case LoopMember::kIndex0: return Value::integer(loop.index0);
    case LoopMember::kIndex: return Value::integer(loop.index0 + 1);
    case LoopMember::kFirst: return Value::boolean(loop.index0 == 0);
    case LoopMember::kLast: return Value::boolean(!loop.peek());
    case LoopMember::kLength: return Value::integer(loop.length());
    case LoopMember::kRevindex: return Value::integer(loop.length() - loop.index0);
    case LoopMember::kRevindex0: return Value::integer(loop.length() - loop.index0 - 1);
    case LoopMember::kDepth: return Value::integer(loop.depth0 + 1);
    case LoopMember::kDepth0: return Value::integer(loop.depth0);
    case LoopMember::kPrevitem:
      return loop.index0 == 0 ? Value::undefined_because("there is no previous item") : loop.previous();
    case LoopMember::kNextitem: return loop.peek() ? loop.next() : Value::undefined_because("there is no next item");
    case LoopMember::kNone: break;
  }
  return {};
}

Method method_named(std::string_view name) {
  // Those with the same mark, usually one or two.
  static const auto kByMark = [] {
    std::array<std::vector<Method>, 64> table;
    for (std::size_t i = 1; i < std::size(kMethodNames); ++i) {
      table[static_cast<std::size_t>(std::countr_zero(key_mark(kMethodNames[i])))].push_back(static_cast<Method>(i));
    }
    return table;
  }();
  for (const Method method : kByMark[static_cast<std::size_t>(std::countr_zero(key_mark(name)))]) {
    if (same_bytes(method_name(method), name)) return method;
  }
  return Method::kNone;
}

std::string_view method_name(Method method) { return kMethodNames[static_cast<std::size_t>(method)]; }

MethodAccess method_access(const Value& object, Method method) {
  const auto allowed = [](bool yes) { return yes ? MethodAccess::kAllowed : MethodAccess::kAbsent; };
  switch (object.kind()) {
    case Kind::kText: return allowed(is_text_method(method));
    case Kind::kDict:
      if (one_of(method, {Method::k_clear, Method::k_pop, Method::k_popitem, Method::k_setdefault, Method::k_update})) {
        return MethodAccess::kForbidden;
      }
      return allowed(
          one_of(method, {Method::k_items, Method::k_keys, Method::k_values, Method::k_get, Method::k_copy}));
    case Kind::kList:
      if (one_of(method, {Method::k_append, Method::k_clear, Method::k_extend, Method::k_insert, Method::k_pop,
                          Method::k_remove, Method::k_reverse, Method::k_sort})) {
        return MethodAccess::kForbidden;
      }
      return allowed(one_of(method, {Method::k_count, Method::k_index, Method::k_copy}));
    case Kind::kTuple:
    case Kind::kRange: return allowed(one_of(method, {Method::k_count, Method::k_index}));
    case Kind::kBool:
    case Kind::kInt: return allowed(one_of(method, {Method::k_bit_length, Method::k_bit_count, Method::k_conjugate}));
    case Kind::kFloat: return allowed(one_of(method, {Method::k_is_integer, Method::k_conjugate}));
    case Kind::kLoop: return allowed(one_of(method, {Method::k_cycle, Method::k_changed}));
    case Kind::kCycler: return allowed(one_of(method, {Method::k_next, Method::k_reset}));
    default: return MethodAccess::kAbsent;
  }
}

Value subscript(const Value& object, const Value& index) {
  Value found = item(object, index);
  if (!found.is_missing()) return found;
  if (!index.is_text()) {
    return Value::undefined_member(object, Value::template_text(plain_text(index)));
  }
  const std::string_view name = text_view(index);
  found = own_attribute(object, name, method_named(name));
  return found.is_missing() ? Value::undefined_member(object, index) : found;
}

Value attribute(const Value& object, const Value& name, Method method) {
  Value found = own_attribute(object, text_view(name), method);
  if (found.is_missing()) found = item(object, name);
  return found.is_missing() ? Value::undefined_member(object, name) : found;
}

Value attribute_alone(const Value& object, const Value& name) {
  if (object.is_undefined()) raise_undefined(object);
  Value found = own_attribute(object, text_view(name), method_named(text_view(name)));
  return found.is_missing() ? Value::undefined_member(object, name) : found;
}

namespace {

// Python's slice indices for a sequence of that length: first, end and how many.
struct SliceIndices {
  std::int64_t start = 0, step = 1, count = 0;
};

std::int64_t slice_bound(const Value& bound, std::int64_t fallback, std::int64_t length, std::int64_t step) {
  if (bound.is_none()) return fallback;
  if (bound.is_undefined() || !bound.is_integral()) {
    raise_runtime("the bounds of a slice must be integers or none, not '" + std::string(type_name(bound)) + "'");
  }
  std::int64_t index = bound.as_int();
  if (index < 0) {
    index += length;
    if (index < 0) index = step < 0 ? -1 : 0;
  } else if (index >= length) {
    index = step < 0 ? length - 1 : length;
  }
  return index;
}

SliceIndices slice_indices(std::int64_t length, const Value& start, const Value& stop, const Value& step) {
  SliceIndices indices;
  if (!step.is_none()) {
    if (!step.is_integral()) raise_runtime("the step of a slice must be an integer");
    indices.step = step.as_int();
    if (indices.step == 0) raise_runtime("the step of a slice cannot be zero");
    indices.step = std::clamp<std::int64_t>(indices.step, -(std::int64_t{1} << 62), std::int64_t{1} << 62);
  }
  indices.start = slice_bound(start, indices.step < 0 ? length - 1 : 0, length, indices.step);
  const std::int64_t end = slice_bound(stop, indices.step < 0 ? -1 : length, length, indices.step);
  if (indices.step > 0) {
    indices.count = indices.start < end ? (end - indices.start - 1) / indices.step + 1 : 0;
  } else if (indices.step < 0) {
    indices.count = end < indices.start ? (indices.start - end - 1) / -indices.step + 1 : 0;
  }
  return indices;
}

Value slice_of_text(const TextObject& text, const SliceIndices& indices) {
  charge_bytes(text.bytes.size());
  if (indices.count == 0) return Value::text({}, text.overall());
  if (indices.step == 1) {
    const auto first = static_cast<std::size_t>(indices.start);
    return slice_text(text, text.offset_of(first), text.offset_of(first + static_cast<std::size_t>(indices.count)));
  }
  std::vector<std::size_t> offsets;  // of every code point, and the end
  for (std::size_t at = 0; at < text.bytes.size(); at += utf8::decode(text.bytes, at).length) offsets.push_back(at);
  offsets.push_back(text.bytes.size());
  TextBuilder builder;
  for (std::int64_t i = 0; i < indices.count; ++i) {
    const auto index = static_cast<std::size_t>(indices.start + i * indices.step);
    builder.append_slice(text, offsets[index], offsets[index + 1]);
  }
  return builder.take();
}

}  // namespace

Value slice(const Value& object, const Value& start, const Value& stop, const Value& step) {
  switch (object.kind()) {
    case Kind::kUndefined: raise_undefined(object);
    case Kind::kText: {
      Value part = slice_of_text(object.as_text(), slice_indices(length_of(object), start, stop, step));
      return object.is_markup() ? part.as_markup() : part;
    }
    case Kind::kList:
    case Kind::kTuple: {
      const std::vector<Value>& items = object.as_sequence().items;
      const SliceIndices indices = slice_indices(static_cast<std::int64_t>(items.size()), start, stop, step);
      std::vector<Value> result;
      result.reserve(static_cast<std::size_t>(indices.count));
      for (std::int64_t i = 0; i < indices.count; ++i) {
        result.push_back(items[static_cast<std::size_t>(indices.start + i * indices.step)]);
      }
      return object.is(Kind::kList) ? Value::list(std::move(result), object.provenance())
                                    : Value::tuple(std::move(result), object.provenance());
    }
    case Kind::kRange: {
      const auto& range = object.as<RangeObject>();
      const SliceIndices indices = slice_indices(range.length(), start, stop, step);
      const std::int64_t first = range.start + indices.start * range.step;
      std::int64_t by = 1;
      if (__builtin_mul_overflow(range.step, indices.step, &by)) by = indices.step < 0 ? -1 : 1;
      // Where Python's own stop would be.
      std::int64_t length = range.length();
      std::int64_t end = slice_bound(stop, indices.step < 0 ? -1 : length, length, indices.step);
      end = range.start + end * range.step;
      return Value::of(std::make_unique<RangeObject>(first, end, by).release(), object.provenance());
    }
    default: raise_runtime("'" + std::string(type_name(object)) + "' cannot be sliced");
  }
}

}  // namespace atelier::prompt::jinja
