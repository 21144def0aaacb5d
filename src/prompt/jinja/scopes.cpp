// Which variable a name means.
//
// Jinja compiles a template to Python functions and decides before anything runs which Python variable each
// name becomes; what templates can see of scopes follows from that, down to its odd corners, so the same
// analysis is done here (Jinja's idtracking). In short:
//
// - The template, every macro, call block, generation block and recursive loop is a *function*. A loop, with,
//   filter block or set block is a *scope* inside its function.
// - A scope that assigns a name has a variable of its own for it, which starts as the outer scope's variable
//   of that name (kFromOuter), as what the caller gave (kFromContext), or unset. It is lost at the end of the
//   scope: an assignment inside a loop is not seen after it.
// - Names that a scope only reads are the outer scope's. Names that nobody assigns come from the context.
// - `if` is no scope. A name assigned in some of its branches only starts as if it had not been assigned.
//
// A variable is a slot of its function's activation; a scope's plan says how its slots start.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "prompt/jinja/builtins.h"
#include "prompt/jinja/syntax.h"
#include "prompt/jinja/syntax_walk.h"

namespace atelier::prompt::jinja {
namespace {

// One function, and the slots that it has given out so far. Scopes of the same level share the variable of a
// name, as they do in Python.
struct Function {
  const Function* outer = nullptr;
  int nesting = 0;
  std::map<std::pair<std::string, std::string>, std::uint16_t> slots;

  std::uint16_t slot(const std::string& scope_tag, const std::string& name) {
    const auto [it, added] = slots.try_emplace({scope_tag, name}, static_cast<std::uint16_t>(slots.size()));
    if (added && slots.size() > 60000) raise(ErrorKind::kSyntax, "the template has too many variables");
    return it->second;
  }
};

struct Variable {
  const Function* function = nullptr;
  std::uint16_t slot = 0;
  friend bool operator<(const Variable& a, const Variable& b) {
    return std::pair(a.function, a.slot) < std::pair(b.function, b.slot);
  }
};

struct Load {
  enum class Action { kParameter, kFromContext, kFromOuter, kUnset } action = Action::kUnset;
  std::string name;
  Variable outer;
};

struct Symbols {
  Symbols(const Symbols* parent_symbols, Function& owner, std::string scope_tag)
      : parent(parent_symbols), function(&owner), tag(std::move(scope_tag)) {}

  const Symbols* parent;
  Function* function;
  std::string tag;
  std::map<std::string, Variable> refs;
  std::map<Variable, Load> loads;
  std::set<std::string> stores;

  const Variable* find(const std::string& name) const {
    if (const auto it = refs.find(name); it != refs.end()) return &it->second;
    return parent != nullptr ? parent->find(name) : nullptr;
  }

  Variable define(const std::string& name, Load load) {
    const Variable variable{function, function->slot(tag, name)};
    refs[name] = variable;
    loads[variable] = std::move(load);
    return variable;
  }

  void store(const std::string& name) {
    stores.insert(name);
    if (refs.contains(name)) return;
    if (const Variable* outer = parent != nullptr ? parent->find(name) : nullptr) {
      define(name, Load{Load::Action::kFromOuter, {}, *outer});
    } else {
      define(name, Load{Load::Action::kUnset, {}, {}});
    }
  }

  Variable declare_parameter(const std::string& name) {
    stores.insert(name);
    return define(name, Load{Load::Action::kParameter, {}, {}});
  }

  void load(const std::string& name) {
    if (find(name) == nullptr) define(name, Load{Load::Action::kFromContext, name, {}});
  }

