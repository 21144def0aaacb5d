#include "prompt/jinja/value.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <unordered_map>
#include <utility>

#include "base/utf8.h"
#include "prompt/jinja/runtime_objects.h"

namespace atelier::prompt::jinja {
namespace {

enum UndefinedDetail : std::uint8_t { kVariable = 0, kReason = 1, kMemberBase = 2 };

int depth_of(const Value& value) {
  if (value.is_sequence()) return value.as_sequence().depth;
  if (value.is_dict()) return value.as_dict().depth;
  if (value.is(Kind::kDictView)) return value.as<DictViewObject>().dict.as_dict().depth;
  return 0;
}

void deepen(int& depth, const Value& element) {
  depth = std::max(depth, depth_of(element) + 1);
  if (depth > kMaxValueDepth) raise(ErrorKind::kBudget, "lists and dictionaries nest too deeply");
}

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kMissing:
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt:
    case Kind::kBigInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kText: return "str";
    case Kind::kList: return "list";
    case Kind::kTuple: return "tuple";
    case Kind::kDict: return "dict";
    case Kind::kDictView: return "dict_items";
    case Kind::kRange: return "range";
    case Kind::kIterator: return "generator";
    case Kind::kNamespace: return "Namespace";
    case Kind::kMacro: return "Macro";
    case Kind::kFunction: return "function";
    case Kind::kMethod: return "builtin_function_or_method";
    case Kind::kLoop: return "LoopContext";
    case Kind::kCycler: return "Cycler";
    case Kind::kJoiner: return "Joiner";
    case Kind::kActivation: break;
  }
  return "object";
}

}  // namespace

void destroy(Object* object) {
  switch (object->kind) {
    case Kind::kText:
    case Kind::kBigInt:
    case Kind::kUndefined: delete static_cast<TextObject*>(object); return;
    case Kind::kList:
    case Kind::kTuple: delete static_cast<SequenceObject*>(object); return;
    case Kind::kDict: delete static_cast<DictObject*>(object); return;
    case Kind::kDictView: delete static_cast<DictViewObject*>(object); return;
    case Kind::kRange: delete static_cast<RangeObject*>(object); return;
    case Kind::kIterator: delete static_cast<IteratorObject*>(object); return;
    case Kind::kNamespace: delete static_cast<NamespaceObject*>(object); return;
    case Kind::kCycler: delete static_cast<CyclerObject*>(object); return;
    case Kind::kJoiner: delete static_cast<JoinerObject*>(object); return;
    case Kind::kMacro: delete static_cast<MacroObject*>(object); return;
    case Kind::kFunction: delete static_cast<FunctionObject*>(object); return;
    case Kind::kMethod: delete static_cast<MethodObject*>(object); return;
    case Kind::kLoop: delete static_cast<LoopObject*>(object); return;
    case Kind::kActivation: delete static_cast<Activation*>(object); return;
    case Kind::kMissing:
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat: return;  // these have no object
  }
}

Value Value::list(std::vector<Value> items, Provenance provenance) {
  return Value::of(std::make_unique<SequenceObject>(Kind::kList, std::move(items)).release(), provenance);
}

Value Value::tuple(std::vector<Value> items, Provenance provenance) {
  return Value::of(std::make_unique<SequenceObject>(Kind::kTuple, std::move(items)).release(), provenance);
}

Value Value::big_integer(std::string digits, Provenance provenance) {
  auto text = std::make_unique<TextObject>(std::move(digits), provenance);
  text->kind = Kind::kBigInt;
  return Value::of(text.release(), provenance);
}

Value Value::undefined(Value name) {
  Value result = std::move(name);
  result.kind_ = Kind::kUndefined;
  result.detail_ = kVariable;
  return result;
}

Value Value::undefined_member(const Value& owner, Value name) {
  Value result = std::move(name);
  if (!result.is_text()) result = Value::template_text("?");
  result.kind_ = Kind::kUndefined;
  result.detail_ = static_cast<std::uint8_t>(kMemberBase + static_cast<int>(owner.kind()));
  return result;
}

