// Expressions.
#include <algorithm>
#include <utility>

#include "prompt/jinja/interpreter.h"

namespace atelier::prompt::jinja {

namespace {

// Jinja writes -2 ** x as Python, where the power binds tighter than the sign of a constant: -(2 ** x). Only
// there: (-2) ** 2 is computed when the template is compiled, and is 4.
bool is_negated_constant(const Expression& node) {
  return node.kind == ExpressionKind::kNegative &&
         static_cast<const Unary&>(node).operand->kind == ExpressionKind::kConstant;
}

}  // namespace

const Value* Interpreter::borrow_member(const Expression& node, const Value* absent) const {
  const Expression* of = nullptr;
  const MemberName* name = nullptr;
  if (node.kind == ExpressionKind::kSubscript) {
    const auto& subscript = static_cast<const Subscript&>(node);
    if (!subscript.member) return nullptr;
    of = subscript.object.get();
    name = &*subscript.member;
    if (!subscript.is_only_member) absent = nullptr;
  } else if (node.kind == ExpressionKind::kAttribute) {
    const auto& attribute_node = static_cast<const Attribute&>(node);
    if (!attribute_node.member) return nullptr;
    of = attribute_node.object.get();
    name = &*attribute_node.member;
  } else {
    return nullptr;
  }
  const Value* object = borrow(*of);
  if (object == nullptr || !object->is_dict()) return nullptr;
  const Value* found = object->as_dict().find(*name);
  return found != nullptr ? found : absent;
}

const Value* Interpreter::borrow_or_undefined(const Expression& node) const {
  static const Value kUndefined = Value::undefined({});
  if (node.kind == ExpressionKind::kName) {
    const Value& value = slot(static_cast<const Name&>(node).slot);
    return value.is_missing() ? &kUndefined : &value;
  }
  if (node.kind == ExpressionKind::kConstant) return &static_cast<const Constant&>(node).value;
  return borrow_member(node, &kUndefined);
}

// truth() of what the expression gives.
bool Interpreter::holds(const Expression& node) {
  budget_.step();
  switch (node.kind) {
    case ExpressionKind::kAnd:
      return holds(*static_cast<const Binary&>(node).left) && holds(*static_cast<const Binary&>(node).right);
    case ExpressionKind::kOr:
      return holds(*static_cast<const Binary&>(node).left) || holds(*static_cast<const Binary&>(node).right);
    case ExpressionKind::kNot: return !holds(*static_cast<const Unary&>(node).operand);
    case ExpressionKind::kCompare: return compare_holds(static_cast<const Compare&>(node));
    case ExpressionKind::kTest: return test_holds(static_cast<const TestCall&>(node));
    default: break;
  }
  const Value* there = borrow_or_undefined(node);
  return truth(there != nullptr ? *there : evaluate(node));
}

Value Interpreter::evaluate(const Expression& node) {
  budget_.step();
  switch (node.kind) {
    case ExpressionKind::kConstant: return static_cast<const Constant&>(node).value;
    case ExpressionKind::kName: return evaluate_name(static_cast<const Name&>(node));
    case ExpressionKind::kTuple:
    case ExpressionKind::kList: return evaluate_sequence(static_cast<const Sequence&>(node));
    case ExpressionKind::kDict: return evaluate_dict(static_cast<const Dict&>(node));
    case ExpressionKind::kConditional: return evaluate_conditional(static_cast<const Conditional&>(node));
    case ExpressionKind::kAnd:
    case ExpressionKind::kOr: return evaluate_logic(static_cast<const Binary&>(node));
    case ExpressionKind::kCompare: return Value::boolean(compare_holds(static_cast<const Compare&>(node)));
    case ExpressionKind::kNot:
    case ExpressionKind::kNegative:
    case ExpressionKind::kPositive: return evaluate_unary(static_cast<const Unary&>(node));
    case ExpressionKind::kConcat: return evaluate_concat(static_cast<const Concat&>(node));
    case ExpressionKind::kAttribute: return evaluate_attribute(static_cast<const Attribute&>(node));
    case ExpressionKind::kSubscript: return evaluate_subscript(static_cast<const Subscript&>(node));
    case ExpressionKind::kCall: return evaluate_call(static_cast<const Call&>(node));
    case ExpressionKind::kFilter: return evaluate_filter(static_cast<const FilterCall&>(node));
    case ExpressionKind::kTest: return Value::boolean(test_holds(static_cast<const TestCall&>(node)));
    case ExpressionKind::kSlice: break;  // only inside a subscript
    default: return evaluate_binary(static_cast<const Binary&>(node));
  }
  return Value::none();
}

Value Interpreter::evaluate_name(const Name& node) {
  const Value& value = slot(node.slot);
  if (!value.is_missing()) return value;
  return Value::undefined(node.name_text.is_missing() ? Value::template_text(node.name) : node.name_text);
}

Value Interpreter::evaluate_sequence(const Sequence& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExpressionPtr& item : node.items) items.push_back(evaluate(*item));
  return node.kind == ExpressionKind::kList ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

Value Interpreter::evaluate_dict(const Dict& node) {
  Ref<DictObject> dict(std::make_unique<DictObject>().release());
  for (const auto& [key, item] : node.items) {
    Value name = evaluate(*key);
    Value value = evaluate(*item);
    at(key->offset);
    dict->set(std::move(name), std::move(value));
  }
  return Value::of(dict.get());
}

Value Interpreter::evaluate_conditional(const Conditional& node) {
  if (holds(*node.test)) return evaluate(*node.then);
  if (node.otherwise) return evaluate(*node.otherwise);
  return Value::undefined_because("the condition of this inline 'if' was false and it has no 'else'");
}

Value Interpreter::evaluate_logic(const Binary& node) {
  Value left = evaluate(*node.left);
  if (truth(left) == (node.kind == ExpressionKind::kOr)) return left;
  return evaluate(*node.right);
}

namespace {

bool compare_quickly(Comparison comparison, const Value& left, const Value& right) {
  if (left.is_text() && right.is_text()) {
    if (comparison == Comparison::kEqual) return equal_texts(left, right);
    if (comparison == Comparison::kNotEqual) return !equal_texts(left, right);
  } else if (left.is_text() && right.is_sequence()) {
    const bool is_in = comparison == Comparison::kIn;
    if (is_in || comparison == Comparison::kNotIn) {
      for (const Value& item : right.as_sequence().items) {
        if (item.is_text() && equal_texts(left, item)) return is_in;
      }
      return !is_in;
    }
  }
  return compare(comparison, left, right);
}

}  // namespace

bool Interpreter::compare_holds(const Compare& node) {
  if (node.rest.size() == 1) {
    const auto& [comparison, operand] = node.rest.front();
    const Value* left_there = borrow(*node.first);
    const Value left = left_there != nullptr ? Value() : evaluate(*node.first);
    const Value* right_there = borrow(*operand);
    const Value right = right_there != nullptr ? Value() : evaluate(*operand);
    at(node.offset);
    return compare_quickly(comparison, left_there != nullptr ? *left_there : left,
                           right_there != nullptr ? *right_there : right);
  }
  Value left = evaluate(*node.first);
  for (const auto& [comparison, operand] : node.rest) {
    Value right = evaluate(*operand);
    at(node.offset);
    if (!compare(comparison, left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::evaluate_binary(const Binary& node) {
  Value left = evaluate(*node.left);
  if (node.kind == ExpressionKind::kAdd) {
    if (node.right->kind == ExpressionKind::kConstant) {
      at(node.offset);
      return add(std::move(left), static_cast<const Constant&>(*node.right).value);
    }
    const Value right = evaluate(*node.right);
    at(node.offset);
    return add(std::move(left), right);
  }
  const Value right = evaluate(*node.right);
  at(node.offset);
  if (node.kind == ExpressionKind::kPower && is_negated_constant(*node.left) &&
      node.right->kind != ExpressionKind::kConstant && !is_negated_constant(*node.right)) {
    return negative(arithmetic(node.kind, negative(left), right));
  }
  return arithmetic(node.kind, left, right);
}

Value Interpreter::evaluate_unary(const Unary& node) {
  const Value operand = evaluate(*node.operand);
  at(node.offset);
  switch (node.kind) {
    case ExpressionKind::kNot: return Value::boolean(!truth(operand));
    case ExpressionKind::kNegative: return negative(operand);
    default: return positive(operand);
  }
}

Value Interpreter::evaluate_concat(const Concat& node) {
  if (node.escaping == Escaping::kOn) {
    // Where one of them is marked, the others are escaped.
    std::vector<Value> parts;
    for (const ExpressionPtr& item : node.items) parts.push_back(evaluate(*item));
    at(node.offset);
    const bool marked = std::ranges::any_of(parts, [](const Value& part) { return part.is_markup(); });
    TextBuilder joined;
    for (const Value& part : parts) append_text(joined, marked ? escaped(part) : part);
    return marked ? joined.take().as_markup() : joined.take();
  }
  TextBuilder builder;
  TextBuilder* const out = std::exchange(out_, &builder);
  for (const ExpressionPtr& item : node.items) output_expression(*item);
  out_ = out;
  return builder.take();
}

Value Interpreter::evaluate_attribute(const Attribute& node) {
  const Value* there = borrow(*node.object);
  const Value made = there != nullptr ? Value() : evaluate(*node.object);
  const Value& object = there != nullptr ? *there : made;
  at(node.offset);
  if (node.member && object.is_dict()) {
    const Value* found = object.as_dict().find(*node.member);
    return found != nullptr ? *found : Value::undefined_member(object, node.name);
  }
  if (node.loop_member != LoopMember::kNone && object.is(Kind::kLoop)) {
    return loop_member(object.as<LoopObject>(), node.loop_member);
  }
  return attribute(object, node.name, node.method);
}

Value Interpreter::evaluate_subscript(const Subscript& node) {
  const Value* there = borrow(*node.object);
  const Value made = there != nullptr ? Value() : evaluate(*node.object);
  const Value& object = there != nullptr ? *there : made;
  if (node.index->kind == ExpressionKind::kSlice) {
    const auto& bounds = static_cast<const Slice&>(*node.index);
    const auto bound = [&](const ExpressionPtr& expression) {
      return expression ? evaluate(*expression) : Value::none();
    };
    const Value start = bound(bounds.start);
    const Value stop = bound(bounds.stop);
    const Value step = bound(bounds.step);
    at(node.offset);
    return slice(object, start, stop, step);
  }
  if (node.member && object.is_dict()) {
    if (const Value* found = object.as_dict().find(*node.member)) return *found;
  }
  const Value* index_there = borrow(*node.index);
  const Value index = index_there != nullptr ? Value() : evaluate(*node.index);
  at(node.offset);
  return subscript(object, index_there != nullptr ? *index_there : index);
}

void Interpreter::evaluate_arguments(const CallArguments& node, Arguments& arguments) {
  arguments.positional.reserve(node.positional.size());
  for (const ExpressionPtr& argument : node.positional) arguments.positional.push_back(evaluate(*argument));
  for (const auto& [name, argument] : node.named) arguments.named.emplace_back(name, evaluate(*argument));
  if (node.more_positional) {
    const Value more = evaluate(*node.more_positional);
    for (Value& item : elements_of(more)) arguments.positional.push_back(std::move(item));
  }
  if (node.more_named) {
    const Value more = evaluate(*node.more_named);
    if (!more.is_dict()) raise_runtime("what follows '**' in a call must be a mapping");
    for (const auto& [key, value] : more.as_dict().items) {
      if (!key.is_text()) raise_runtime("the names of arguments must be text");
      if (arguments.find_named(text_view(key)) != nullptr) {
        raise_runtime("the argument '" + std::string(text_view(key)) + "' is given twice");
      }
      arguments.named.emplace_back(key, value);
    }
  }
}

std::vector<Value> Interpreter::take_spare() {
  if (spare_values_.empty()) return {};
  std::vector<Value> values = std::move(spare_values_.back());
  spare_values_.pop_back();
  return values;
}

void Interpreter::give_back(std::vector<Value> values) {
  if (values.capacity() == 0) return;
  values.clear();
  spare_values_.push_back(std::move(values));
}

Interpreter::BorrowedArguments::BorrowedArguments(Interpreter& interpreter, const CallArguments& node)
    : interpreter_(interpreter) {
  if (!node.positional.empty()) arguments_.positional = interpreter_.take_spare();
}

Interpreter::BorrowedArguments::~BorrowedArguments() { interpreter_.give_back(std::move(arguments_.positional)); }

void Interpreter::prepare_arguments(const Call& node, const Value* caller, Arguments& arguments) {
  evaluate_arguments(node.arguments, arguments);
  if (caller == nullptr) return;
  if (arguments.find_named("caller") != nullptr) raise_runtime("the argument 'caller' is given twice");
  arguments.named.emplace_back(Value::template_text("caller"), *caller);
}

Value Interpreter::evaluate_call(const Call& node, const Value* caller) {
  BorrowedArguments arguments(*this, node.arguments);
  if (node.callee->kind == ExpressionKind::kAttribute) {
    // A method call needs no bound method.
    const auto& member = static_cast<const Attribute&>(*node.callee);
    if (member.method != Method::kNone) {
      const Value object = evaluate(*member.object);
      if (method_access(object, member.method) == MethodAccess::kAllowed) {
        prepare_arguments(node, caller, *arguments);
        at(member.offset);
        budget_.step();
        return call_method(*this, object, member.method, *arguments);
      }
      at(member.offset);
      const Value callee = attribute(object, member.name, member.method);
      prepare_arguments(node, caller, *arguments);
      at(member.offset);
      return call(callee, *arguments);
    }
  }
  const Value callee = evaluate(*node.callee);
  prepare_arguments(node, caller, *arguments);
  at(node.callee->offset);
  return call(callee, *arguments);
}

Value Interpreter::evaluate_filter(const FilterCall& node, const Value* block_text) {
  // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a filter has no input only in a filter block, with its text.
  const Value* there = node.input == nullptr ? block_text : borrow(*node.input);
  const Value made = there != nullptr ? Value()
                     : node.input->kind == ExpressionKind::kFilter
                         ? evaluate_filter(static_cast<const FilterCall&>(*node.input), block_text)
                         : evaluate(*node.input);
  if (node.filter != nullptr && node.filter->plain != nullptr && node.arguments.is_empty()) {
    at(node.offset);
    budget_.step();
    return node.filter->plain(there != nullptr ? *there : made);
  }
  BorrowedArguments arguments(*this, node.arguments);
  if (!node.arguments.is_empty()) evaluate_arguments(node.arguments, *arguments);
  at(node.offset);
  if (node.filter == nullptr) raise_runtime(unknown_filter(node.name));
  budget_.step();
  return run_filter(*this, *node.filter, there != nullptr ? *there : made, *arguments);
}

bool Interpreter::test_holds(const TestCall& node) {
  if (node.test != nullptr && node.test->plain != nullptr && node.arguments.is_empty()) {
    if (const Value* there = borrow_or_undefined(*node.input)) return node.test->plain(*there);
    return node.test->plain(evaluate(*node.input));
  }
  const Value* there = borrow(*node.input);
  const Value made = there != nullptr ? Value() : evaluate(*node.input);
  const Value& input = there != nullptr ? *there : made;
  BorrowedArguments arguments(*this, node.arguments);
  if (!node.arguments.is_empty()) evaluate_arguments(node.arguments, *arguments);
  at(node.offset);
  if (node.test == nullptr) raise_runtime(unknown_test(node.name));
  return run_test(*node.test, input, *arguments);
}

}  // namespace atelier::prompt::jinja
