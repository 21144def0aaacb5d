#include <algorithm>
#include <utility>

#include "prompt/jinja/builtins.h"
#include "prompt/jinja/parser.h"

namespace atelier::prompt::jinja {
namespace {

ExpressionKind operation_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::kAdd: return ExpressionKind::kAdd;
    case TokenKind::kSub: return ExpressionKind::kSubtract;
    case TokenKind::kMul: return ExpressionKind::kMultiply;
    case TokenKind::kDiv: return ExpressionKind::kDivide;
    case TokenKind::kFloorDiv: return ExpressionKind::kFloorDivide;
    case TokenKind::kMod: return ExpressionKind::kModulo;
    default: return ExpressionKind::kPower;
  }
}

bool comparison_of(TokenKind kind, Comparison& comparison) {
  switch (kind) {
    case TokenKind::kEqual: comparison = Comparison::kEqual; return true;
    case TokenKind::kNotEqual: comparison = Comparison::kNotEqual; return true;
    case TokenKind::kLess: comparison = Comparison::kLess; return true;
    case TokenKind::kLessEqual: comparison = Comparison::kLessEqual; return true;
    case TokenKind::kGreater: comparison = Comparison::kGreater; return true;
    case TokenKind::kGreaterEqual: comparison = Comparison::kGreaterEqual; return true;
    default: return false;
  }
}

}  // namespace

ExpressionPtr Parser::parse_expression(bool with_condition) {
  const Nesting nesting(*this);
  return with_condition ? parse_conditional() : parse_or();
}

ExpressionPtr Parser::parse_conditional() {
  ExpressionPtr value = parse_or();
  while (at_name("if")) {
    auto node = std::make_unique<Conditional>(advance().offset);
    const Nesting nesting(*this);
    node->then = std::move(value);
    node->test = parse_or();
    int depth = std::max(node->then->depth, node->test->depth);
    if (skip_name("else")) {
      node->otherwise = parse_conditional();
      depth = std::max(depth, node->otherwise->depth);
    }
    value = deepened(std::move(node), depth);
  }
  return value;
}

ExpressionPtr Parser::parse_or() {
  ExpressionPtr left = parse_and();
  while (at_name("or")) {
    auto node = std::make_unique<Binary>(ExpressionKind::kOr, advance().offset);
    node->left = std::move(left);
    node->right = parse_and();
    const int depth = std::max(node->left->depth, node->right->depth);
    left = deepened(std::move(node), depth);
  }
  return left;
}

ExpressionPtr Parser::parse_and() {
  ExpressionPtr left = parse_not();
  while (at_name("and")) {
    auto node = std::make_unique<Binary>(ExpressionKind::kAnd, advance().offset);
    node->left = std::move(left);
    node->right = parse_not();
    const int depth = std::max(node->left->depth, node->right->depth);
    left = deepened(std::move(node), depth);
  }
  return left;
}

ExpressionPtr Parser::parse_not() {
  if (!at_name("not")) return parse_compare();
  const Nesting nesting(*this);
  auto node = std::make_unique<Unary>(ExpressionKind::kNot, advance().offset);
  node->operand = parse_not();
  const int depth = node->operand->depth;
  return deepened(std::move(node), depth);
}

ExpressionPtr Parser::parse_compare() {
  ExpressionPtr first = parse_sum();
  std::unique_ptr<Compare> node;
  int depth = first->depth;
  while (true) {
    const std::uint32_t offset = current().offset;
    Comparison comparison;
    if (comparison_of(current().kind, comparison)) {
      advance();
    } else if (at_name("in")) {
      advance();
      comparison = Comparison::kIn;
    } else if (at_name("not") && look().kind == TokenKind::kName && look().text == "in") {
      advance();
      advance();
      comparison = Comparison::kNotIn;
    } else {
      break;
    }
    if (!node) node = std::make_unique<Compare>(offset);
    ExpressionPtr operand = parse_sum();
    depth = std::max(depth, operand->depth);
    node->rest.emplace_back(comparison, std::move(operand));
  }
  if (!node) return first;
  node->first = std::move(first);
  return deepened(std::move(node), depth);
}

