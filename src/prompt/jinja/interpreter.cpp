// Statements. Scopes follow the plans that scopes.cpp made; values are computed in evaluate.cpp.
#include "prompt/jinja/interpreter.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace atelier::prompt::jinja {

class Interpreter::CallDepth {
 public:
  explicit CallDepth(Interpreter& interpreter) : interpreter_(interpreter) {
    if (++interpreter_.call_depth_ > interpreter_.budget_.limits().call_depth) {
      --interpreter_.call_depth_;
      raise(ErrorKind::kBudget, "macros call each other too deeply");
    }
    interpreter_.budget_.check_stack();
  }
  ~CallDepth() { --interpreter_.call_depth_; }
  CallDepth(const CallDepth&) = delete;
  CallDepth& operator=(const CallDepth&) = delete;

 private:
  Interpreter& interpreter_;
};

// ---- The whole template

Interpreter::Interpreter(const Program& program, const Variables& variables, const CivilTime& now, Budget& budget)
    : program_(program), now_(now), budget_(budget) {
  globals_.reserve(program.globals.size());
  for (const std::string& name : program.globals) {
    const Value* given = variables.find(name);
    globals_.push_back(given != nullptr ? *given : builtin_function(name));
  }
}

Interpreter::~Interpreter() {
  for (const auto& activation : captured_) activation->slots.clear();
  for (const auto& space : namespaces_) space->attributes.items.clear();
}

void Interpreter::run(TextBuilder& out) {
  enter_activation(Ref<Activation>(
      std::make_unique<Activation>(std::vector<Value>(), program_.slot_count, Ref<Activation>()).release()));
  out_ = &out;
  try {
    enter(program_.scope);
    execute(program_.body);
  } catch (TemplateException& exception) {
    if (exception.error.line == 0) {
      std::tie(exception.error.line, exception.error.column) = position_of(program_.source, offset_);
    }
    throw;
  }
}

void Interpreter::enter(const ScopePlan& plan) {
  for (const ScopeEntry& entry : plan) {
    Value& target = frame_[entry.slot];
    switch (entry.action) {
      case ScopeEntry::Action::kFromContext: target = globals_[entry.global]; break;
      case ScopeEntry::Action::kFromOuter: target = slot(entry.outer); break;
      case ScopeEntry::Action::kUnset: target = Value(); break;
    }
  }
}

// ---- Statements

