// Tokens to tree, by the grammar of Jinja 3.1 with its loop controls and the generation tag of chat templates.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "prompt/jinja/lexer.h"
#include "prompt/jinja/syntax.h"

namespace atelier::prompt::jinja {

class Parser {
 public:
  Parser(std::string_view source, std::vector<Token> tokens, ConstantPool& constants)
      : source_(source), tokens_(std::move(tokens)), constants_(constants) {}

  StatementList parse_template();

 private:
  using Names = std::initializer_list<std::string_view>;

  // Tokens.
  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& advance();
  bool at(TokenKind kind) const { return current().kind == kind; }
  bool at_name(std::string_view name) const { return at(TokenKind::kName) && current().text == name; }
  bool skip(TokenKind kind);
  bool skip_name(std::string_view name);
  const Token& expect(TokenKind kind);
  void expect_name(std::string_view name);
  [[noreturn]] void fail(const std::string& message, std::uint32_t offset) const;
  [[noreturn]] void fail_here(const std::string& message) const { fail(message, current().offset); }

  // Statements (parser.cpp).
  StatementList parse_until(Names end_names, std::string_view opened, std::uint32_t opened_at);
  StatementList parse_body(Names end_names, std::string_view opened, std::uint32_t opened_at);
  StatementPtr parse_statement();
  StatementPtr parse_for();
  StatementPtr parse_if();
  StatementPtr parse_macro();
  StatementPtr parse_call_block();
  StatementPtr parse_generation();
  StatementPtr parse_filter_block();
  StatementPtr parse_with();
  StatementPtr parse_set();
  StatementPtr parse_print();
  StatementPtr parse_autoescape();
  StatementPtr parse_block();
  StatementPtr parse_unavailable();
  void parse_signature(MacroBody& macro);
  std::unique_ptr<Name> parse_target_name(Name::Use use);
  ExpressionPtr parse_target_pattern();
  Target parse_set_target();
  void mark_stored(Expression& pattern, Name::Use use) const;

  // Expressions (expression_parser.cpp).
  ExpressionPtr parse_expression(bool with_condition = true);
  ExpressionPtr parse_conditional();
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_compare();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concat();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filter = true);
  ExpressionPtr parse_primary();
  ExpressionPtr parse_tuple(bool simplified, bool with_condition, bool in_parentheses);
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ExpressionPtr parse_postfix(ExpressionPtr node);
  ExpressionPtr parse_filters_and_tests(ExpressionPtr node);
  ExpressionPtr parse_subscript(ExpressionPtr node);
  ExpressionPtr parse_subscript_index();
  ExpressionPtr parse_call(ExpressionPtr callee);
  ExpressionPtr parse_filter(ExpressionPtr input, bool inline_start);
  ExpressionPtr parse_test(ExpressionPtr input);
  CallArguments parse_arguments(int& depth);
  std::string parse_dotted_name();
  bool at_tuple_end() const;
  ExpressionPtr attribute(std::uint32_t offset, ExpressionPtr object, const std::string& name);

  template <class Node>
  std::unique_ptr<Node> deepened(std::unique_ptr<Node> node, int child_depth) const;

  // Counts nesting of the parser's own recursion.
  struct Nesting;

  std::string_view source_;
  std::vector<Token> tokens_;
  // A constant in place of a literal of constants; null where it has other parts.
  ExpressionPtr folded(const Sequence& literal);
  ExpressionPtr folded(const Dict& literal);

  ConstantPool& constants_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;       // that break and continue would leave
  int for_blocks_ = 0;  // around this place, macros or not
  Escaping escaping_ = Escaping::kOff;
};

struct Parser::Nesting {
  explicit Nesting(Parser& owner) : parser(owner) {
    if (++parser.nesting_ > kMaxSyntaxDepth) parser.fail_here("blocks or expressions nest too deeply here");
  }
  ~Nesting() { --parser.nesting_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  Parser& parser;
};

// Sets the depth of a node above a child of that depth.
template <class Node>
std::unique_ptr<Node> Parser::deepened(std::unique_ptr<Node> node, int child_depth) const {
  node->depth = std::max(node->depth, child_depth + 1);
  if (node->depth > 4 * kMaxSyntaxDepth) fail("this expression nests too deeply", node->offset);
  return node;
}

}  // namespace atelier::prompt::jinja
