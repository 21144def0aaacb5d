// A template's source as tokens, by the rules of Jinja's lexer with trim_blocks and lstrip_blocks on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace atelier::prompt::jinja {

enum class TokenKind : std::uint8_t {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kBigInteger,
  kFloat,
  kAdd,
  kSub,
  kDiv,
  kFloorDiv,
  kMul,
  kMod,
  kPow,
  kTilde,
  kLeftBracket,
  kRightBracket,
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kEqual,
  kNotEqual,
  kGreater,
  kGreaterEqual,
  kLess,
  kLessEqual,
  kAssign,
  kDot,
  kColon,
  kPipe,
  kComma,
  kSemicolon,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::uint32_t offset = 0;
  std::string text;  // of data, names, strings (unescaped), big integers (digits)
  std::int64_t integer = 0;
  double real = 0;
};

// "','", "end of print statement", "name 'foo'": how errors speak of a token.
std::string describe(const Token& token);
std::string_view describe(TokenKind kind);

// Newlines normalised to \n, one at the very end dropped, invalid UTF-8 replaced.
std::string normalize_source(std::string_view source);

// Throws TemplateException with its position. The source must be normalised.
std::vector<Token> tokenize(std::string_view source);

}  // namespace atelier::prompt::jinja
