// The tree that a template parses to. It is built once, never changes afterwards and may be shared between
// threads. Positions are byte offsets into Program::source, turned into line and column only for errors.
//
// Names are resolved when the tree is built (scopes.cpp): each variable is a slot in the activation of the
// function that it belongs to, so that rendering looks nothing up by name.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "prompt/jinja/value.h"

namespace atelier::prompt::jinja {

struct FilterInfo;
struct TestInfo;

// Every method of Python's types that a template may call.
// clang-format off: it finds no layout of the list that it would leave alone.
#define ATELIER_JINJA_METHODS(X)                                                                                      \
  X(capitalize) X(casefold) X(center) X(count) X(endswith) X(expandtabs) X(find) X(format) X(format_map) X(index)     \
  X(isalnum) X(isalpha) X(isascii) X(isdecimal) X(isdigit) X(isidentifier) X(islower) X(isnumeric) X(isprintable)     \
  X(isspace) X(istitle) X(isupper) X(join) X(ljust) X(lower) X(lstrip) X(partition) X(removeprefix) X(removesuffix)   \
  X(replace) X(rfind) X(rindex) X(rjust) X(rpartition) X(rsplit) X(rstrip) X(split) X(splitlines) X(startswith)       \
  X(strip) X(swapcase) X(title) X(upper) X(zfill) X(items) X(keys) X(values) X(get) X(copy) X(bit_length)             \
  X(bit_count) X(conjugate) X(is_integer) X(cycle) X(changed) X(next) X(reset) X(append) X(clear) X(extend)           \
  X(insert) X(pop) X(popitem) X(remove) X(reverse) X(setdefault) X(sort) X(update)
// clang-format on

enum class Method : std::uint8_t {
  kNone,
#define ATELIER_JINJA_METHOD(name) k_##name,
  ATELIER_JINJA_METHODS(ATELIER_JINJA_METHOD)
#undef ATELIER_JINJA_METHOD
};

Method method_named(std::string_view name);
std::string_view method_name(Method method);

// What the variable `loop` has.
enum class LoopMember : std::uint8_t {
  kNone,
  kIndex0,
  kIndex,
  kFirst,
  kLast,
  kLength,
  kRevindex,
  kRevindex0,
  kDepth,
  kDepth0,
  kPrevitem,
  kNextitem,
};
LoopMember loop_member_named(std::string_view name);

// A variable: how many functions out, and its slot there.
struct SlotRef {
  std::uint16_t hops = 0;
  std::uint16_t slot = 0;
};

// What a scope does to its variables when it is entered.
struct ScopeEntry {
  enum class Action : std::uint8_t {
    kFromContext,  // the variable that the caller of the template gave, or a built-in function
    kFromOuter,    // starts as the outer scope's variable of that name
    kUnset,
  };
  Action action = Action::kUnset;
  std::uint16_t slot = 0;
  SlotRef outer;
  std::uint32_t global = 0;  // index into Program::globals
};
using ScopePlan = std::vector<ScopeEntry>;

// ---- Expressions

enum class ExpressionKind : std::uint8_t {
  kConstant,
  kName,
  kTuple,
  kList,
  kDict,
  kConditional,
  kAnd,
  kOr,
  kNot,
  kCompare,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kConcat,
  kNegative,
  kPositive,
  kAttribute,
  kSubscript,
  kSlice,
  kCall,
  kFilter,
  kTest,
};

struct Expression {
  Expression(ExpressionKind expression_kind, std::uint32_t at) : kind(expression_kind), offset(at) {}
  virtual ~Expression() = default;
  ExpressionKind kind;
  int depth = 1;
  std::uint32_t offset;
};
using ExpressionPtr = std::unique_ptr<Expression>;
using ExpressionList = std::vector<ExpressionPtr>;

struct Constant : Expression {
  Constant(std::uint32_t at, Value constant) : Expression(ExpressionKind::kConstant, at), value(std::move(constant)) {}
  Value value;           // immortal
  bool is_data = false;  // the text between tags
};

// Whether what a place of the template puts out is escaped for HTML: {% autoescape %} around it says so. What calls and
// filters do depends on the section that runs, which is not always the one that they are written in.
enum class Escaping : std::uint8_t {
  kOff,
  kOn,
  kAsked,  // by an expression
};

struct Name : Expression {
  enum class Use : std::uint8_t { kLoad, kStore, kParameter };
  Name(std::uint32_t at, std::string identifier, Use what)
      : Expression(ExpressionKind::kName, at), name(std::move(identifier)), use(what) {}
  std::string name;
  Use use;
  SlotRef slot;
  Value name_text;  // immortal, for errors
};

struct Sequence : Expression {  // kTuple, kList
  Sequence(ExpressionKind list_or_tuple, std::uint32_t at) : Expression(list_or_tuple, at) {}
  ExpressionList items;
};

struct Dict : Expression {
  explicit Dict(std::uint32_t at) : Expression(ExpressionKind::kDict, at) {}
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items;
};

struct Conditional : Expression {
  explicit Conditional(std::uint32_t at) : Expression(ExpressionKind::kConditional, at) {}
  ExpressionPtr test, then, otherwise;  // otherwise may be null
};

struct Unary : Expression {  // kNot, kNegative, kPositive
  Unary(ExpressionKind what, std::uint32_t at) : Expression(what, at) {}
  ExpressionPtr operand;
};

struct Binary : Expression {  // arithmetic, kAnd, kOr
  Binary(ExpressionKind what, std::uint32_t at) : Expression(what, at) {}
  ExpressionPtr left, right;
  std::vector<const Binary*> additions;  // of a + b + …, the innermost first, this one last
};

enum class Comparison : std::uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };

