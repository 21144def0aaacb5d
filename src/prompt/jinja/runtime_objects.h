// Objects that exist while a template runs: the variables of its functions, macros, loops and bound methods.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "prompt/jinja/syntax.h"
#include "prompt/jinja/value.h"

namespace atelier::prompt::jinja {

class Interpreter;

// The variables of one call of a function: the template itself, a macro, a call block, a recursive loop.
// Macros keep the activation that they were defined in, as Python's closures do.
struct Activation : Object {
  // In that memory, which must be empty.
  Activation(std::vector<Value> memory, std::size_t slot_count, Ref<Activation> outer)
      : Object(Kind::kActivation), slots(std::move(memory)), parent(std::move(outer)) {
    slots.resize(slot_count);
  }
  std::vector<Value> slots;
  Ref<Activation> parent;
  bool captured = false;  // a macro holds it: it is emptied by hand in the end, because the two form a cycle
};

struct MacroObject : Object {
  MacroObject(const MacroBody& macro_body, Ref<Activation> scope)
      : Object(Kind::kMacro), body(macro_body), definition_scope(std::move(scope)) {}
  const MacroBody& body;
  Ref<Activation> definition_scope;
};

// The arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<Value, Value>> named;  // names are text

  const Value* find_named(std::string_view name) const {
    for (const auto& [key, value] : named) {
      if (text_view(key) == name) return &value;
    }
    return nullptr;
  }
};

struct FunctionObject : Object {
  using Implementation = Value (*)(Interpreter& interpreter, Arguments& arguments);
  FunctionObject(std::string_view function_name, Implementation code)
      : Object(Kind::kFunction), name(function_name), implementation(code) {}
  std::string_view name;  // of static storage
  Implementation implementation;
};

struct MethodObject : Object {
  MethodObject(Value object, Method which) : Object(Kind::kMethod), self(std::move(object)), method(which) {}
  Value self;
  Method method;
};
inline bool same_method(const MethodObject& a, const MethodObject& b) {
  return a.method == b.method && same(a.self, b.self);
}

// Elements that are all there, by their place: of lists and tuples, and the pairs of a dictionary's items().
class IndexedElements {
 public:
  // Without elements, and not valid(), for every other value.
  explicit IndexedElements(Value source);
  bool valid() const { return list_ != nullptr || members_ != nullptr; }
  std::size_t size() const { return list_ != nullptr ? list_->size() : members_ != nullptr ? members_->size() : 0; }
  Value at(std::size_t place) const;
  // One of the two is null.
  const std::vector<Value>* list() const { return list_; }
  const std::vector<std::pair<Value, Value>>* members() const { return members_; }

 private:
  Value source_;
  const std::vector<Value>* list_ = nullptr;
  const std::vector<std::pair<Value, Value>>* members_ = nullptr;
};

// Where a loop's other elements come from: a value, or a value through the loop's own condition.
class ElementSource {
 public:
  virtual ~ElementSource() = default;
  virtual bool next(Value& element) = 0;
  virtual std::int64_t size() const = 0;  // negative where only taking all of them would tell
};

// The variable `loop`. Looking ahead (loop.last, loop.nextitem) takes one element early; loop.length of a
// source without a length takes all of them. Indexed elements need none of that: the loop is a number there.
struct LoopObject : Object {
  LoopObject(IndexedElements elements, const ForStatement* recursive_loop, Ref<Activation> scope, int depth)
      : Object(Kind::kLoop),
        indexed(std::move(elements)),
        recursive(recursive_loop),
        loop_scope(std::move(scope)),
        depth0(depth) {}

  // Only with a source.
  bool advance(Value& element);

  bool peek();
  std::int64_t length();
  Value previous() const;  // index0 > 0
  Value next() const;      // after peek()

  IndexedElements indexed;
  std::unique_ptr<ElementSource> source;  // null where the elements are indexed
  const ForStatement* recursive;          // null where the loop cannot be called
  Ref<Activation> loop_scope;             // that the recursive loop was written in
  int depth0;
  std::int64_t index0 = -1;
  Value current, before;
  std::vector<Value> ahead;  // taken early, in order from ahead_position
  std::size_t ahead_position = 0;
  std::int64_t known_length = -1;
  std::vector<Value> last_changed;
  bool changed_called = false;
};

}  // namespace atelier::prompt::jinja
