// Loops: where their elements come from, and going over them.
#include <utility>

#include "prompt/jinja/interpreter.h"

namespace atelier::prompt::jinja {

// ---- Loops as objects

IndexedElements::IndexedElements(Value source) : source_(std::move(source)) {
  if (source_.is_sequence()) {
    list_ = &source_.as_sequence().items;
  } else if (source_.is(Kind::kDictView) && source_.as<DictViewObject>().part == DictViewObject::Part::kItems) {
    members_ = &source_.as<DictViewObject>().dict.as_dict().items;
  }
}

Value IndexedElements::at(std::size_t place) const {
  if (list_ != nullptr) return (*list_)[place];
  const auto& [key, value] = (*members_)[place];
  return Value::tuple({key, value}, source_.provenance());
}

bool LoopObject::advance(Value& element) {
  if (ahead_position < ahead.size()) {
    element = std::move(ahead[ahead_position++]);
    if (ahead_position == ahead.size()) {
      ahead.clear();
      ahead_position = 0;
    }
  } else if (!source->next(element)) {
    return false;
  }
  ++index0;
  before = std::move(current);
  current = element;
  return true;
}

bool LoopObject::peek() {
  if (!source) return index0 + 1 < static_cast<std::int64_t>(indexed.size());
  if (ahead_position < ahead.size()) return true;
  Value element;
  if (!source->next(element)) return false;
  ahead.push_back(std::move(element));
  return true;
}

Value LoopObject::previous() const { return source ? before : indexed.at(static_cast<std::size_t>(index0 - 1)); }

Value LoopObject::next() const {
  return source ? ahead[ahead_position] : indexed.at(static_cast<std::size_t>(index0 + 1));
}

std::int64_t LoopObject::length() {
  if (!source) return static_cast<std::int64_t>(indexed.size());
  if (known_length < 0) known_length = source->size();
  if (known_length < 0) {
    Value element;
    while (source->next(element)) ahead.push_back(std::move(element));
    known_length = static_cast<std::int64_t>(ahead.size() - ahead_position) + index0 + 1;
  }
  return known_length;
}

namespace {

class ValueSource : public ElementSource {
 public:
  explicit ValueSource(const Value& value) : iterator_(value) {}
  bool next(Value& element) override { return iterator_.next(element); }
  std::int64_t size() const override { return iterator_.size(); }

 private:
  ValueIterator iterator_;
};

}  // namespace

// The elements for which the loop's condition holds. Each is tried when it is asked for, in the condition's
// own scope.
struct Interpreter::ConditionSource : ElementSource {
  ConditionSource(Interpreter& owner, const ForStatement& loop, const Value& iterable)
      : interpreter(owner), node(loop), scope(owner.activation_), iterator(iterable) {
    owner.capture(scope);
  }

  bool next(Value& element) override {
    const Ref<Activation> caller = interpreter.enter_activation(scope);
    const std::uint32_t offset = interpreter.offset_;
    if (!std::exchange(entered, true)) interpreter.enter(node.condition_scope);
    bool found = false;
    while (!found && iterator.next(element)) {
      interpreter.assign(*node.condition_target, element);
      found = truth(interpreter.evaluate(*node.condition));
      // Jinja yields the target, which is a tuple where several names are assigned.
      if (found && node.condition_target->kind == ExpressionKind::kTuple) {
        element = interpreter.evaluate(*node.condition_target);
      }
    }
    interpreter.enter_activation(caller);
    interpreter.offset_ = offset;
    return found;
  }
  std::int64_t size() const override { return -1; }