Interpreter::Flow Interpreter::execute(const StatementList& body) {
  for (const StatementPtr& statement : body) {
    if (const Flow flow = execute(*statement); flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::execute(const Statement& node) {
  budget_.step();
  switch (node.kind) {
    case StatementKind::kOutput: execute_output(static_cast<const Output&>(node)); return Flow::kNormal;
    case StatementKind::kFor: return execute_for(static_cast<const ForStatement&>(node));
    case StatementKind::kIf: return execute_if(static_cast<const IfStatement&>(node));
    case StatementKind::kMacro: {
      const auto& statement = static_cast<const MacroStatement&>(node);
      slot(statement.slot) = make_macro(statement.macro);
      return Flow::kNormal;
    }
    case StatementKind::kCallBlock:
    case StatementKind::kGeneration: execute_call_block(static_cast<const CallBlock&>(node)); return Flow::kNormal;
    case StatementKind::kFilterBlock: return execute_filter_block(static_cast<const FilterBlock&>(node));
    case StatementKind::kWith: return execute_with(static_cast<const WithStatement&>(node));
    case StatementKind::kSet: {
      const auto& set = static_cast<const SetStatement&>(node);
      Value value = evaluate(*set.value);
      at(set.target.offset);
      assign(set.target, std::move(value));
      return Flow::kNormal;
    }
    case StatementKind::kSetBlock: return execute_set_block(static_cast<const SetBlock&>(node));
    case StatementKind::kScope:
    case StatementKind::kBlock: return execute_scope(static_cast<const ScopeStatement&>(node));
    case StatementKind::kBreak: return Flow::kBreak;
    case StatementKind::kContinue: return Flow::kContinue;
    case StatementKind::kUnavailable:
      at(node.offset);
      raise_runtime("'" + static_cast<const Unavailable&>(node).tag + "' needs another template, and there is none");
    case StatementKind::kExpression: break;
  }
  return Flow::kNormal;
}

void Interpreter::execute_output(const Output& node) {
  if (node.escaping != Escaping::kOff) {
    for (const ExpressionPtr& item : node.items) output_escaped(*item, node.escaping);
    return;
  }
  for (const ExpressionPtr& item : node.items) {
    output_expression(*item);
  }
}

void Interpreter::output_escaped(const Expression& node, Escaping escaping) {
  const Value value = evaluate(node);
  at(node.offset);
  // Jinja escapes constants when it compiles, which is too early where escaping depends on an expression.
  const bool is_constant = node.kind == ExpressionKind::kConstant;
  const bool is_data = is_constant && static_cast<const Constant&>(node).is_data;
  const bool as_it_is = is_data || (is_constant && escaping == Escaping::kAsked) || !escapes(escaping);
  append_text(*out_, as_it_is ? value : escaped(value));
}

// What is only joined goes out piece by piece, without a value of its own.
void Interpreter::output_expression(const Expression& node) {
  budget_.step();
  if (const Value* value = borrow(node)) {
    if (value->is_text()) {
      out_->append(value->as_text());
    } else {
      at(node.offset);
      append_text(*out_, *value);
    }
    return;
  }
  switch (node.kind) {
    case ExpressionKind::kAdd: {
      Value sum;
      if (output_sum(static_cast<const Binary&>(node), sum)) return;
      at(node.offset);
      append_text(*out_, sum);
      return;
    }
    case ExpressionKind::kConcat:
      for (const ExpressionPtr& item : static_cast<const Concat&>(node).items) output_expression(*item);
      return;
    case ExpressionKind::kConditional: {
      const auto& choice = static_cast<const Conditional&>(node);
      if (holds(*choice.test)) {
        output_expression(*choice.then);
      } else if (choice.otherwise) {
        output_expression(*choice.otherwise);
      }
      return;
    }
    case ExpressionKind::kFilter: output_filter(static_cast<const FilterCall&>(node)); return;
    case ExpressionKind::kCall: output_call(static_cast<const Call&>(node)); return;
    default: {
      const Value made = evaluate(node);
      at(node.offset);
      append_text(*out_, made);
    }
  }
}

// a + b + …: true where all of them were plain text, which is in the output then. Else the sum is a value, and the output
// as it was.
bool Interpreter::output_sum(const Binary& node, Value& sum) {
  const auto is_plain = [](const Value& value) { return value.is_text() && !value.is_markup(); };
  const std::size_t begin = out_->size();
  bool is_out = false;
  {
    const Expression& first = *node.additions.front()->left;
    budget_.step();
    const Value* left = borrow(first);
    if (left == nullptr) {
      sum = evaluate(first);
      left = &sum;
    }
    is_out = is_plain(*left);
    if (is_out) {
      out_->append(left->as_text());
    } else if (left != &sum) {
      sum = *left;
    }
  }
  for (const Binary* addition : node.additions) {
    budget_.step();
    Value made;
    const Value* right = borrow(*addition->right);
    if (right == nullptr) {
      made = evaluate(*addition->right);
      right = &made;
    }
    if (is_out && is_plain(*right)) {
      out_->append(right->as_text());
      continue;
    }
    if (std::exchange(is_out, false)) sum = out_->take_from(begin);
    at(addition->offset);
    sum = add(std::move(sum), *right);
  }
  return is_out;
}

void Interpreter::output_filter(const FilterCall& node) {
  if (node.filter == nullptr || node.filter->write == nullptr || node.input == nullptr) {
    const Value made = evaluate_filter(node);
    at(node.offset);
    append_text(*out_, made);
    return;
  }
  const Value* there = borrow(*node.input);
  const Value made = there != nullptr ? Value() : evaluate(*node.input);
  if (node.arguments.is_empty()) {
    at(node.offset);
    budget_.step();
    node.filter->write(*out_, there != nullptr ? *there : made, nothing_bound());
    return;
  }
  BorrowedArguments arguments(*this, node.arguments);
  evaluate_arguments(node.arguments, *arguments);
  at(node.offset);
  budget_.step();
  Bound bound;
  bind_arguments(node.filter->name, node.filter->signature, *arguments, bound);
  node.filter->write(*out_, there != nullptr ? *there : made, bound);
}

// A macro writes where its text belongs.
void Interpreter::output_call(const Call& node) {
  const Value* callee = borrow(*node.callee);
  if (callee == nullptr || !callee->is(Kind::kMacro)) {
    const Value made = evaluate_call(node);
    at(node.offset);
    append_text(*out_, made);
    return;
  }
  const Ref<MacroObject> macro(&callee->as<MacroObject>());
  BorrowedArguments arguments(*this, node.arguments);
  evaluate_arguments(node.arguments, *arguments);
  at(node.callee->offset);
  budget_.step();
  run_macro(*macro, *arguments);
}

Interpreter::Flow Interpreter::execute_if(const IfStatement& node) {
  for (const IfBranch& branch : node.branches) {
    if (holds(*branch.test)) return execute(branch.body);
  }
  return execute(node.otherwise);
}

Interpreter::Flow Interpreter::execute_for(const ForStatement& node) {
  const Value iterable = evaluate_iterable(*node.iterable);
  at(node.offset);
  if (node.recursive) {
    const Value text = run_recursive_loop(node, iterable, activation_, 0);
    append_text(*out_, text);
    return Flow::kNormal;
  }
  return run_loop(node, iterable, 0);
}

Value Interpreter::run_recursive_loop(const ForStatement& node, const Value& iterable, Ref<Activation> scope,
                                      int depth) {
  const CallDepth guard(*this);
  TextBuilder text;
  Ref<Activation> own(std::make_unique<Activation>(std::vector<Value>(), node.slot_count, std::move(scope)).release());
  const Ref<Activation> caller = enter_activation(own);
  TextBuilder* const out = std::exchange(out_, &text);
  run_loop(node, iterable, depth);
  out_ = out;
  enter_activation(caller);
  return escapes(node.escaping) ? text.take().as_markup() : text.take();
}

Interpreter::Flow Interpreter::execute_with(const WithStatement& node) {
  // Each value is computed with the names of outside, and assigned before the next one is.
  enter(node.scope);
  for (std::size_t i = 0; i < node.targets.size(); ++i) {
    const Value value = evaluate(*node.values[i]);
    at(node.targets[i]->offset);
    assign(*node.targets[i], value);
  }
  return execute(node.body);
}

Interpreter::Flow Interpreter::execute_scope(const ScopeStatement& node) {
  enter(node.scope);
  if (!node.autoescape) return execute(node.body);
  const bool outside = std::exchange(escapes_, truth(evaluate(*node.autoescape)));
  const Flow flow = execute(node.body);
  // As in Jinja, break and continue leave the section without ending it.
  if (flow == Flow::kNormal) escapes_ = outside;
  return flow;
}

Interpreter::Flow Interpreter::execute_set_block(const SetBlock& node) {
  TextBuilder text;
  TextBuilder* const out = std::exchange(out_, &text);
  enter(node.scope);
  const Flow flow = execute(node.body);
  out_ = out;
  if (flow != Flow::kNormal) return flow;
  Value value = text.take();
  if (node.filter) {
    if (escapes(node.escaping)) value = value.as_markup();
    value = evaluate_filter(static_cast<const FilterCall&>(*node.filter), &value);
  }
  if (escapes_) value = to_text(value).as_markup();
  at(node.target.offset);
  assign(node.target, std::move(value));
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::execute_filter_block(const FilterBlock& node) {
  TextBuilder text;
  TextBuilder* const out = std::exchange(out_, &text);
  enter(node.scope);
  const Flow flow = execute(node.body);
  out_ = out;
  if (flow != Flow::kNormal) return flow;
  Value value = text.take();
  if (escapes(node.escaping)) value = value.as_markup();
  append_text(*out_, evaluate_filter(static_cast<const FilterCall&>(*node.filter), &value));
  return Flow::kNormal;
}

void Interpreter::execute_call_block(const CallBlock& node) {
  const Value caller = make_macro(node.macro);
  if (node.kind == StatementKind::kGeneration) {
    Arguments none;
    run_macro(caller.as<MacroObject>(), none);
    return;
  }
  const Value text = evaluate_call(*node.call, &caller);
  append_text(*out_, text);
}

// ---- Assignment

void Interpreter::assign(const Expression& pattern, const Value& value) {
  if (pattern.kind == ExpressionKind::kName) {
    slot(static_cast<const Name&>(pattern).slot) = value;
    return;
  }
  const ExpressionList& items = static_cast<const Sequence&>(pattern).items;
  if (value.is_undefined() || !ValueIterator::possible(value)) {
    if (!value.is_undefined()) raise_runtime("'" + std::string(type_name(value)) + "' cannot be unpacked");
    if (items.empty()) return;
    raise(ErrorKind::kUndefined, value.undefined_message() + ", so it cannot be unpacked");
  }
  if (value.is_sequence() && value.as_sequence().items.size() == items.size()) {
    // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): `value` is in a variable that may be assigned here.
    const Value held = value;
    for (std::size_t i = 0; i < items.size(); ++i) assign(*items[i], held.as_sequence().items[i]);
    return;
  }
  ValueIterator iterator(value);
  std::vector<Value> parts;
  Value part;
  while (parts.size() <= items.size() && iterator.next(part)) parts.push_back(part);
  if (parts.size() != items.size()) {
    raise_runtime("there are " + std::string(parts.size() < items.size() ? "not enough" : "too many") +
                  " values to unpack into " + std::to_string(items.size()) + " names");
  }
  for (std::size_t i = 0; i < items.size(); ++i) assign(*items[i], parts[i]);
}

void Interpreter::assign(const Target& target, Value value) {
  if (!target.space) {
    if (target.pattern->kind == ExpressionKind::kName) {
      slot(static_cast<const Name&>(*target.pattern).slot) = std::move(value);
    } else {
      assign(*target.pattern, value);
    }
    return;
  }
  const Value& space = slot(target.space->slot);
  if (!space.is(Kind::kNamespace))
    raise_runtime("'" + target.space->name + "' is no namespace, so its attributes cannot be set");
  space.as<NamespaceObject>().attributes.set(target.attribute, std::move(value));
}

// ---- Macros

void Interpreter::capture(const Ref<Activation>& activation) {
  if (!std::exchange(activation->captured, true)) captured_.push_back(activation);
}

Value Interpreter::make_macro(const MacroBody& body) {
  capture(activation_);
  charge_allocation(sizeof(MacroObject));
  return Value::of(std::make_unique<MacroObject>(body, activation_).release());
}

Value Interpreter::make_namespace(Arguments& arguments) {
  Ref<NamespaceObject> space(std::make_unique<NamespaceObject>().release());
  for (auto& [name, value] : arguments.named) space->attributes.set(name, value);
  namespaces_.push_back(space);
  charge_allocation(sizeof(NamespaceObject));
  return Value::of(space.get());
}

// Puts arguments into the slots of the macro's parameters, by the rules of jinja2.runtime.Macro.
void Interpreter::bind_macro(const MacroObject& macro, Arguments& arguments) {
  const MacroBody& body = macro.body;
  std::vector<Value>& slots = activation_->slots;
  const std::size_t count = std::min(arguments.positional.size(), body.parameters.size());
  for (std::size_t i = 0; i < count; ++i) slots[body.parameters[i]->slot.slot] = arguments.positional[i];
  const auto take_named = [&](std::string_view name, Value& value) {
    for (auto it = arguments.named.begin(); it != arguments.named.end(); ++it) {
      if (text_view(it->first) != name) continue;
      value = std::move(it->second);
      arguments.named.erase(it);
      return true;
    }
    return false;
  };
  bool found_caller = count == body.parameters.size() && body.explicit_caller;
  for (std::size_t i = count; i < body.parameters.size(); ++i) {
    Value given;
    take_named(body.parameters[i]->name, given);
    found_caller = found_caller || body.parameters[i]->name == "caller";
    slots[body.parameters[i]->slot.slot] = std::move(given);
  }
  if (body.uses_caller && !found_caller) {
    Value caller;
    if (!take_named("caller", caller) || caller.is_none()) caller = Value::undefined_because("no caller is defined");
    slots[body.caller_slot.slot] = std::move(caller);
  }
  const auto name = [&] { return body.name.empty() ? std::string("caller") : body.name; };
  if (body.uses_kwargs) {
    Ref<DictObject> rest(std::make_unique<DictObject>().release());
    for (auto& [key, value] : arguments.named) rest->set(key, std::move(value));
    slots[body.kwargs_slot.slot] = Value::of(rest.get());
  } else if (!arguments.named.empty()) {
    raise_runtime("the macro '" + name() + "' has no parameter '" + std::string(text_view(arguments.named[0].first)) +
                  "'");
  }
  if (body.uses_varargs) {
    std::vector<Value> rest(arguments.positional.begin() + static_cast<std::ptrdiff_t>(count),
                            arguments.positional.end());
    slots[body.varargs_slot.slot] = Value::tuple(std::move(rest));
  } else if (arguments.positional.size() > body.parameters.size()) {
    raise_runtime("the macro '" + name() + "' takes no more than " + std::to_string(body.parameters.size()) +
                  " argument(s)");
  }
}

Value Interpreter::call_macro(const MacroObject& macro, Arguments& arguments) {
  TextBuilder text;
  TextBuilder* const out = std::exchange(out_, &text);
  run_macro(macro, arguments);
  out_ = out;
  return escapes_ ? text.take().as_markup() : text.take();
}

void Interpreter::run_macro(const MacroObject& macro, Arguments& arguments) {
  const CallDepth guard(*this);
  const Ref<MacroObject> alive(const_cast<MacroObject*>(&macro));
  const MacroBody& body = macro.body;
  Ref<Activation> own(std::make_unique<Activation>(take_spare(), body.slot_count, macro.definition_scope).release());
  charge_allocation(sizeof(Activation) + body.slot_count * sizeof(Value));
  const Ref<Activation> caller = enter_activation(std::move(own));
  bind_macro(macro, arguments);
  enter(body.scope);
  const std::size_t without_default = body.parameters.size() - body.defaults.size();
  for (std::size_t i = 0; i < body.parameters.size(); ++i) {
    Value& parameter = frame_[body.parameters[i]->slot.slot];
    if (!parameter.is_missing()) continue;
    if (i < without_default) {
      parameter = Value::undefined_because("the parameter '" + body.parameters[i]->name + "' was not given");
    } else {
      Value value = evaluate(*body.defaults[i - without_default]);
      frame_[body.parameters[i]->slot.slot] = std::move(value);
    }
  }
  execute(body.body);
  const Ref<Activation> left = enter_activation(caller);
  if (left->references == 1) give_back(std::move(left->slots));
}

Value Interpreter::call(const Value& callee, Arguments& arguments) {
  budget_.step();
  switch (callee.kind()) {
    case Kind::kMacro: return call_macro(callee.as<MacroObject>(), arguments);
    case Kind::kFunction: return callee.as<FunctionObject>().implementation(*this, arguments);
    case Kind::kMethod: {
      const Ref<MethodObject> method(&callee.as<MethodObject>());
      return call_method(*this, method->self, method->method, arguments);
    }
    case Kind::kJoiner:
      if (!arguments.positional.empty() || !arguments.named.empty()) raise_runtime("a joiner takes no arguments");
      return call_joiner(callee.as<JoinerObject>());
    case Kind::kLoop: {
      const Ref<LoopObject> loop(&callee.as<LoopObject>());
      if (loop->recursive == nullptr) raise_runtime("the loop is not marked 'recursive', so it cannot be called");
      if (arguments.positional.size() != 1 || !arguments.named.empty()) raise_runtime("loop() takes one argument");
      const Value iterable = arguments.positional[0];
      return run_recursive_loop(*loop->recursive, iterable, loop->loop_scope, loop->depth0 + 1);
    }
    case Kind::kUndefined: raise_undefined(callee);
    default: raise_runtime("'" + std::string(type_name(callee)) + "' cannot be called");
  }
}

}  // namespace atelier::prompt::jinja