ExpressionPtr Parser::parse_sum() {
  ExpressionPtr left = parse_concat();
  while (at(TokenKind::kAdd) || at(TokenKind::kSub)) {
    const ExpressionKind kind = operation_of(current().kind);
    auto node = std::make_unique<Binary>(kind, advance().offset);
    node->left = std::move(left);
    node->right = parse_concat();
    const int depth = std::max(node->left->depth, node->right->depth);
    left = deepened(std::move(node), depth);
  }
  if (left->kind == ExpressionKind::kAdd) {
    auto& sum = static_cast<Binary&>(*left);
    if (!sum.additions.empty()) return left;  // a sum in brackets, which has been here before
    const Expression* part = &sum;
    for (; part->kind == ExpressionKind::kAdd; part = static_cast<const Binary&>(*part).left.get()) {
      sum.additions.push_back(static_cast<const Binary*>(part));
    }
    std::reverse(sum.additions.begin(), sum.additions.end());
  }
  return left;
}

ExpressionPtr Parser::parse_concat() {
  ExpressionPtr first = parse_product();
  if (!at(TokenKind::kTilde)) return first;
  auto node = std::make_unique<Concat>(current().offset);
  node->escaping = escaping_;
  int depth = first->depth;
  node->items.push_back(std::move(first));
  while (skip(TokenKind::kTilde)) {
    node->items.push_back(parse_product());
    depth = std::max(depth, node->items.back()->depth);
  }
  return deepened(std::move(node), depth);
}

ExpressionPtr Parser::parse_product() {
  ExpressionPtr left = parse_power();
  while (at(TokenKind::kMul) || at(TokenKind::kDiv) || at(TokenKind::kFloorDiv) || at(TokenKind::kMod)) {
    const ExpressionKind kind = operation_of(current().kind);
    auto node = std::make_unique<Binary>(kind, advance().offset);
    node->left = std::move(left);
    node->right = parse_power();
    const int depth = std::max(node->left->depth, node->right->depth);
    left = deepened(std::move(node), depth);
  }
  return left;
}

// To the left, unlike Python's: 2 ** 3 ** 2 is 64.
ExpressionPtr Parser::parse_power() {
  ExpressionPtr left = parse_unary();
  while (at(TokenKind::kPow)) {
    auto node = std::make_unique<Binary>(ExpressionKind::kPower, advance().offset);
    node->left = std::move(left);
    node->right = parse_unary();
    const int depth = std::max(node->left->depth, node->right->depth);
    left = deepened(std::move(node), depth);
  }
  return left;
}