struct Compare : Expression {
  explicit Compare(std::uint32_t at) : Expression(ExpressionKind::kCompare, at) {}
  ExpressionPtr first;
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
};

struct Concat : Expression {
  explicit Concat(std::uint32_t at) : Expression(ExpressionKind::kConcat, at) {}
  ExpressionList items;
  Escaping escaping = Escaping::kOff;
};

struct Attribute : Expression {
  explicit Attribute(std::uint32_t at) : Expression(ExpressionKind::kAttribute, at) {}
  ExpressionPtr object;
  Value name;  // immortal text
  Method method = Method::kNone;
  LoopMember loop_member = LoopMember::kNone;
  // The name, where it can only mean a member of a dictionary: no method has it, and Python keeps no such names.
  std::optional<MemberName> member;
};

struct Subscript : Expression {
  explicit Subscript(std::uint32_t at) : Expression(ExpressionKind::kSubscript, at) {}
  ExpressionPtr object, index;
  std::optional<MemberName> member;  // the index, where it is a constant text
  bool is_only_member = false;       // and what a dictionary without it gives is undefined: no attribute has that name
};

struct Slice : Expression {  // only as the index of a Subscript
  explicit Slice(std::uint32_t at) : Expression(ExpressionKind::kSlice, at) {}
  ExpressionPtr start, stop, step;  // each may be null
};

struct CallArguments {
  ExpressionList positional;
  std::vector<std::pair<Value, ExpressionPtr>> named;  // names are immortal text
  ExpressionPtr more_positional, more_named;           // *expression, **expression; may be null

  bool is_empty() const { return positional.empty() && named.empty() && !more_positional && !more_named; }
};

struct Call : Expression {
  explicit Call(std::uint32_t at) : Expression(ExpressionKind::kCall, at) {}
  ExpressionPtr callee;
  CallArguments arguments;
};

struct FilterCall : Expression {
  explicit FilterCall(std::uint32_t at) : Expression(ExpressionKind::kFilter, at) {}
  ExpressionPtr input;  // null in filter blocks: the text of the block
  std::string name;
  const FilterInfo* filter = nullptr;  // null where there is no such filter, which only reaching it reports
  CallArguments arguments;
};

struct TestCall : Expression {
  explicit TestCall(std::uint32_t at) : Expression(ExpressionKind::kTest, at) {}
  ExpressionPtr input;
  std::string name;
  const TestInfo* test = nullptr;
  CallArguments arguments;
};

// ---- Statements

enum class StatementKind : std::uint8_t {
  kOutput,
  kFor,
  kIf,
  kMacro,
  kCallBlock,
  kGeneration,
  kFilterBlock,
  kWith,
  kSet,
  kSetBlock,
  kScope,
  kBlock,
  kExpression,
  kBreak,
  kContinue,
  kUnavailable,
};

struct Statement {
  Statement(StatementKind statement_kind, std::uint32_t at) : kind(statement_kind), offset(at) {}
  virtual ~Statement() = default;
  StatementKind kind;
  std::uint32_t offset;
};
using StatementPtr = std::unique_ptr<Statement>;
using StatementList = std::vector<StatementPtr>;

// Text and expressions, one after the other.
struct Output : Statement {
  explicit Output(std::uint32_t at) : Statement(StatementKind::kOutput, at) {}
  ExpressionList items;  // text between tags is a Constant
  Escaping escaping = Escaping::kOff;
};

// The target of an assignment: a Name, a Sequence of targets, or an attribute of a namespace.
struct Target {
  ExpressionPtr pattern;  // null for a namespace's attribute
  std::unique_ptr<Name> space;
  Value attribute;  // immortal text
  std::uint32_t offset = 0;
};

struct ForStatement : Statement {
  explicit ForStatement(std::uint32_t at) : Statement(StatementKind::kFor, at) {}
  ExpressionPtr target, iterable, condition;  // condition may be null
  StatementList body, otherwise;
  bool recursive = false;
  bool uses_loop = false;
  Escaping escaping = Escaping::kOff;
  std::unique_ptr<Sequence> condition_target_sequence;  // the target again, in the slots of the condition's scope
  ExpressionPtr condition_target;
  SlotRef loop_slot;
  ScopePlan body_scope, otherwise_scope, condition_scope;
  std::size_t slot_count = 0;  // of the function that a recursive loop is
};