Value Value::undefined_because(std::string reason) {
  Value result = Value::template_text(std::move(reason));
  result.kind_ = Kind::kUndefined;
  result.detail_ = kReason;
  return result;
}

std::string Value::undefined_message() const {
  std::string name = counted_ ? static_cast<TextObject*>(object_)->bytes : std::string();
  if (detail_ == kReason) return name;
  if (detail_ == kVariable) return "'" + name + "' is undefined";
  const auto owner = static_cast<Kind>(detail_ - kMemberBase);
  if (owner == Kind::kNone) return "None has no attribute '" + name + "'";
  return "'" + std::string(kind_name(owner)) + " object' has no attribute '" + name + "'";
}

// ---- Containers

SequenceObject::SequenceObject(Kind list_or_tuple, std::vector<Value> elements)
    : Object(list_or_tuple), items(std::move(elements)) {
  charge_allocation(sizeof(SequenceObject) + items.size() * sizeof(Value));
  charge_steps(items.size() / 8);
  for (const Value& item : items) deepen(depth, item);
}

// Positions by hash, for dictionaries that are too large to search.
struct DictObject::Index {
  std::unordered_multimap<std::size_t, std::uint32_t> positions;
};

DictObject::DictObject() : Object(Kind::kDict) {}
DictObject::~DictObject() = default;

namespace {
constexpr std::size_t kSearchedWithoutIndex = 12;
}

const DictObject::Index& DictObject::index() const {
  if (!index_) {
    index_ = std::make_unique<Index>();
    for (std::size_t i = 0; i < items.size(); ++i) {
      index_->positions.emplace(hash_of(items[i].first), static_cast<std::uint32_t>(i));
    }
  }
  return *index_;
}

void DictObject::prepare() const {
  if (items.size() > kSearchedWithoutIndex) (void)index();
}

const Value* DictObject::find(std::string_view key) const {
  if ((key_marks_ & key_mark(key)) == 0) return nullptr;
  const std::size_t found = search(key);
  return found == items.size() ? nullptr : &items[found].second;
}

std::size_t DictObject::search(std::string_view key) const {
  if (items.size() <= kSearchedWithoutIndex) {
    std::size_t at = 0;
    while (at < items.size() && !(items[at].first.is_text() && same_bytes(text_view(items[at].first), key))) ++at;
    return at;
  }
  const auto [begin, end] = index().positions.equal_range(std::hash<std::string_view>{}(key));
  for (auto it = begin; it != end; ++it) {
    const Value& name = items[it->second].first;
    if (name.is_text() && text_view(name) == key) return it->second;
  }
  return items.size();
}

const Value* DictObject::find(const Value& key) const {
  if (key.is_text()) return find(text_view(key));
  if (!hashable(key)) raise_runtime("unhashable type: '" + std::string(type_name(key)) + "'");
  charge_steps(1);
  if (items.size() <= kSearchedWithoutIndex) {
    for (const auto& [name, value] : items) {
      if (equal(name, key)) return &value;
    }
    return nullptr;
  }
  const auto [begin, end] = index().positions.equal_range(hash_of(key));
  for (auto it = begin; it != end; ++it) {
    const auto& [name, value] = items[it->second];
    if (equal(name, key)) return &value;
  }
  return nullptr;
}

void DictObject::append(Value key, Value value) {
  charge_allocation(2 * sizeof(Value));
  deepen(depth, value);
  deepen(depth, key);
  if (index_) index_->positions.emplace(hash_of(key), static_cast<std::uint32_t>(items.size()));
  if (key.is_text()) key_marks_ |= key_mark(text_view(key));
  items.emplace_back(std::move(key), std::move(value));
}

void DictObject::set(Value key, Value value) {
  if (const Value* there = find(key)) {
    deepen(depth, value);
    *const_cast<Value*>(there) = std::move(value);
    return;
  }
  append(std::move(key), std::move(value));
}

std::int64_t RangeObject::length() const {
  if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
  return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

// ---- Iteration

bool ValueIterator::possible(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kText:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kDictView:
    case Kind::kRange:
    case Kind::kIterator: return true;
    default: return false;
  }
}

