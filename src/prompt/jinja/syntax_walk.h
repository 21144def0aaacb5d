// Going through a tree without knowing every kind of node.
#pragma once

#include <set>
#include <string>

#include "prompt/jinja/syntax.h"

namespace atelier::prompt::jinja {

// Calls use(child) for the expressions directly inside one.
template <class Use>
void for_each_child(const Expression& node, Use use) {
  const auto each = [&](const ExpressionPtr& child) {
    if (child) use(*child);
  };
  const auto arguments = [&](const CallArguments& list) {
    for (const ExpressionPtr& argument : list.positional) each(argument);
    for (const auto& [name, argument] : list.named) each(argument);
    each(list.more_positional);
    each(list.more_named);
  };
  switch (node.kind) {
    case ExpressionKind::kConstant:
    case ExpressionKind::kName: return;
    case ExpressionKind::kTuple:
    case ExpressionKind::kList:
      for (const ExpressionPtr& item : static_cast<const Sequence&>(node).items) each(item);
      return;
    case ExpressionKind::kDict:
      for (const auto& [key, value] : static_cast<const Dict&>(node).items) {
        each(key);
        each(value);
      }
      return;
    case ExpressionKind::kConditional: {
      const auto& conditional = static_cast<const Conditional&>(node);
      each(conditional.test);
      each(conditional.then);
      each(conditional.otherwise);
      return;
    }
    case ExpressionKind::kNot:
    case ExpressionKind::kNegative:
    case ExpressionKind::kPositive: each(static_cast<const Unary&>(node).operand); return;
    case ExpressionKind::kCompare: {
      const auto& compare = static_cast<const Compare&>(node);
      each(compare.first);
      for (const auto& [comparison, operand] : compare.rest) each(operand);
      return;
    }
    case ExpressionKind::kConcat:
      for (const ExpressionPtr& item : static_cast<const Concat&>(node).items) each(item);
      return;
    case ExpressionKind::kAttribute: each(static_cast<const Attribute&>(node).object); return;
    case ExpressionKind::kSubscript:
      each(static_cast<const Subscript&>(node).object);
      each(static_cast<const Subscript&>(node).index);
      return;
    case ExpressionKind::kSlice: {
      const auto& slice = static_cast<const Slice&>(node);
      each(slice.start);
      each(slice.stop);
      each(slice.step);
      return;
    }
    case ExpressionKind::kCall:
      each(static_cast<const Call&>(node).callee);
      arguments(static_cast<const Call&>(node).arguments);
      return;
    case ExpressionKind::kFilter:
      each(static_cast<const FilterCall&>(node).input);
      arguments(static_cast<const FilterCall&>(node).arguments);
      return;
    case ExpressionKind::kTest:
      each(static_cast<const TestCall&>(node).input);
      arguments(static_cast<const TestCall&>(node).arguments);
      return;
    default:  // the binary ones
      each(static_cast<const Binary&>(node).left);
      each(static_cast<const Binary&>(node).right);
      return;
  }
}

// Which of these names a body uses without having assigned them before, in the order of the text. Macros and
// blocks inside count as if they stood there.
std::set<std::string> undeclared_names(const StatementList& body, std::set<std::string> names);

}  // namespace atelier::prompt::jinja
