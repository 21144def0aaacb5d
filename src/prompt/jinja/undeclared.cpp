#include <utility>

#include "prompt/jinja/syntax_walk.h"

namespace atelier::prompt::jinja {
namespace {

class UndeclaredFinder {
 public:
  explicit UndeclaredFinder(std::set<std::string> names) : names_(std::move(names)) {}
  const std::set<std::string>& found() const { return found_; }

  void visit(const Expression& node) {
    if (node.kind == ExpressionKind::kName) {
      const Name& name = static_cast<const Name&>(node);
      if (name.use != Name::Use::kLoad) {
        names_.erase(name.name);
      } else if (names_.contains(name.name)) {
        found_.insert(name.name);
      }
      return;
    }
    for_each_child(node, [&](const Expression& child) { visit(child); });
  }
  void visit(const ExpressionList& list) {
    for (const ExpressionPtr& item : list) visit(*item);
  }
  void visit(const StatementList& body) {
    for (const StatementPtr& statement : body) visit(*statement);
  }
  void visit(const MacroBody& macro) {
    for (const auto& parameter : macro.parameters) visit(*parameter);
    visit(macro.defaults);
    visit(macro.body);
  }
  void visit(const Target& target) {
    if (target.pattern) visit(*target.pattern);
  }

  void visit(const Statement& node) {
    switch (node.kind) {
      case StatementKind::kOutput: visit(static_cast<const Output&>(node).items); return;
      case StatementKind::kFor: {
        const auto& loop = static_cast<const ForStatement&>(node);
        visit(*loop.target);
        visit(*loop.iterable);
        visit(loop.body);
        visit(loop.otherwise);
        if (loop.condition) visit(*loop.condition);
        return;
      }
      case StatementKind::kIf: {
        const auto& branching = static_cast<const IfStatement&>(node);
        for (const IfBranch& branch : branching.branches) {
          visit(*branch.test);
          visit(branch.body);
        }
        visit(branching.otherwise);
        return;
      }
      case StatementKind::kMacro: visit(static_cast<const MacroStatement&>(node).macro); return;
      case StatementKind::kCallBlock: visit(*static_cast<const CallBlock&>(node).call); [[fallthrough]];
      case StatementKind::kGeneration: visit(static_cast<const CallBlock&>(node).macro); return;
      case StatementKind::kFilterBlock:
        visit(static_cast<const FilterBlock&>(node).body);
        visit(*static_cast<const FilterBlock&>(node).filter);
        return;
      case StatementKind::kWith:
        visit(static_cast<const WithStatement&>(node).targets);
        visit(static_cast<const WithStatement&>(node).values);
        visit(static_cast<const WithStatement&>(node).body);
        return;
      case StatementKind::kSet:
        visit(static_cast<const SetStatement&>(node).target);
        visit(*static_cast<const SetStatement&>(node).value);
        return;
      case StatementKind::kSetBlock: {
        const auto& set = static_cast<const SetBlock&>(node);
        visit(set.target);
        if (set.filter) visit(*set.filter);
        visit(set.body);
        return;
      }
      case StatementKind::kScope:
        visit(*static_cast<const ScopeStatement&>(node).autoescape);
        visit(static_cast<const ScopeStatement&>(node).body);
        return;
      case StatementKind::kUnavailable: visit(static_cast<const Unavailable&>(node).operands); return;
      default: return;
    }
  }

 private:
  std::set<std::string> names_;
  std::set<std::string> found_;
};

}  // namespace

std::set<std::string> undeclared_names(const StatementList& body, std::set<std::string> names) {
  UndeclaredFinder finder(std::move(names));
  finder.visit(body);
  return finder.found();
}

}  // namespace atelier::prompt::jinja