  void merge_branches(const std::vector<Symbols>& branches) {
    std::map<std::string, std::size_t> stored_in;
    for (const Symbols& branch : branches) {
      for (const std::string& name : branch.stores) {
        if (!stores.contains(name)) ++stored_in[name];
      }
    }
    for (const Symbols& branch : branches) {
      for (const auto& [name, variable] : branch.refs) refs[name] = variable;
      for (const auto& [variable, load] : branch.loads) loads[variable] = load;
      stores.insert(branch.stores.begin(), branch.stores.end());
    }
    for (const auto& [name, count] : stored_in) {
      if (count == branches.size()) continue;
      const Variable target = *find(name);
      const Variable* outer = parent != nullptr ? parent->find(name) : nullptr;
      loads[target] =
          outer != nullptr ? Load{Load::Action::kFromOuter, {}, *outer} : Load{Load::Action::kFromContext, name, {}};
    }
  }
};

// ---- Which names a scope loads and stores, without going into the scopes inside it

void analyze(Symbols& symbols, const Expression& node, bool as_parameter = false) {
  if (node.kind == ExpressionKind::kName) {
    const Name& name = static_cast<const Name&>(node);
    if (as_parameter || name.use == Name::Use::kParameter) {
      symbols.declare_parameter(name.name);
    } else if (name.use == Name::Use::kStore) {
      symbols.store(name.name);
    } else {
      symbols.load(name.name);
    }
    return;
  }
  for_each_child(node, [&](const Expression& child) { analyze(symbols, child, as_parameter); });
}

void analyze(Symbols& symbols, const Target& target) {
  if (target.space) {
    symbols.load(target.space->name);
  } else {
    analyze(symbols, *target.pattern);
  }
}

void analyze(Symbols& symbols, const StatementList& body);

void analyze(Symbols& symbols, const IfStatement& node) {
  // As Jinja sees it: the first branch, all elif branches one after the other, and the else branch.
  const auto branch = [&](auto visit) {
    Symbols copy = symbols;
    visit(copy);
    return copy;
  };
  analyze(symbols, *node.branches.front().test);
  std::vector<Symbols> branches;
  branches.push_back(branch([&](Symbols& s) { analyze(s, node.branches.front().body); }));
  branches.push_back(branch([&](Symbols& s) {
    for (std::size_t i = 1; i < node.branches.size(); ++i) {
      analyze(s, *node.branches[i].test);
      // An elif is an `if` with one branch.
      std::vector<Symbols> inner(3, s);
      analyze(inner[0], node.branches[i].body);
      s.merge_branches(inner);
    }
  }));
  branches.push_back(branch([&](Symbols& s) { analyze(s, node.otherwise); }));
  symbols.merge_branches(branches);
}

void analyze(Symbols& symbols, const Statement& node) {
  switch (node.kind) {
    case StatementKind::kOutput:
      for (const ExpressionPtr& item : static_cast<const Output&>(node).items) analyze(symbols, *item);
      return;
    case StatementKind::kFor: analyze(symbols, *static_cast<const ForStatement&>(node).iterable); return;
    case StatementKind::kIf: analyze(symbols, static_cast<const IfStatement&>(node)); return;
    case StatementKind::kMacro: symbols.store(static_cast<const MacroStatement&>(node).macro.name); return;
    case StatementKind::kCallBlock: analyze(symbols, *static_cast<const CallBlock&>(node).call); return;
    case StatementKind::kFilterBlock: analyze(symbols, *static_cast<const FilterBlock&>(node).filter); return;
    case StatementKind::kWith:
      for (const ExpressionPtr& value : static_cast<const WithStatement&>(node).values) analyze(symbols, *value);
      return;
    case StatementKind::kSet: {
      const auto& set = static_cast<const SetStatement&>(node);
      analyze(symbols, *set.value);
      analyze(symbols, set.target);
      return;
    }
    case StatementKind::kSetBlock: analyze(symbols, static_cast<const SetBlock&>(node).target); return;
    case StatementKind::kUnavailable: {
      const auto& unavailable = static_cast<const Unavailable&>(node);
      for (const ExpressionPtr& operand : unavailable.operands) analyze(symbols, *operand);
      for (const auto& target : unavailable.targets) symbols.store(target->name);
      return;
    }
    case StatementKind::kGeneration:
    case StatementKind::kScope:
    case StatementKind::kBlock:
    case StatementKind::kExpression:
    case StatementKind::kBreak:
    case StatementKind::kContinue: return;
  }
}

void analyze(Symbols& symbols, const StatementList& body) {
  for (const StatementPtr& statement : body) analyze(symbols, *statement);
}

// ---- Giving every name its slot

class Resolver {
 public:
  explicit Resolver(Program& program) : program_(program) {}