ValueIterator::ValueIterator(Value source) : source_(std::move(source)) {
  if (!possible(source_)) raise_runtime("'" + std::string(type_name(source_)) + "' object is not iterable");
}

std::int64_t ValueIterator::size() const { return source_.is(Kind::kIterator) ? -1 : length_of(source_); }

bool ValueIterator::next(Value& element) {
  charge_steps(1);
  switch (source_.kind()) {
    case Kind::kText: {
      const TextObject& text = source_.as_text();
      if (position_ >= text.bytes.size()) return false;
      const std::size_t begin = position_;
      position_ += utf8::decode(text.bytes, begin).length;
      element = slice_text(text, begin, position_);
      return true;
    }
    case Kind::kList:
    case Kind::kTuple: {
      const auto& items = source_.as_sequence().items;
      if (position_ >= items.size()) return false;
      element = items[position_++];
      return true;
    }
    case Kind::kDict: {
      const auto& items = source_.as_dict().items;
      if (position_ >= items.size()) return false;
      element = items[position_++].first;
      return true;
    }
    case Kind::kDictView: {
      const auto& view = source_.as<DictViewObject>();
      const auto& items = view.dict.as_dict().items;
      if (position_ >= items.size()) return false;
      const auto& [key, value] = items[position_++];
      switch (view.part) {
        case DictViewObject::Part::kKeys: element = key; break;
        case DictViewObject::Part::kValues: element = value; break;
        case DictViewObject::Part::kItems: element = Value::tuple({key, value}, source_.provenance()); break;
      }
      return true;
    }
    case Kind::kRange: {
      const auto& range = source_.as<RangeObject>();
      if (static_cast<std::int64_t>(position_) >= range.length()) return false;
      element = Value::integer(range.start + static_cast<std::int64_t>(position_++) * range.step, source_.provenance());
      return true;
    }
    case Kind::kIterator: {
      auto& iterator = source_.as<IteratorObject>();
      if (iterator.position >= iterator.items.size()) {
        if (!iterator.failure) return false;
        const std::unique_ptr<TemplateException> failure = std::move(iterator.failure);
        throw TemplateException(*failure);
      }
      element = iterator.items[iterator.position++];
      return true;
    }
    default: return false;
  }
}

std::vector<Value> elements_of(const Value& iterable) {
  std::vector<Value> items;
  ValueIterator iterator(iterable);
  if (const std::int64_t size = iterator.size(); size > 0)
    items.reserve(static_cast<std::size_t>(std::min<std::int64_t>(size, 4096)));
  Value element;
  while (iterator.next(element)) items.push_back(std::move(element));
  return items;
}

// ---- Operations that every kind has

std::string_view type_name(const Value& value) {
  if (value.is(Kind::kDictView)) {
    switch (value.as<DictViewObject>().part) {
      case DictViewObject::Part::kKeys: return "dict_keys";
      case DictViewObject::Part::kValues: return "dict_values";
      case DictViewObject::Part::kItems: return "dict_items";
    }
  }
  return kind_name(value.kind());
}

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool: return value.as_bool();
    case Kind::kInt: return value.as_int() != 0;
    case Kind::kFloat: return value.as_real() != 0;
    case Kind::kBigInt: return true;
    case Kind::kText: return !text_view(value).empty();
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kDictView:
    case Kind::kRange: return length_of(value) != 0;
    default: return true;
  }
}

bool has_length(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kText:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kDictView:
    case Kind::kRange:
    case Kind::kLoop: return true;
    default: return false;
  }
}

std::int64_t length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kText: return static_cast<std::int64_t>(value.as_text().length());
    case Kind::kList:
    case Kind::kTuple: return static_cast<std::int64_t>(value.as_sequence().items.size());
    case Kind::kDict: return static_cast<std::int64_t>(value.as_dict().items.size());
    case Kind::kDictView: return length_of(value.as<DictViewObject>().dict);
    case Kind::kRange: return value.as<RangeObject>().length();
    case Kind::kLoop: return value.as<LoopObject>().length();
    default: raise_runtime("object of type '" + std::string(type_name(value)) + "' has no len()");
  }
}