ExpressionPtr Parser::parse_unary(bool with_filter) {
  ExpressionPtr node;
  if (at(TokenKind::kSub) || at(TokenKind::kAdd)) {
    const Nesting nesting(*this);
    const ExpressionKind kind = at(TokenKind::kSub) ? ExpressionKind::kNegative : ExpressionKind::kPositive;
    auto unary = std::make_unique<Unary>(kind, advance().offset);
    unary->operand = parse_unary(false);
    const int depth = unary->operand->depth;
    node = deepened(std::move(unary), depth);
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filters_and_tests(std::move(node)) : std::move(node);
}

ExpressionPtr Parser::parse_primary() {
  const Token& token = current();
  switch (token.kind) {
    case TokenKind::kName: {
      advance();
      if (token.text == "true" || token.text == "True") {
        return std::make_unique<Constant>(token.offset, Value::boolean(true));
      }
      if (token.text == "false" || token.text == "False") {
        return std::make_unique<Constant>(token.offset, Value::boolean(false));
      }
      if (token.text == "none" || token.text == "None") return std::make_unique<Constant>(token.offset, Value::none());
      auto name = std::make_unique<Name>(token.offset, token.text, Name::Use::kLoad);
      name->name_text = constants_.text(token.text);
      return name;
    }
    case TokenKind::kString: {
      std::string text;
      while (at(TokenKind::kString)) text += advance().text;
      return std::make_unique<Constant>(token.offset, constants_.text(std::move(text)));
    }
    case TokenKind::kInteger: advance(); return std::make_unique<Constant>(token.offset, Value::integer(token.integer));
    case TokenKind::kBigInteger:
      advance();
      return std::make_unique<Constant>(token.offset, constants_.big_integer(token.text));
    case TokenKind::kFloat: advance(); return std::make_unique<Constant>(token.offset, Value::real(token.real));
    case TokenKind::kLeftParen: {
      advance();
      ExpressionPtr node = parse_tuple(false, true, true);
      expect(TokenKind::kRightParen);
      return node;
    }
    case TokenKind::kLeftBracket: return parse_list();
    case TokenKind::kLeftBrace: return parse_dict();
    default: fail_here("expected an expression, found " + describe(token));
  }
}

// No name ends a tuple: Jinja means 'in' and 'recursive' to, but looks for them in vain. So {% for in in x %} is a loop.
bool Parser::at_tuple_end() const {
  return at(TokenKind::kVariableEnd) || at(TokenKind::kBlockEnd) || at(TokenKind::kRightParen);
}

ExpressionPtr Parser::parse_tuple(bool simplified, bool with_condition, bool in_parentheses) {
  const std::uint32_t offset = current().offset;
  ExpressionList items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) expect(TokenKind::kComma);
    if (at_tuple_end()) break;
    if (simplified) {
      const Nesting nesting(*this);
      items.push_back(parse_primary());
    } else {
      items.push_back(parse_expression(with_condition));
    }
    if (!at(TokenKind::kComma)) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items.front());
    if (!in_parentheses) fail_here("expected an expression, found " + describe(current()));
  }
  auto tuple = std::make_unique<Sequence>(ExpressionKind::kTuple, offset);
  int depth = 0;
  for (const ExpressionPtr& item : items) depth = std::max(depth, item->depth);
  tuple->items = std::move(items);
  if (ExpressionPtr constant = folded(*tuple)) return constant;
  return deepened(std::move(tuple), depth);
}

// A list or tuple of constants is made once.
ExpressionPtr Parser::folded(const Sequence& literal) {
  std::vector<Value> items;
  items.reserve(literal.items.size());
  for (const ExpressionPtr& item : literal.items) {
    if (item->kind != ExpressionKind::kConstant) return nullptr;
    items.push_back(static_cast<const Constant&>(*item).value);
  }
  const Kind kind = literal.kind == ExpressionKind::kList ? Kind::kList : Kind::kTuple;
  return std::make_unique<Constant>(literal.offset, constants_.sequence(kind, std::move(items)));
}

ExpressionPtr Parser::folded(const Dict& literal) {
  auto dict = std::make_unique<DictObject>();
  for (const auto& [key, value] : literal.items) {
    if (key->kind != ExpressionKind::kConstant || value->kind != ExpressionKind::kConstant) return nullptr;
    const Value& name = static_cast<const Constant&>(*key).value;
    if (!hashable(name)) return nullptr;  // which is an error when it is reached
    dict->set(name, static_cast<const Constant&>(*value).value);
  }
  return std::make_unique<Constant>(literal.offset, constants_.dict(std::move(dict)));
}

ExpressionPtr Parser::parse_list() {
  auto list = std::make_unique<Sequence>(ExpressionKind::kList, expect(TokenKind::kLeftBracket).offset);
  int depth = 0;
  while (!at(TokenKind::kRightBracket)) {
    if (!list->items.empty()) expect(TokenKind::kComma);
    if (at(TokenKind::kRightBracket)) break;
    list->items.push_back(parse_expression());
    depth = std::max(depth, list->items.back()->depth);
  }
  advance();
  if (ExpressionPtr constant = folded(*list)) return constant;
  return deepened(std::move(list), depth);
}

ExpressionPtr Parser::parse_dict() {
  auto dict = std::make_unique<Dict>(expect(TokenKind::kLeftBrace).offset);
  int depth = 0;
  while (!at(TokenKind::kRightBrace)) {
    if (!dict->items.empty()) expect(TokenKind::kComma);
    if (at(TokenKind::kRightBrace)) break;
    ExpressionPtr key = parse_expression();
    expect(TokenKind::kColon);
    ExpressionPtr value = parse_expression();
    depth = std::max({depth, key->depth, value->depth});
    dict->items.emplace_back(std::move(key), std::move(value));
  }
  advance();
  if (ExpressionPtr constant = folded(*dict)) return constant;
  return deepened(std::move(dict), depth);
}