  void run() {
    Function root;
    Symbols symbols(nullptr, root, "0");
    analyze(symbols, program_.body);
    root_symbols_ = &symbols;
    const Scope scope{&symbols, &root, false, 0};
    statements(program_.body, scope);
    program_.scope = plan(symbols);
    program_.slot_count = root.slots.size();
    root_symbols_ = nullptr;
  }

 private:
  struct Scope {
    const Symbols* symbols;
    Function* function;
    bool conditional;  // inside if: a missing filter is reported only when it is reached
    int level;
  };

  [[noreturn]] void fail(std::string message, std::uint32_t offset) const {
    const auto [line, column] = position_of(program_.source, offset);
    throw TemplateException(ErrorKind::kSyntax, std::move(message), line, column);
  }

  std::uint32_t global(const std::string& name) {
    const auto [it, added] = global_index_.try_emplace(name, static_cast<std::uint32_t>(program_.globals.size()));
    if (added) program_.globals.push_back(name);
    return it->second;
  }

  static SlotRef reference(const Variable& variable, const Function* from) {
    return SlotRef{static_cast<std::uint16_t>(from->nesting - variable.function->nesting), variable.slot};
  }

  ScopePlan plan(const Symbols& symbols) {
    ScopePlan result;
    for (const auto& [variable, load] : symbols.loads) {
      ScopeEntry entry;
      entry.slot = variable.slot;
      switch (load.action) {
        case Load::Action::kParameter: continue;
        case Load::Action::kFromContext:
          entry.action = ScopeEntry::Action::kFromContext;
          entry.global = global(load.name);
          break;
        case Load::Action::kFromOuter:
          entry.action = ScopeEntry::Action::kFromOuter;
          entry.outer = reference(load.outer, symbols.function);
          break;
        case Load::Action::kUnset: entry.action = ScopeEntry::Action::kUnset; break;
      }
      result.push_back(entry);
    }
    return result;
  }

  // The plan of a scope inside a function, and a scope to go on with.
  Symbols inner(const Scope& scope, std::string_view tag_suffix = {}) const {
    return Symbols(scope.symbols, *scope.function, std::to_string(scope.level + 1) + std::string(tag_suffix));
  }
  static Scope entered(const Scope& scope, const Symbols& symbols) {
    return Scope{&symbols, scope.function, false, scope.level + 1};
  }

  void expression(Expression& node, const Scope& scope) {
    Scope inside = scope;
    switch (node.kind) {
      case ExpressionKind::kName: {
        Name& name = static_cast<Name&>(node);
        const Variable* variable = scope.symbols->find(name.name);
        if (variable == nullptr) {
          // Only the arguments of a set block's filter are outside of what the analysis saw.
          fail("the name '" + name.name + "' cannot be used here; assign it to a variable first", name.offset);
        }
        name.slot = reference(*variable, scope.function);
        return;
      }
      case ExpressionKind::kFilter: {
        const auto& filter = static_cast<const FilterCall&>(node);
        if (filter.filter == nullptr && !scope.conditional) fail(unknown_filter(filter.name), node.offset);
        break;
      }
      case ExpressionKind::kTest: {
        const auto& test = static_cast<const TestCall&>(node);
        if (test.test == nullptr && !scope.conditional) fail(unknown_test(test.name), node.offset);
        break;
      }
      case ExpressionKind::kConditional: inside.conditional = true; break;
      default: break;
    }
    for_each_child(node, [&](const Expression& child) { expression(const_cast<Expression&>(child), inside); });
  }
  void expressions(ExpressionList& list, const Scope& scope) {
    for (ExpressionPtr& item : list) expression(*item, scope);
  }
  void statements(StatementList& body, const Scope& scope) {
    for (StatementPtr& statement : body) resolve(*statement, scope);
  }
  void target(Target& node, const Scope& scope) { expression(node.space ? *node.space : *node.pattern, scope); }

