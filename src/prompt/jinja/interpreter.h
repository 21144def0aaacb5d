// Runs a Program: one Interpreter renders one text, on one thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "prompt/jinja/builtins.h"
#include "prompt/jinja/civil_time.h"
#include "prompt/jinja/runtime_objects.h"
#include "prompt/jinja/syntax.h"
#include "prompt/jinja/template.h"

namespace atelier::prompt::jinja {

class Interpreter {
 public:
  Interpreter(const Program& program, const Variables& variables, const CivilTime& now, Budget& budget);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Throws TemplateException, with the position of what failed.
  void run(TextBuilder& out);

  // For built-in functions.
  Value call(const Value& callee, Arguments& arguments);
  Value make_namespace(Arguments& arguments);
  const CivilTime& now() const { return now_; }
  // Whether the section that runs now escapes for HTML.
  bool escapes() const { return escapes_; }

 private:
  enum class Flow : std::uint8_t { kNormal, kBreak, kContinue };
  struct ConditionSource;
  class CallDepth;
  // Arguments in memory that calls share.
  class BorrowedArguments {
   public:
    BorrowedArguments(Interpreter& interpreter, const CallArguments& node);
    ~BorrowedArguments();
    BorrowedArguments(const BorrowedArguments&) = delete;
    BorrowedArguments& operator=(const BorrowedArguments&) = delete;
    Arguments& operator*() { return arguments_; }

   private:
    Interpreter& interpreter_;
    Arguments arguments_;
  };

  // Statements (interpreter.cpp, loops.cpp).
  Flow execute(const StatementList& body);
  Flow execute(const Statement& node);
  void execute_output(const Output& node);
  void output_expression(const Expression& node);
  void output_escaped(const Expression& node, Escaping escaping);
  bool escapes(Escaping escaping) const {
    return escaping == Escaping::kOn || (escaping == Escaping::kAsked && escapes_);
  }
  bool output_sum(const Binary& node, Value& sum);
  void output_filter(const FilterCall& node);
  void output_call(const Call& node);
  Flow execute_if(const IfStatement& node);
  Flow execute_for(const ForStatement& node);
  Flow execute_with(const WithStatement& node);
  Flow execute_scope(const ScopeStatement& node);
  Flow execute_set_block(const SetBlock& node);
  Flow execute_filter_block(const FilterBlock& node);
  void execute_call_block(const CallBlock& node);
  Flow run_loop(const ForStatement& node, const Value& iterable, int depth);
  Flow run_indexed_loop(const ForStatement& node, const IndexedElements& elements, const Ref<LoopObject>& loop);
  Flow run_source_loop(const ForStatement& node, ElementSource& source, const Ref<LoopObject>& loop);
  Flow run_otherwise(const ForStatement& node, bool any);
  std::unique_ptr<ElementSource> loop_source(const ForStatement& node, const Value& iterable);
  Value evaluate_iterable(const Expression& node);
  Value run_recursive_loop(const ForStatement& node, const Value& iterable, Ref<Activation> scope, int depth);
  Value call_macro(const MacroObject& macro, Arguments& arguments);
  // What it writes goes into the output.
  void run_macro(const MacroObject& macro, Arguments& arguments);
  void bind_macro(const MacroObject& macro, Arguments& arguments);
  Value make_macro(const MacroBody& body);
  void capture(const Ref<Activation>& activation);
  void assign(const Expression& pattern, const Value& value);
  void assign(const Target& target, Value value);
  void enter(const ScopePlan& plan);

  // Expressions (evaluate.cpp).
  Value evaluate(const Expression& node);
  Value evaluate_name(const Name& node);
  Value evaluate_sequence(const Sequence& node);
  Value evaluate_dict(const Dict& node);
  Value evaluate_conditional(const Conditional& node);
  Value evaluate_logic(const Binary& node);
  Value evaluate_compare(const Compare& node);
  Value evaluate_binary(const Binary& node);
  Value evaluate_unary(const Unary& node);
  Value evaluate_concat(const Concat& node);
  Value evaluate_attribute(const Attribute& node);
  Value evaluate_subscript(const Subscript& node);
  Value evaluate_call(const Call& node, const Value* caller = nullptr);
  Value evaluate_filter(const FilterCall& node, const Value* block_text = nullptr);
  void evaluate_arguments(const CallArguments& node, Arguments& arguments);
  void prepare_arguments(const Call& node, const Value* caller, Arguments& arguments);
  bool holds(const Expression& node);
  bool compare_holds(const Compare& node);
  bool test_holds(const TestCall& node);

  // A value that is there already and need not be copied; null for everything that must be computed. It may be used until
  // the next statement: dictionaries never change, and names are only assigned by statements.
  const Value* borrow(const Expression& node) const {
    if (node.kind == ExpressionKind::kConstant) return &static_cast<const Constant&>(node).value;
    if (node.kind == ExpressionKind::kName) {
      const Value& value = slot(static_cast<const Name&>(node).slot);
      return value.is_missing() ? nullptr : &value;
    }
    return borrow_member(node, nullptr);
  }
  // The same, but an undefined value where a dictionary has no such member, for those who do not ask why.
  const Value* borrow_or_undefined(const Expression& node) const;
  const Value* borrow_member(const Expression& node, const Value* absent) const;

  Value& slot(SlotRef ref) const {
    if (ref.hops == 0) return frame_[ref.slot];
    Activation* activation = activation_.get();
    for (int i = 0; i < ref.hops; ++i) activation = activation->parent.get();
    return activation->slots[ref.slot];
  }
  // Makes it the current one and returns the one before it.
  Ref<Activation> enter_activation(Ref<Activation> next) {
    frame_ = next->slots.data();
    return std::exchange(activation_, std::move(next));
  }
  std::vector<Value> take_spare();
  void give_back(std::vector<Value> values);
  void at(std::uint32_t offset) { offset_ = offset; }

  const Program& program_;
  const CivilTime& now_;
  Budget& budget_;
  std::vector<Value> globals_;
  Ref<Activation> activation_;
  Value* frame_ = nullptr;  // its slots
  TextBuilder* out_ = nullptr;
  std::uint32_t offset_ = 0;  // of what is evaluated now, for errors
  int call_depth_ = 0;
  bool escapes_ = false;
  std::vector<std::vector<Value>> spare_values_;  // memory of earlier calls
  // What can be part of a cycle, emptied in the end.
  std::vector<Ref<Activation>> captured_;
  std::vector<Ref<NamespaceObject>> namespaces_;
};

}  // namespace atelier::prompt::jinja
