#include "prompt/jinja/parser.h"
#include "prompt/jinja/suggestion.h"

#include <algorithm>
#include <utility>

namespace atelier::prompt::jinja {

const Token& Parser::advance() {
  const Token& token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::skip(TokenKind kind) {
  if (!at(kind)) return false;
  advance();
  return true;
}

bool Parser::skip_name(std::string_view name) {
  if (!at_name(name)) return false;
  advance();
  return true;
}

const Token& Parser::expect(TokenKind kind) {
  if (!at(kind)) fail_here("expected " + std::string(describe(kind)) + ", found " + describe(current()));
  return advance();
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail_here("expected '" + std::string(name) + "', found " + describe(current()));
}

void Parser::fail(const std::string& message, std::uint32_t offset) const {
  const auto [line, column] = position_of(source_, offset);
  throw TemplateException(ErrorKind::kSyntax, message, line, column);
}

StatementList Parser::parse_template() { return parse_until({}, {}, 0); }

// Statements up to a tag of one of these names, which becomes the current token (its "{%" is taken).
StatementList Parser::parse_until(Names end_names, std::string_view opened, std::uint32_t opened_at) {
  const Nesting nesting(*this);
  StatementList body;
  std::unique_ptr<Output> output;
  const auto out = [&](std::uint32_t offset) -> Output& {
    if (!output) {
      output = std::make_unique<Output>(offset);
      output->escaping = escaping_;
    }
    return *output;
  };
  const auto flush = [&] {
    if (output) body.push_back(std::move(output));
  };
  while (true) {
    const Token& token = current();
    switch (token.kind) {
      case TokenKind::kData: {
        auto data = std::make_unique<Constant>(token.offset, constants_.text(token.text));
        data->is_data = true;
        out(token.offset).items.push_back(std::move(data));
        advance();
        break;
      }
      case TokenKind::kVariableBegin:
        advance();
        out(token.offset).items.push_back(parse_tuple(false, true, false));
        expect(TokenKind::kVariableEnd);
        break;
      case TokenKind::kBlockBegin: {
        flush();
        advance();
        if (at(TokenKind::kName) && std::find(end_names.begin(), end_names.end(), current().text) != end_names.end()) {
          return body;
        }
        StatementPtr statement = parse_statement();
        if (statement) body.push_back(std::move(statement));
        expect(TokenKind::kBlockEnd);
        break;
      }
      default:
        flush();
        if (end_names.size() == 0) return body;
        fail("this '" + std::string(opened) + "' block is never closed: '" + std::string(*(end_names.end() - 1)) +
                 "' is missing",
             opened_at);
    }
  }
}

// The rest of an opening tag and what follows up to an end tag.
StatementList Parser::parse_body(Names end_names, std::string_view opened, std::uint32_t opened_at) {
  skip(TokenKind::kColon);
  expect(TokenKind::kBlockEnd);
  return parse_until(end_names, opened, opened_at);
}

StatementPtr Parser::parse_statement() {
  if (!at(TokenKind::kName)) fail_here("expected the name of a tag, found " + describe(current()));
  const std::string& tag = current().text;
  if (tag == "if") return parse_if();
  if (tag == "for") return parse_for();
  if (tag == "set") return parse_set();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call_block();
  if (tag == "filter") return parse_filter_block();
  if (tag == "with") return parse_with();
  if (tag == "print") return parse_print();
  if (tag == "generation") return parse_generation();
  if (tag == "autoescape") return parse_autoescape();
  if (tag == "block") return parse_block();
  if (tag == "include" || tag == "extends" || tag == "import" || tag == "from") return parse_unavailable();
  if (tag == "break" || tag == "continue") {
    if (loops_ == 0) fail_here("'" + tag + "' is not inside a loop");
    const Token& token = advance();
    return std::make_unique<Statement>(tag == "break" ? StatementKind::kBreak : StatementKind::kContinue, token.offset);
  }
  if (tag.starts_with("end") || tag == "else" || tag == "elif") {
    fail_here("'" + tag + "' has no block that it could belong to here");
  }
  constexpr std::string_view kTags[] = {"if",    "for",   "set",        "macro",      "call",  "filter",   "with",
                                        "print", "block", "generation", "autoescape", "break", "continue", "raw"};
  fail_here("there is no tag '" + tag + "'" + suggestion(tag, kTags));
}

StatementPtr Parser::parse_for() {
  auto node = std::make_unique<ForStatement>(advance().offset);
  node->escaping = escaping_;
  ++for_blocks_;
  node->target = parse_target_pattern();
  expect_name("in");
  node->iterable = parse_tuple(false, false, false);
  if (skip_name("if")) node->condition = parse_expression();
  node->recursive = skip_name("recursive");
  // A recursive loop is a function of its own, and its body still a loop.
  ++loops_;
  node->body = parse_body({"endfor", "else"}, "for", node->offset);
  --loops_;
  const int outer_loops = loops_;
  if (node->recursive) loops_ = 0;
  if (advance().text == "else") {
    node->otherwise = parse_body({"endfor"}, "for", node->offset);
    advance();
  }
  loops_ = outer_loops;
  --for_blocks_;
  return node;
}

StatementPtr Parser::parse_if() {
  auto node = std::make_unique<IfStatement>(current().offset);
  while (true) {
    advance();
    IfBranch branch;
    branch.test = parse_tuple(false, false, false);
    branch.body = parse_body({"elif", "else", "endif"}, "if", node->offset);
    node->branches.push_back(std::move(branch));
    if (at_name("elif")) continue;
    if (advance().text == "else") {
      node->otherwise = parse_body({"endif"}, "if", node->offset);
      advance();
    }
    return node;
  }
}

void Parser::parse_signature(MacroBody& macro) {
  expect(TokenKind::kLeftParen);
  while (!at(TokenKind::kRightParen)) {
    if (!macro.parameters.empty()) expect(TokenKind::kComma);
    std::unique_ptr<Name> parameter = parse_target_name(Name::Use::kParameter);
    for (const auto& other : macro.parameters) {
      if (other->name == parameter->name) fail("the parameter '" + other->name + "' is there twice", parameter->offset);
    }
    if (skip(TokenKind::kAssign)) {
      macro.defaults.push_back(parse_expression());
    } else if (!macro.defaults.empty()) {
      fail("a parameter without a default follows one that has a default", parameter->offset);
    }
    macro.parameters.push_back(std::move(parameter));
  }
  expect(TokenKind::kRightParen);
}

StatementPtr Parser::parse_macro() {
  auto node = std::make_unique<MacroStatement>(advance().offset);
  node->macro.offset = node->offset;
  node->macro.name = parse_target_name(Name::Use::kStore)->name;
  parse_signature(node->macro);
  const int outer_loops = std::exchange(loops_, 0);
  node->macro.body = parse_body({"endmacro"}, "macro", node->offset);
  loops_ = outer_loops;
  advance();
  return node;
}

StatementPtr Parser::parse_call_block() {
  auto node = std::make_unique<CallBlock>(StatementKind::kCallBlock, advance().offset);
  node->macro.offset = node->offset;
  if (at(TokenKind::kLeftParen)) parse_signature(node->macro);
  ExpressionPtr call = parse_expression();
  if (call->kind != ExpressionKind::kCall) fail("a call block needs a call: {% call macro(…) %}", node->offset);
  node->call.reset(static_cast<Call*>(call.release()));
  const int outer_loops = std::exchange(loops_, 0);
  node->macro.body = parse_body({"endcall"}, "call", node->offset);
  loops_ = outer_loops;
  advance();
  return node;
}

StatementPtr Parser::parse_generation() {
  auto node = std::make_unique<CallBlock>(StatementKind::kGeneration, advance().offset);
  node->macro.offset = node->offset;
  const int outer_loops = std::exchange(loops_, 0);
  node->macro.body = parse_body({"endgeneration"}, "generation", node->offset);
  loops_ = outer_loops;
  advance();
  return node;
}

StatementPtr Parser::parse_filter_block() {
  auto node = std::make_unique<FilterBlock>(advance().offset);
  node->escaping = escaping_;
  node->filter = parse_filter(nullptr, true);
  node->body = parse_body({"endfilter"}, "filter", node->offset);
  advance();
  return node;
}

StatementPtr Parser::parse_with() {
  auto node = std::make_unique<WithStatement>(advance().offset);
  while (!at(TokenKind::kBlockEnd) && !at(TokenKind::kColon)) {
    if (!node->targets.empty()) expect(TokenKind::kComma);
    ExpressionPtr target = parse_target_pattern();
    mark_stored(*target, Name::Use::kParameter);
    node->targets.push_back(std::move(target));
    expect(TokenKind::kAssign);
    node->values.push_back(parse_expression());
  }
  node->body = parse_body({"endwith"}, "with", node->offset);
  advance();
  return node;
}

Target Parser::parse_set_target() {
  Target target;
  target.offset = current().offset;
  if (look().kind == TokenKind::kDot) {
    const Token& name = expect(TokenKind::kName);
    target.space = std::make_unique<Name>(name.offset, name.text, Name::Use::kLoad);
    target.space->name_text = constants_.text(name.text);
    advance();
    target.attribute = constants_.text(expect(TokenKind::kName).text);
    return target;
  }
  target.pattern = parse_target_pattern();
  return target;
}

StatementPtr Parser::parse_set() {
  const std::uint32_t offset = advance().offset;
  Target target = parse_set_target();
  if (skip(TokenKind::kAssign)) {
    auto node = std::make_unique<SetStatement>(offset);
    node->target = std::move(target);
    node->value = parse_tuple(false, true, false);
    return node;
  }
  auto node = std::make_unique<SetBlock>(offset);
  node->escaping = escaping_;
  node->target = std::move(target);
  node->filter = parse_filter(nullptr, false);
  node->body = parse_body({"endset"}, "set", offset);
  advance();
  return node;
}

StatementPtr Parser::parse_print() {
  auto node = std::make_unique<Output>(advance().offset);
  node->escaping = escaping_;
  while (!at(TokenKind::kBlockEnd)) {
    if (!node->items.empty()) expect(TokenKind::kComma);
    node->items.push_back(parse_expression());
  }
  return node;
}

StatementPtr Parser::parse_autoescape() {
  auto node = std::make_unique<ScopeStatement>(StatementKind::kScope, advance().offset);
  node->autoescape = parse_expression();
  Escaping inside = Escaping::kAsked;
  if (node->autoescape->kind == ExpressionKind::kConstant) {
    inside = truth(static_cast<const Constant&>(*node->autoescape).value) ? Escaping::kOn : Escaping::kOff;
  }
  const Escaping outside = std::exchange(escaping_, inside);
  node->body = parse_body({"endautoescape"}, "autoescape", node->offset);
  escaping_ = outside;
  advance();
  return node;
}

StatementPtr Parser::parse_block() {
  auto node = std::make_unique<ScopeStatement>(StatementKind::kBlock, advance().offset);
  const std::string name = expect(TokenKind::kName).text;
  skip_name("scoped");
  skip_name("required");
  const int outer_loops = std::exchange(loops_, 0);
  const Escaping outside = std::exchange(escaping_, Escaping::kOff);
  node->body = parse_body({"endblock"}, "block", node->offset);
  escaping_ = outside;
  loops_ = outer_loops;
  advance();
  skip_name(name);
  return node;
}

// Tags that load another template parse as they should, and say when they are reached that there is none.
StatementPtr Parser::parse_unavailable() {
  const Token& token = advance();
  auto node = std::make_unique<Unavailable>(token.offset);
  node->tag = token.text;
  node->operands.push_back(parse_expression());
  if (node->tag == "import") {
    expect_name("as");
    node->targets.push_back(parse_target_name(Name::Use::kStore));
  } else if (node->tag == "from") {
    expect_name("import");
    while (true) {
      std::unique_ptr<Name> name = parse_target_name(Name::Use::kStore);
      if (skip_name("as")) name = parse_target_name(Name::Use::kStore);
      node->targets.push_back(std::move(name));
      if (!skip(TokenKind::kComma)) break;
    }
  } else if (skip_name("ignore")) {
    expect_name("missing");
  }
  if ((at_name("with") || at_name("without")) && look().kind == TokenKind::kName && look().text == "context") {
    advance();
    advance();
  }
  return node;
}

// ---- Targets of assignments

std::unique_ptr<Name> Parser::parse_target_name(Name::Use use) {
  const Token& token = expect(TokenKind::kName);
  constexpr std::string_view kReserved[] = {"true", "false", "none", "True", "False", "None"};
  if (std::find(std::begin(kReserved), std::end(kReserved), token.text) != std::end(kReserved)) {
    fail("'" + token.text + "' cannot be assigned to", token.offset);
  }
  auto name = std::make_unique<Name>(token.offset, token.text, use);
  name->name_text = constants_.text(token.text);
  return name;
}

ExpressionPtr Parser::parse_target_pattern() {
  ExpressionPtr pattern = parse_tuple(true, true, false);
  mark_stored(*pattern, Name::Use::kStore);
  return pattern;
}

void Parser::mark_stored(Expression& pattern, Name::Use use) const {
  if (pattern.kind == ExpressionKind::kName) {
    Name& name = static_cast<Name&>(pattern);
    if (name.name == "loop" && use == Name::Use::kStore && for_blocks_ > 0) {
      fail("'loop' cannot be assigned to inside a loop", name.offset);
    }
    name.use = use;
    return;
  }
  if (pattern.kind != ExpressionKind::kTuple) fail("this cannot be assigned to", pattern.offset);
  for (const ExpressionPtr& item : static_cast<Sequence&>(pattern).items) mark_stored(*item, use);
}

std::unique_ptr<const Program> parse_program(std::string_view source) {
  auto program = std::make_unique<Program>();
  program->source = normalize_source(source);
  if (program->source.size() > (8u << 20)) raise(ErrorKind::kSyntax, "the template is larger than 8 MiB");
  program->body = Parser(program->source, tokenize(program->source), program->constants).parse_template();
  resolve_names(*program);
  return program;
}

}  // namespace atelier::prompt::jinja