  void resolve(Statement& node, const Scope& scope) {
    switch (node.kind) {
      case StatementKind::kOutput: expressions(static_cast<Output&>(node).items, scope); return;
      case StatementKind::kFor: loop(static_cast<ForStatement&>(node), scope); return;
      case StatementKind::kIf: branching(static_cast<IfStatement&>(node), scope); return;
      case StatementKind::kMacro: {
        auto& statement = static_cast<MacroStatement&>(node);
        macro(statement.macro, scope);
        statement.slot = reference(*scope.symbols->find(statement.macro.name), scope.function);
        return;
      }
      case StatementKind::kCallBlock: expression(*static_cast<CallBlock&>(node).call, scope); [[fallthrough]];
      case StatementKind::kGeneration: macro(static_cast<CallBlock&>(node).macro, scope); return;
      case StatementKind::kFilterBlock: filter_block(static_cast<FilterBlock&>(node), scope); return;
      case StatementKind::kWith: with(static_cast<WithStatement&>(node), scope); return;
      case StatementKind::kSet:
        expression(*static_cast<SetStatement&>(node).value, scope);
        target(static_cast<SetStatement&>(node).target, scope);
        return;
      case StatementKind::kSetBlock: set_block(static_cast<SetBlock&>(node), scope); return;
      case StatementKind::kScope: section(static_cast<ScopeStatement&>(node), scope); return;
      case StatementKind::kBlock: block(static_cast<ScopeStatement&>(node), scope); return;
      case StatementKind::kUnavailable: expressions(static_cast<Unavailable&>(node).operands, scope); return;
      case StatementKind::kExpression:
      case StatementKind::kBreak:
      case StatementKind::kContinue: return;
    }
  }

  void branching(IfStatement& node, Scope scope) {
    scope.conditional = true;
    for (IfBranch& branch : node.branches) {
      expression(*branch.test, scope);
      statements(branch.body, scope);
    }
    statements(node.otherwise, scope);
  }

  void loop(ForStatement& node, const Scope& scope) {
    node.uses_loop = node.recursive || !undeclared_names(node.body, {"loop"}).empty();

    Function own;
    Scope outside = scope;
    if (node.recursive) {
      own.outer = scope.function;
      own.nesting = scope.function->nesting + 1;
      outside.function = &own;
    }
    expression(*node.iterable, scope);
    if (node.condition) condition(node, outside);

    Symbols body_symbols = inner(outside);
    if (node.uses_loop) node.loop_slot = reference(body_symbols.declare_parameter("loop"), outside.function);
    analyze(body_symbols, *node.target, true);
    analyze(body_symbols, node.body);
    const Scope body_scope = entered(outside, body_symbols);
    ++loop_nesting_;
    if (loop_nesting_ > 20) fail("loops nest too deeply", node.offset);
    expression(*node.target, body_scope);
    statements(node.body, body_scope);
    --loop_nesting_;
    node.body_scope = plan(body_symbols);

    Symbols otherwise_symbols = inner(outside);
    analyze(otherwise_symbols, node.otherwise);
    statements(node.otherwise, entered(outside, otherwise_symbols));
    node.otherwise_scope = plan(otherwise_symbols);
    node.slot_count = own.slots.size();
  }

  // The condition of a loop is tried on elements ahead of the body, so it has variables of its own.
  void condition(ForStatement& node, const Scope& scope) {
    Symbols symbols = inner(scope, "?" + std::to_string(node.offset));
    analyze(symbols, *node.target, true);
    analyze(symbols, *node.condition);
    const Scope condition_scope = entered(scope, symbols);
    node.condition_target = copy_pattern(*node.target);
    expression(*node.condition_target, condition_scope);
    expression(*node.condition, condition_scope);
    node.condition_scope = plan(symbols);
  }

  static ExpressionPtr copy_pattern(const Expression& pattern) {
    if (pattern.kind == ExpressionKind::kName) {
      const Name& name = static_cast<const Name&>(pattern);
      return std::make_unique<Name>(name.offset, name.name, name.use);
    }
    auto copy = std::make_unique<Sequence>(ExpressionKind::kTuple, pattern.offset);
    for (const ExpressionPtr& item : static_cast<const Sequence&>(pattern).items) {
      copy->items.push_back(copy_pattern(*item));
    }
    return copy;
  }