bool is_callable(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:  // the class defines __call__, to say that it is undefined
    case Kind::kMacro:
    case Kind::kFunction:
    case Kind::kMethod:
    case Kind::kLoop:
    case Kind::kJoiner: return true;
    default: return false;
  }
}

bool hashable(const Value& value) {
  switch (value.kind()) {
    case Kind::kList:
    case Kind::kDict:
    case Kind::kDictView: return false;
    case Kind::kTuple: {
      const auto& items = value.as_sequence().items;
      return std::all_of(items.begin(), items.end(), hashable);
    }
    default: return true;
  }
}

std::size_t hash_of(const Value& value) {
  charge_steps(1);
  switch (value.kind()) {
    case Kind::kText: return std::hash<std::string_view>{}(text_view(value));
    case Kind::kBool:
    case Kind::kInt: return std::hash<std::int64_t>{}(value.as_int());
    case Kind::kFloat: {
      const double real = value.as_real();
      if (real >= -9.2e18 && real <= 9.2e18 && real == static_cast<double>(static_cast<std::int64_t>(real))) {
        return std::hash<std::int64_t>{}(static_cast<std::int64_t>(real));
      }
      return std::hash<double>{}(real);
    }
    case Kind::kTuple: {
      std::size_t hash = 17;
      for (const Value& item : value.as_sequence().items) hash = hash * 1000003 + hash_of(item);
      return hash;
    }
    case Kind::kNone: return 1;
    case Kind::kUndefined: return 2;
    default: return std::hash<const void*>{}(value.object());
  }
}

namespace {

bool equal_items(const std::vector<Value>& a, const std::vector<Value>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), equal);
}

bool equal_dicts(const DictObject& a, const DictObject& b) {
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    const Value* other = b.find(key);
    if (other == nullptr || !equal(value, *other)) return false;
  }
  return true;
}

bool equal_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.as_int() == b.as_int();
  if (a.is(Kind::kFloat) && b.is(Kind::kFloat)) return a.as_real() == b.as_real();
  return !less(a, b) && !less(b, a) && a.as_real() == b.as_real();
}

// Keys and items compare as sets; values never do.
bool equal_views(const Value& a, const Value& b) {
  const auto part = a.as<DictViewObject>().part;
  if (part != b.as<DictViewObject>().part || part == DictViewObject::Part::kValues) return false;
  const DictObject& x = a.as<DictViewObject>().dict.as_dict();
  const DictObject& y = b.as<DictViewObject>().dict.as_dict();
  if (part == DictViewObject::Part::kItems) return equal_dicts(x, y);
  if (x.items.size() != y.items.size()) return false;
  return std::all_of(x.items.begin(), x.items.end(), [&](const auto& item) { return y.find(item.first) != nullptr; });
}

bool equal_ranges(const RangeObject& a, const RangeObject& b) {
  const std::int64_t length = a.length();
  if (length != b.length()) return false;
  if (length == 0) return true;
  return a.start == b.start && (length == 1 || a.step == b.step);
}

}  // namespace

bool equal(const Value& a, const Value& b) {
  charge_steps(1);
  if (a.is_number() && b.is_number()) return equal_numbers(a, b);
  if (a.kind() != b.kind()) {
    const bool big_and_real =
        (a.is(Kind::kBigInt) && b.is(Kind::kFloat)) || (a.is(Kind::kFloat) && b.is(Kind::kBigInt));
    return big_and_real && a.approximate() == b.approximate();
  }
  switch (a.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone: return true;
    case Kind::kText:
      charge_bytes(std::min(text_view(a).size(), text_view(b).size()));
      return text_view(a) == text_view(b);
    case Kind::kBigInt: return a.as_text().bytes == b.as_text().bytes;
    case Kind::kList:
    case Kind::kTuple:
      if (a.object() == b.object()) return true;
      check_stack();
      return equal_items(a.as_sequence().items, b.as_sequence().items);
    case Kind::kDict:
      if (a.object() == b.object()) return true;
      check_stack();
      return equal_dicts(a.as_dict(), b.as_dict());
    case Kind::kDictView: return a.object() == b.object() || equal_views(a, b);
    case Kind::kRange: return equal_ranges(a.as<RangeObject>(), b.as<RangeObject>());
    case Kind::kMethod: return same_method(a.as<MethodObject>(), b.as<MethodObject>());
    default: return a.object() == b.object();
  }
}