ExpressionPtr Parser::parse_postfix(ExpressionPtr node) {
  while (true) {
    if (at(TokenKind::kDot) || at(TokenKind::kLeftBracket)) {
      node = parse_subscript(std::move(node));
    } else if (at(TokenKind::kLeftParen)) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr Parser::parse_filters_and_tests(ExpressionPtr node) {
  while (true) {
    if (at(TokenKind::kPipe)) {
      node = parse_filter(std::move(node), false);
    } else if (at_name("is")) {
      node = parse_test(std::move(node));
    } else if (at(TokenKind::kLeftParen)) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

namespace {

// No attribute of a dictionary that a template can reach has that name.
bool means_only_members(std::string_view name) {
  return method_named(name) == Method::kNone && !name.starts_with("__");
}

}  // namespace

ExpressionPtr Parser::attribute(std::uint32_t offset, ExpressionPtr object, const std::string& name) {
  auto node = std::make_unique<Attribute>(offset);
  const int depth = object->depth;
  node->object = std::move(object);
  node->name = constants_.text(name);
  node->method = method_named(name);
  node->loop_member = loop_member_named(name);
  if (means_only_members(name)) node->member.emplace(text_view(node->name));
  return deepened(std::move(node), depth);
}

ExpressionPtr Parser::parse_subscript(ExpressionPtr node) {
  const Token& token = advance();
  const int object_depth = node->depth;
  if (token.kind == TokenKind::kDot) {
    const Token& name = advance();
    if (name.kind == TokenKind::kName) return attribute(name.offset, std::move(node), name.text);
    if (name.kind != TokenKind::kInteger) fail("expected a name or a number after '.'", name.offset);
    auto subscript = std::make_unique<Subscript>(token.offset);
    subscript->object = std::move(node);
    subscript->index = std::make_unique<Constant>(name.offset, Value::integer(name.integer));
    return deepened(std::move(subscript), object_depth);
  }
  auto subscript = std::make_unique<Subscript>(token.offset);
  ExpressionList indices;
  int depth = object_depth;
  while (!at(TokenKind::kRightBracket)) {
    if (!indices.empty()) expect(TokenKind::kComma);
    indices.push_back(parse_subscript_index());
    depth = std::max(depth, indices.back()->depth);
  }
  advance();
  subscript->object = std::move(node);
  if (indices.size() == 1) {
    subscript->index = std::move(indices.front());
    if (subscript->index->kind == ExpressionKind::kConstant) {
      if (const Value& key = static_cast<const Constant&>(*subscript->index).value; key.is_text()) {
        subscript->member.emplace(text_view(key));
        subscript->is_only_member = means_only_members(text_view(key));
      }
    }
  } else {
    for (const ExpressionPtr& index : indices) {
      if (index->kind == ExpressionKind::kSlice) fail("a slice cannot be one of several indices", index->offset);
    }
    auto tuple = std::make_unique<Sequence>(ExpressionKind::kTuple, token.offset);
    tuple->items = std::move(indices);
    subscript->index = deepened(std::move(tuple), depth);
    ++depth;
  }
  return deepened(std::move(subscript), depth);
}

ExpressionPtr Parser::parse_subscript_index() {
  const std::uint32_t offset = current().offset;
  ExpressionPtr start;
  if (!at(TokenKind::kColon)) {
    start = parse_expression();
    if (!at(TokenKind::kColon)) return start;
  }
  advance();
  auto slice = std::make_unique<Slice>(offset);
  const auto at_end = [&] { return at(TokenKind::kRightBracket) || at(TokenKind::kComma); };
  int depth = start ? start->depth : 0;
  slice->start = std::move(start);
  if (!at(TokenKind::kColon) && !at_end()) {
    slice->stop = parse_expression();
    depth = std::max(depth, slice->stop->depth);
  }
  if (skip(TokenKind::kColon) && !at_end()) {
    slice->step = parse_expression();
    depth = std::max(depth, slice->step->depth);
  }
  return deepened(std::move(slice), depth);
}

CallArguments Parser::parse_arguments(int& depth) {
  const std::uint32_t offset = expect(TokenKind::kLeftParen).offset;
  CallArguments arguments;
  const auto ensure = [&](bool fine) {
    if (!fine) fail("the arguments of this call are in an order that is not allowed", offset);
  };
  const auto expression = [&] {
    ExpressionPtr node = parse_expression();
    depth = std::max(depth, node->depth);
    return node;
  };
  bool first = true;
  while (!at(TokenKind::kRightParen)) {
    if (!std::exchange(first, false)) {
      expect(TokenKind::kComma);
      if (at(TokenKind::kRightParen)) break;
    }
    if (skip(TokenKind::kMul)) {
      ensure(!arguments.more_positional && !arguments.more_named);
      arguments.more_positional = expression();
    } else if (skip(TokenKind::kPow)) {
      ensure(!arguments.more_named);
      arguments.more_named = expression();
    } else if (at(TokenKind::kName) && look().kind == TokenKind::kAssign) {
      ensure(!arguments.more_named);
      const Token& key = advance();
      advance();
      for (const auto& [name, value] : arguments.named) {
        if (text_view(name) == key.text) fail("the argument '" + key.text + "' is given twice", key.offset);
      }
      arguments.named.emplace_back(constants_.text(key.text), nullptr);
      arguments.named.back().second = expression();
    } else {
      ensure(!arguments.more_positional && !arguments.more_named && arguments.named.empty());
      arguments.positional.push_back(expression());
    }
  }
  advance();
  return arguments;
}

ExpressionPtr Parser::parse_call(ExpressionPtr callee) {
  auto node = std::make_unique<Call>(current().offset);
  int depth = callee->depth;
  node->callee = std::move(callee);
  node->arguments = parse_arguments(depth);
  return deepened(std::move(node), depth);
}

std::string Parser::parse_dotted_name() {
  std::string name = expect(TokenKind::kName).text;
  while (skip(TokenKind::kDot)) name += "." + expect(TokenKind::kName).text;
  return name;
}

// One filter after the other. Without an input the first one's input is the text of a block.
ExpressionPtr Parser::parse_filter(ExpressionPtr input, bool inline_start) {
  while (at(TokenKind::kPipe) || inline_start) {
    if (!std::exchange(inline_start, false)) advance();
    auto node = std::make_unique<FilterCall>(current().offset);
    node->name = parse_dotted_name();
    node->filter = find_filter(node->name);
    int depth = input ? input->depth : 0;
    node->input = std::move(input);
    if (at(TokenKind::kLeftParen)) node->arguments = parse_arguments(depth);
    input = deepened(std::move(node), depth);
  }
  return input;
}

ExpressionPtr Parser::parse_test(ExpressionPtr input) {
  const std::uint32_t offset = advance().offset;
  const bool negated = skip_name("not");
  auto node = std::make_unique<TestCall>(current().offset);
  node->name = parse_dotted_name();
  node->test = find_test(node->name);
  int depth = input->depth;
  node->input = std::move(input);
  const bool operand_follows = at(TokenKind::kName) || at(TokenKind::kString) || at(TokenKind::kInteger) ||
                               at(TokenKind::kBigInteger) || at(TokenKind::kFloat) || at(TokenKind::kLeftBracket) ||
                               at(TokenKind::kLeftBrace);
  if (at(TokenKind::kLeftParen)) {
    node->arguments = parse_arguments(depth);
  } else if (operand_follows && !at_name("else") && !at_name("or") && !at_name("and")) {
    if (at_name("is")) fail_here("tests cannot be chained with 'is'");
    const Nesting nesting(*this);
    ExpressionPtr operand = parse_postfix(parse_primary());
    depth = std::max(depth, operand->depth);
    node->arguments.positional.push_back(std::move(operand));
  }
  ExpressionPtr result = deepened(std::move(node), depth);
  if (!negated) return result;
  auto negation = std::make_unique<Unary>(ExpressionKind::kNot, offset);
  const int result_depth = result->depth;
  negation->operand = std::move(result);
  return deepened(std::move(negation), result_depth);
}

}  // namespace atelier::prompt::jinja