struct IfBranch {
  ExpressionPtr test;
  StatementList body;
};

struct IfStatement : Statement {
  explicit IfStatement(std::uint32_t at) : Statement(StatementKind::kIf, at) {}
  std::vector<IfBranch> branches;  // if, elif, …
  StatementList otherwise;
};

// A macro, a call block's body, or the body of a generation block: a function.
struct MacroBody {
  std::string name;  // empty for call blocks
  std::uint32_t offset = 0;
  std::vector<std::unique_ptr<Name>> parameters;
  ExpressionList defaults;  // of the last parameters
  StatementList body;
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
  bool explicit_caller = false;  // `caller` is among the parameters
  SlotRef caller_slot, kwargs_slot, varargs_slot;
  ScopePlan scope;
  std::size_t slot_count = 0;
};

struct MacroStatement : Statement {
  explicit MacroStatement(std::uint32_t at) : Statement(StatementKind::kMacro, at) {}
  MacroBody macro;
  SlotRef slot;
};

struct CallBlock : Statement {  // kCallBlock; kGeneration has no call
  CallBlock(StatementKind what, std::uint32_t at) : Statement(what, at) {}
  std::unique_ptr<Call> call;
  MacroBody macro;
};

struct FilterBlock : Statement {
  explicit FilterBlock(std::uint32_t at) : Statement(StatementKind::kFilterBlock, at) {}
  Escaping escaping = Escaping::kOff;
  ExpressionPtr filter;
  StatementList body;
  ScopePlan scope;
};

struct WithStatement : Statement {
  explicit WithStatement(std::uint32_t at) : Statement(StatementKind::kWith, at) {}
  ExpressionList targets, values;
  StatementList body;
  ScopePlan scope;
};

struct SetStatement : Statement {
  explicit SetStatement(std::uint32_t at) : Statement(StatementKind::kSet, at) {}
  Target target;
  ExpressionPtr value;
};

struct SetBlock : Statement {
  explicit SetBlock(std::uint32_t at) : Statement(StatementKind::kSetBlock, at) {}
  Escaping escaping = Escaping::kOff;
  Target target;
  ExpressionPtr filter;  // may be null
  StatementList body;
  ScopePlan scope;
};

// kScope: an autoescape section. kBlock: a named block, rendered where it stands; it sees the template's outermost variables
// only.
struct ScopeStatement : Statement {
  ScopeStatement(StatementKind what, std::uint32_t at) : Statement(what, at) {}
  ExpressionPtr autoescape;
  StatementList body;
  ScopePlan scope;
};

// A tag that names another template, which there never is.
struct Unavailable : Statement {
  explicit Unavailable(std::uint32_t at) : Statement(StatementKind::kUnavailable, at) {}
  std::string tag;
  ExpressionList operands;
  std::vector<std::unique_ptr<Name>> targets;
};

// Owns the text and the lists of a template's constants, which threads share.
class ConstantPool {
 public:
  ConstantPool() = default;
  ~ConstantPool();
  ConstantPool(const ConstantPool&) = delete;
  ConstantPool& operator=(const ConstantPool&) = delete;

  Value text(std::string bytes);
  Value big_integer(std::string digits);
  // Of values of this pool.
  Value sequence(Kind kind, std::vector<Value> items);
  Value dict(std::unique_ptr<DictObject> members);

 private:
  Value keep(std::string bytes, Kind kind);
  std::vector<std::unique_ptr<TextObject>> texts_;
  // In the order in which they were made: what one holds stands before it.
  std::vector<std::variant<std::unique_ptr<SequenceObject>, std::unique_ptr<DictObject>>> containers_;
};

struct Program {
  std::string source;      // with newlines normalised
  ConstantPool constants;  // outlives the tree below
  StatementList body;
  ScopePlan scope;
  std::size_t slot_count = 0;
  std::vector<std::string> globals;  // names that are looked up in the context

  // How large the last rendering was, for how much room the next one begins with. Only a guess, so threads may share it.
  mutable std::atomic<std::uint32_t> usual_bytes{0};
  mutable std::atomic<std::uint32_t> usual_runs{0};
  void note_size(std::size_t bytes, std::size_t runs) const {
    constexpr std::size_t kMost = std::size_t{1} << 20;
    usual_bytes.store(static_cast<std::uint32_t>(std::min(bytes + 1, kMost)), std::memory_order_relaxed);
    usual_runs.store(static_cast<std::uint32_t>(std::min(runs + 1, kMost / sizeof(Run))), std::memory_order_relaxed);
  }
};

// Throws TemplateException.
std::unique_ptr<const Program> parse_program(std::string_view source);
// The second step of the above.
void resolve_names(Program& program);
// Line and column of a byte offset, both from 1.
std::pair<int, int> position_of(std::string_view source, std::uint32_t offset);

}  // namespace atelier::prompt::jinja