  void macro(MacroBody& node, const Scope& scope) {
    Function own;
    own.outer = scope.function;
    own.nesting = scope.function->nesting + 1;
    if (own.nesting > 60) fail("macros nest too deeply", node.offset);
    Symbols symbols(scope.symbols, own, std::to_string(scope.level + 1));
    const auto analyze_all = [&] {
      for (const auto& parameter : node.parameters) analyze(symbols, *parameter);
      for (const ExpressionPtr& value : node.defaults) analyze(symbols, *value);
      analyze(symbols, node.body);
    };
    analyze_all();
    const std::set<std::string> undeclared = undeclared_names(node.body, {"caller", "kwargs", "varargs"});
    const auto has_parameter = [&](std::string_view name) {
      return std::any_of(node.parameters.begin(), node.parameters.end(),
                         [&](const auto& p) { return p->name == name; });
    };
    const auto declare = [&](const char* name, bool& used, SlotRef& slot) {
      if (!undeclared.contains(name) || has_parameter(name)) return;
      used = true;
      slot = reference(symbols.declare_parameter(name), &own);
    };
    node.explicit_caller = has_parameter("caller");
    if (node.explicit_caller && undeclared.contains("caller")) check_caller_default(node);
    declare("caller", node.uses_caller, node.caller_slot);
    declare("kwargs", node.uses_kwargs, node.kwargs_slot);
    declare("varargs", node.uses_varargs, node.varargs_slot);
    analyze_all();

    const Scope body{&symbols, &own, false, scope.level + 1};
    const int loops = std::exchange(loop_nesting_, 0);
    for (auto& parameter : node.parameters) expression(*parameter, body);
    expressions(node.defaults, body);
    statements(node.body, body);
    loop_nesting_ = loops;
    node.scope = plan(symbols);
    node.slot_count = own.slots.size();
  }

  void check_caller_default(const MacroBody& node) const {
    const std::size_t without = node.parameters.size() - node.defaults.size();
    for (std::size_t i = 0; i < without; ++i) {
      if (node.parameters[i]->name == "caller") fail("the parameter 'caller' must have a default", node.offset);
    }
  }

  void filter_block(FilterBlock& node, const Scope& scope) {
    Symbols symbols = inner(scope);
    analyze(symbols, node.body);
    analyze(symbols, *node.filter);
    const Scope inside = entered(scope, symbols);
    statements(node.body, inside);
    expression(*node.filter, inside);
    node.scope = plan(symbols);
  }

  void with(WithStatement& node, const Scope& scope) {
    expressions(node.values, scope);
    Symbols symbols = inner(scope);
    for (const ExpressionPtr& item : node.targets) analyze(symbols, *item);
    analyze(symbols, node.body);
    const Scope inside = entered(scope, symbols);
    expressions(node.targets, inside);
    statements(node.body, inside);
    node.scope = plan(symbols);
  }

  void set_block(SetBlock& node, const Scope& scope) {
    target(node.target, scope);
    Symbols symbols = inner(scope);
    analyze(symbols, node.body);
    const Scope inside = entered(scope, symbols);
    statements(node.body, inside);
    if (node.filter) expression(*node.filter, inside);
    node.scope = plan(symbols);
  }

  void section(ScopeStatement& node, const Scope& scope) {
    Symbols symbols = inner(scope);
    analyze(symbols, *node.autoescape);
    analyze(symbols, node.body);
    const Scope inside = entered(scope, symbols);
    expression(*node.autoescape, inside);
    statements(node.body, inside);
    node.scope = plan(symbols);
  }

  // A named block knows the outermost variables, whatever stands around it.
  void block(ScopeStatement& node, const Scope& scope) {
    Symbols symbols(root_symbols_, *scope.function, "block " + std::to_string(node.offset));
    analyze(symbols, node.body);
    const Scope inside{&symbols, scope.function, false, scope.level + 1};
    statements(node.body, inside);
    node.scope = plan(symbols);
  }

  Program& program_;
  std::map<std::string, std::uint32_t> global_index_;
  const Symbols* root_symbols_ = nullptr;
  int loop_nesting_ = 0;
};

}  // namespace

void resolve_names(Program& program) { Resolver(program).run(); }

}  // namespace atelier::prompt::jinja