bool same(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNone: return true;
    case Kind::kBool: return a.as_bool() == b.as_bool();
    case Kind::kInt: return a.as_int() == b.as_int();
    case Kind::kFloat: return a.as_real() == b.as_real();
    case Kind::kText: return a.object() == b.object() || text_view(a) == text_view(b);
    default: return a.object() != nullptr && a.object() == b.object();
  }
}

namespace {

// Of two integers as digits, at least one of them beyond 64 bits.
bool less_digits(std::string_view a, std::string_view b) {
  const bool a_negative = a.starts_with('-');
  const bool b_negative = b.starts_with('-');
  if (a_negative != b_negative) return a_negative;
  const bool smaller = a.size() != b.size() ? a.size() < b.size() : a < b;
  return a_negative ? a != b && !smaller : smaller;
}

bool less_big(const Value& a, const Value& b) {
  if (a.is(Kind::kFloat) || b.is(Kind::kFloat)) return a.approximate() < b.approximate();
  const auto digits = [](const Value& v) {
    return v.is(Kind::kBigInt) ? v.as<TextObject>().bytes : std::to_string(v.as_int());
  };
  return less_digits(digits(a), digits(b));
}

}  // namespace

double Value::approximate() const {
  return is(Kind::kBigInt) ? std::strtod(as<TextObject>().bytes.c_str(), nullptr) : as_real();
}

bool less(const Value& a, const Value& b) {
  charge_steps(1);
  if (a.is_undefined()) raise(ErrorKind::kUndefined, a.undefined_message());
  if (b.is_undefined()) raise(ErrorKind::kUndefined, b.undefined_message());
  if ((a.is(Kind::kBigInt) || b.is(Kind::kBigInt)) && (a.is_number() || a.is(Kind::kBigInt)) &&
      (b.is_number() || b.is(Kind::kBigInt))) {
    return less_big(a, b);
  }
  if (a.is_integral() && b.is_integral()) return a.as_int() < b.as_int();
  if (a.is_number() && b.is_number()) {
    // long double holds every 64-bit integer, so that mixed comparisons are exact on the platforms we build for.
    const auto wide = [](const Value& v) {
      return v.is(Kind::kFloat) ? static_cast<long double>(v.as_real()) : static_cast<long double>(v.as_int());
    };
    return wide(a) < wide(b);
  }
  if (a.is_text() && b.is_text()) {
    charge_bytes(std::min(text_view(a).size(), text_view(b).size()));
    return text_view(a) < text_view(b);  // the order of UTF-8 bytes is the order of code points
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    check_stack();
    const auto& x = a.as_sequence().items;
    const auto& y = b.as_sequence().items;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!equal(x[i], y[i])) return less(x[i], y[i]);
    }
    return x.size() < y.size();
  }
  raise_runtime("'<' not supported between instances of '" + std::string(type_name(a)) + "' and '" +
                std::string(type_name(b)) + "'");
}

Provenance overall_provenance(const Value& value) {
  charge_steps(1);
  switch (value.kind()) {
    case Kind::kText: return value.as_text().overall();
    case Kind::kList:
    case Kind::kTuple: {
      Provenance result = value.provenance();
      if (result == Provenance::kContent) return result;
      check_stack();
      for (const Value& item : value.as_sequence().items) result = mixed(result, overall_provenance(item));
      return result;
    }
    case Kind::kDict: {
      Provenance result = value.provenance();
      if (result == Provenance::kContent) return result;
      check_stack();
      for (const auto& [key, item] : value.as_dict().items) {
        result = mixed(result, mixed(overall_provenance(key), overall_provenance(item)));
      }
      return result;
    }
    default: return value.provenance();
  }
}

}  // namespace atelier::prompt::jinja