  Interpreter& interpreter;
  const ForStatement& node;
  Ref<Activation> scope;
  ValueIterator iterator;
  bool entered = false;
};

// ---- Running them

// The pairs of a dictionary need not be made to be looped over, however they are asked for.
Value Interpreter::evaluate_iterable(const Expression& node) {
  static const FilterInfo* const kItems = find_filter("items");
  if (node.kind == ExpressionKind::kFilter) {
    const auto& filter = static_cast<const FilterCall&>(node);
    if (filter.filter == kItems && filter.arguments.is_empty() && filter.input != nullptr) {
      const Value* there = borrow(*filter.input);
      if (there != nullptr && there->is_dict()) {
        budget_.step();
        return Value::of(std::make_unique<DictViewObject>(*there, DictViewObject::Part::kItems).release(),
                         there->provenance());
      }
    }
  }
  return evaluate(node);
}

std::unique_ptr<ElementSource> Interpreter::loop_source(const ForStatement& node, const Value& iterable) {
  if (node.condition) return std::make_unique<ConditionSource>(*this, node, iterable);
  return std::make_unique<ValueSource>(iterable);
}

Interpreter::Flow Interpreter::run_loop(const ForStatement& node, const Value& iterable, int depth) {
  IndexedElements elements(node.condition ? Value() : iterable);
  const bool indexed = elements.valid();
  if (!node.uses_loop) {
    if (indexed) return run_indexed_loop(node, elements, {});
    return run_source_loop(node, *loop_source(node, iterable), {});
  }
  Ref<Activation> scope = node.recursive ? activation_->parent : Ref<Activation>();
  const Ref<LoopObject> loop(
      std::make_unique<LoopObject>(std::move(elements), node.recursive ? &node : nullptr, std::move(scope), depth)
          .release());
  slot(node.loop_slot) = Value();
  if (indexed) return run_indexed_loop(node, loop->indexed, loop);
  loop->source = loop_source(node, iterable);
  return run_source_loop(node, *loop->source, loop);
}

// The loop is null where the body does not ask for it.
Interpreter::Flow Interpreter::run_indexed_loop(const ForStatement& node, const IndexedElements& elements,
                                                const Ref<LoopObject>& loop) {
  const Expression& target = *node.target;
  Value* const only = target.kind == ExpressionKind::kName ? &slot(static_cast<const Name&>(target).slot) : nullptr;
  const ExpressionList* names = only == nullptr ? &static_cast<const Sequence&>(target).items : nullptr;
  const bool is_pair = elements.members() != nullptr && names != nullptr && names->size() == 2;
  bool any = false;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    budget_.step();
    at(target.offset);
    if (loop) loop->index0 = static_cast<std::int64_t>(i);
    if (is_pair) {
      const auto& [key, value] = (*elements.members())[i];
      assign(*(*names)[0], key);
      assign(*(*names)[1], value);
    } else if (only != nullptr && elements.list() != nullptr) {
      *only = (*elements.list())[i];
    } else {
      assign(target, elements.at(i));
    }
    if (loop) {
      Value& variable = slot(node.loop_slot);
      if (variable.object() != loop.get()) variable = Value::of(loop.get());
    }
    if (!node.body_scope.empty()) enter(node.body_scope);
    const Flow flow = execute(node.body);
    if (flow == Flow::kBreak) break;
    // As in Jinja, an iteration that break or continue ends does not count for the else branch.
    if (flow == Flow::kNormal) any = true;
    at(node.offset);
  }
  return run_otherwise(node, any);
}

Interpreter::Flow Interpreter::run_source_loop(const ForStatement& node, ElementSource& source,
                                               const Ref<LoopObject>& loop) {
  bool any = false;
  Value element;
  while (loop ? loop->advance(element) : source.next(element)) {
    at(node.target->offset);
    assign(*node.target, element);
    if (loop) slot(node.loop_slot) = Value::of(loop.get());
    enter(node.body_scope);
    const Flow flow = execute(node.body);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNormal) any = true;
    at(node.offset);
  }
  return run_otherwise(node, any);
}

Interpreter::Flow Interpreter::run_otherwise(const ForStatement& node, bool any) {
  if (any || node.otherwise.empty()) return Flow::kNormal;
  enter(node.otherwise_scope);
  return execute(node.otherwise);
}

}  // namespace atelier::prompt::jinja
