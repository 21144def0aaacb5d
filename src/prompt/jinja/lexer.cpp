// Outside of tags there is one rule: text up to the next "{{", "{%" or "{#". A sign after the opening
// decides what happens to the white space before it ("-": all of it goes, "+": it stays, none: for
// statements and comments the indentation of their line goes), and a sign before the closing what happens
// after it ("-": all of it goes, "+": it stays, none: after statements and comments one newline goes).
#include "prompt/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "base/utf8.h"
#include "prompt/jinja/error.h"
#include "prompt/jinja/syntax.h"
#include "prompt/jinja/unicode.h"

namespace atelier::prompt::jinja {
namespace {

constexpr std::pair<std::string_view, TokenKind> kOperators[] = {
    {"//", TokenKind::kFloorDiv},   {"**", TokenKind::kPow},          {"==", TokenKind::kEqual},
    {"!=", TokenKind::kNotEqual},   {">=", TokenKind::kGreaterEqual}, {"<=", TokenKind::kLessEqual},
    {"+", TokenKind::kAdd},         {"-", TokenKind::kSub},           {"/", TokenKind::kDiv},
    {"*", TokenKind::kMul},         {"%", TokenKind::kMod},           {"~", TokenKind::kTilde},
    {"[", TokenKind::kLeftBracket}, {"]", TokenKind::kRightBracket},  {"(", TokenKind::kLeftParen},
    {")", TokenKind::kRightParen},  {"{", TokenKind::kLeftBrace},     {"}", TokenKind::kRightBrace},
    {">", TokenKind::kGreater},     {"<", TokenKind::kLess},          {"=", TokenKind::kAssign},
    {".", TokenKind::kDot},         {":", TokenKind::kColon},         {"|", TokenKind::kPipe},
    {",", TokenKind::kComma},       {";", TokenKind::kSemicolon},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name_start(char32_t c) { return c == '_' || unicode::is_identifier_start(c); }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) text();
    push(TokenKind::kEnd, source_.size());
    return std::move(tokens_);
  }

 private:
  enum class Sign { kNone, kMinus, kPlus };

  [[noreturn]] void fail(std::string message, std::size_t offset) const {
    const auto [line, column] = position_of(source_, static_cast<std::uint32_t>(offset));
    throw TemplateException(ErrorKind::kSyntax, std::move(message), line, column);
  }

  Token& push(TokenKind kind, std::size_t offset) {
    tokens_.push_back(Token{kind, static_cast<std::uint32_t>(offset), {}, 0, 0});
    return tokens_.back();
  }

  bool starts_with(std::string_view what, std::size_t at) const { return source_.substr(at).starts_with(what); }

  std::size_t skip_space(std::size_t at) const {
    while (at < source_.size()) {
      const utf8::Decoded decoded = utf8::decode(source_, at);
      if (!unicode::is_space(decoded.code_point)) break;
      at += decoded.length;
    }
    return at;
  }

  Sign sign_at(std::size_t at) const {
    if (at < source_.size() && source_[at] == '-') return Sign::kMinus;
    if (at < source_.size() && source_[at] == '+') return Sign::kPlus;
    return Sign::kNone;
  }

  void data(std::size_t begin, std::string_view text) {
    if (!text.empty()) push(TokenKind::kData, begin).text = text;
  }

  // The text before a tag, without the white space that the tag takes away.
  std::string_view trimmed_before(std::string_view text, Sign sign, bool strips_line) const {
    if (sign == Sign::kMinus) return unicode::strip_right(text);
    if (sign == Sign::kPlus || !strips_line) return text;
    const std::size_t newline = text.rfind('\n');
    const std::size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
    if (line_begin == 0 && !line_starting_) return text;
    const std::string_view indentation = text.substr(line_begin);
    if (!indentation.empty() && unicode::strip_right(indentation).empty()) return text.substr(0, line_begin);
    return text;
  }

  // Where a closing tag at `end` (the position of its two characters, after the sign) leaves off.
  std::size_t after_close(std::size_t end, Sign sign, bool trims_newline) const {
    std::size_t next = end + 2;
    if (sign == Sign::kMinus) return skip_space(next);
    if (sign == Sign::kNone && trims_newline && next < source_.size() && source_[next] == '\n') ++next;
    return next;
  }

  void set_position(std::size_t next) {
    at_ = next;
    line_starting_ = next > 0 && source_[next - 1] == '\n';
  }

  // "{% raw %}" at `begin`; the position after it, or npos.
  std::size_t raw_begin_end(std::size_t begin) const {
    std::size_t at = begin + 2;
    if (sign_at(at) != Sign::kNone) ++at;
    at = skip_space(at);
    if (!starts_with("raw", at)) return std::string_view::npos;
    at = skip_space(at + 3);
    if (starts_with("-%}", at)) return skip_space(at + 3);
    if (starts_with("%}", at)) return at + 2;
    return std::string_view::npos;
  }

  void text() {
    const std::size_t begin = at_;
    std::size_t open = begin;
    while (true) {
      open = source_.find('{', open);
      if (open == std::string_view::npos || open + 1 >= source_.size()) {
        data(begin, source_.substr(begin));
        at_ = source_.size();
        return;
      }
      const char next = source_[open + 1];
      if (next == '{' || next == '%' || next == '#') break;
      ++open;
    }
    const Sign sign = sign_at(open + 2);
    const std::string_view before = source_.substr(begin, open - begin);
    data(begin, trimmed_before(before, sign, source_[open + 1] != '{'));
    const std::size_t inside = open + 2 + (sign == Sign::kNone ? 0 : 1);
    switch (source_[open + 1]) {
      case '#': comment(open, inside); return;
      case '{':
        push(TokenKind::kVariableBegin, open);
        tag(inside, open, "}}", TokenKind::kVariableEnd);
        return;
      default:
        if (const std::size_t after = raw_begin_end(open); after != std::string_view::npos) {
          raw(open, after);
          return;
        }
        push(TokenKind::kBlockBegin, open);
        tag(inside, open, "%}", TokenKind::kBlockEnd);
        return;
    }
  }

  void comment(std::size_t open, std::size_t inside) {
    const std::size_t close = source_.find("#}", inside);
    if (close == std::string_view::npos) fail("this comment has no end: '#}' is missing", open);
    Sign sign = Sign::kNone;
    if (close > inside) sign = sign_at(close - 1);
    set_position(after_close(close, sign, true));
  }

  void raw(std::size_t open, std::size_t begin) {
    line_starting_ = begin > 0 && source_[begin - 1] == '\n';
    for (std::size_t tag_at = source_.find("{%", begin); tag_at != std::string_view::npos;
         tag_at = source_.find("{%", tag_at + 1)) {
      std::size_t at = tag_at + 2;
      const Sign sign = sign_at(at);
      if (sign != Sign::kNone) ++at;
      at = skip_space(at);
      if (!starts_with("endraw", at)) continue;
      at = skip_space(at + 6);
      Sign close_sign = sign_at(at);
      if (close_sign != Sign::kNone) ++at;
      if (!starts_with("%}", at)) continue;
      data(begin, trimmed_before(source_.substr(begin, tag_at - begin), sign, true));
      set_position(after_close(at, close_sign, true));
      return;
    }
    fail("this raw section has no end: '{% endraw %}' is missing", open);
  }

  // The inside of "{{ }}" or "{% %}".
  void tag(std::size_t inside, std::size_t open, std::string_view close, TokenKind end_kind) {
    at_ = inside;
    const bool is_block = end_kind == TokenKind::kBlockEnd;
    std::vector<std::pair<char, std::size_t>> open_brackets;
    while (true) {
      if (open_brackets.empty()) {
        Sign sign = sign_at(at_);
        if (sign == Sign::kPlus && !is_block) sign = Sign::kNone;
        const std::size_t end = at_ + (sign == Sign::kNone ? 0 : 1);
        if (starts_with(close, end)) {
          push(end_kind, at_);
          set_position(after_close(end, sign, is_block));
          return;
        }
      }
      if (at_ >= source_.size()) {
        if (!open_brackets.empty()) {
          fail(std::string("this '") + open_brackets.back().first + "' is never closed", open_brackets.back().second);
        }
        fail("this tag has no end: '" + std::string(close) + "' is missing", open);
      }
      if (const std::size_t next = skip_space(at_); next != at_) {
        at_ = next;
        continue;
      }
      if (number() || name() || string()) continue;
      operation(open_brackets);
    }
  }

  // The end of (\d+_)*\d+ at `at`, or `at`.
  std::size_t digits(std::size_t at) const {
    std::size_t end = at;
    while (end < source_.size() &&
           (is_digit(source_[end]) || (source_[end] == '_' && end > at && is_digit(source_[end - 1]) &&
                                       end + 1 < source_.size() && is_digit(source_[end + 1])))) {
      ++end;
    }
    return end;
  }

  bool number() {
    if (!is_digit(source_[at_])) return false;
    if (at_ == 0 || source_[at_ - 1] != '.') {
      const std::size_t whole = digits(at_);
      std::size_t end = whole;
      if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) end = digits(end + 1);
      std::size_t exponent = end;
      if (exponent < source_.size() && (source_[exponent] == 'e' || source_[exponent] == 'E')) {
        ++exponent;
        if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
        if (const std::size_t stop = digits(exponent); stop > exponent) end = stop;
      }
      if (end > whole) {
        std::string text(source_.substr(at_, end - at_));
        std::erase(text, '_');
        push(TokenKind::kFloat, at_).real = std::strtod(text.c_str(), nullptr);
        at_ = end;
        return true;
      }
    }
    integer();
    return true;
  }

  void integer() {
    int base = 10;
    std::size_t begin = at_;
    std::size_t end = at_;
    const auto valid = [&](char c) {
      if (base == 16) return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      return c >= '0' && c < '0' + base;
    };
    const auto take = [&] {
      while (end < source_.size() &&
             (valid(source_[end]) || (source_[end] == '_' && end + 1 < source_.size() && valid(source_[end + 1])))) {
        ++end;
      }
    };
    if (source_[at_] == '0' && at_ + 1 < source_.size()) {
      const char mark = static_cast<char>(source_[at_ + 1] | 0x20);
      base = mark == 'b' ? 2 : mark == 'o' ? 8 : mark == 'x' ? 16 : 10;
    }
    if (base != 10) {
      begin = end = at_ + 2;
      take();
      if (end == begin) base = 10;  // "0x" without digits is 0 and a name
    }
    if (base == 10) {
      begin = end = at_;
      if (source_[at_] == '0') {
        while (end < source_.size() && (source_[end] == '0' || (source_[end] == '_' && end > begin &&
                                                                end + 1 < source_.size() && source_[end + 1] == '0')))
          ++end;
      } else {
        take();
      }
    }
    std::string text(source_.substr(begin, end - begin));
    std::erase(text, '_');
    Token& token = push(TokenKind::kInteger, at_);
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), token.integer, base);
    if (error != std::errc() || stop != text.data() + text.size()) {
      if (base != 10 || text.size() > 4300) fail("this integer is too large", at_);
      token.kind = TokenKind::kBigInteger;
      token.text = std::move(text);
    }
    at_ = end;
  }

  bool name() {
    utf8::Decoded decoded = utf8::decode(source_, at_);
    if (!is_name_start(decoded.code_point) && !unicode::is_alnum(decoded.code_point)) return false;
    std::size_t end = at_;
    while (end < source_.size()) {
      decoded = utf8::decode(source_, end);
      if (decoded.code_point != '_' && !unicode::is_alnum(decoded.code_point) &&
          !unicode::is_identifier_part(decoded.code_point)) {
        break;
      }
      end += decoded.length;
    }
    const std::string_view text = source_.substr(at_, end - at_);
    if (!unicode::is_identifier(text)) fail("'" + std::string(text) + "' is not a valid name", at_);
    push(TokenKind::kName, at_).text = text;
    at_ = end;
    return true;
  }

  bool string() {
    const char quote = source_[at_];
    if (quote != '\'' && quote != '"') return false;
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail("this string has no end", at_);
    push(TokenKind::kString, at_).text = unescape(at_ + 1, end);
    at_ = end + 1;
    return true;
  }

  char32_t hexadecimal(std::size_t at, std::size_t count, std::size_t end) const {
    std::uint32_t code = 0;
    const char* begin = source_.data() + at;
    if (at + count > end) fail("this escape needs " + std::to_string(count) + " hexadecimal digits", at - 2);
    const auto [stop, error] = std::from_chars(begin, begin + count, code, 16);
    if (error != std::errc() || stop != begin + count) {
      fail("this escape needs " + std::to_string(count) + " hexadecimal digits", at - 2);
    }
    if (code > 0x10FFFF) fail("there is no such Unicode character", at - 2);
    return code;
  }

  // Python's string escapes. An escape that there is not stays as it is written.
  std::string unescape(std::size_t begin, std::size_t end) const {
    std::string out;
    std::size_t at = begin;
    while (at < end) {
      if (source_[at] != '\\') {
        out += source_[at++];
        continue;
      }
      const char what = source_[at + 1];
      at += 2;
      constexpr std::string_view kSimple = "\\'\"abfnrtv";
      constexpr std::string_view kMeaning = "\\'\"\a\b\f\n\r\t\v";
      if (const std::size_t simple = kSimple.find(what); simple != std::string_view::npos) {
        out += kMeaning[simple];
      } else if (what == '\n') {
        // a line continued
      } else if (what >= '0' && what <= '7') {
        char32_t code = static_cast<char32_t>(what - '0');
        for (int i = 0; i < 2 && at < end && source_[at] >= '0' && source_[at] <= '7'; ++i) {
          code = code * 8 + static_cast<char32_t>(source_[at++] - '0');
        }
        utf8::append(out, code);
      } else if (what == 'x' || what == 'u' || what == 'U') {
        const std::size_t count = what == 'x' ? 2 : what == 'u' ? 4 : 8;
        char32_t code = hexadecimal(at, count, end);
        at += count;
        if (code >= 0xD800 && code < 0xDC00 && at + 6 <= end && starts_with("\\u", at)) {
          const char32_t low = hexadecimal(at + 2, 4, end);
          if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
          }
        }
        utf8::append(out, code >= 0xD800 && code < 0xE000 ? U'\uFFFD' : code);
      } else if (what == 'N' && at < end && source_[at] == '{') {
        fail("characters cannot be given by name here: write \\u and four digits", at - 2);
      } else if (static_cast<unsigned char>(what) >= 0x80) {
        // Python sees the character as an escape of its own after the backslash.
        const utf8::Decoded decoded = utf8::decode(source_, at - 1);
        char buffer[16];
        const unsigned code = decoded.code_point;
        std::snprintf(buffer, sizeof(buffer), code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
        out += buffer;
        at += decoded.length - 1;
      } else {
        out += '\\';
        out += what;
      }
    }
    return out;
  }

  void operation(std::vector<std::pair<char, std::size_t>>& open_brackets) {
    for (const auto& [text, kind] : kOperators) {
      if (!starts_with(text, at_)) continue;
      const char c = text[0];
      if (c == '(' || c == '[' || c == '{') {
        open_brackets.emplace_back(c, at_);
      } else if (c == ')' || c == ']' || c == '}') {
        if (open_brackets.empty()) fail(std::string("unexpected '") + c + "'", at_);
        const char opened = open_brackets.back().first;
        const char expected = opened == '(' ? ')' : opened == '[' ? ']' : '}';
        if (c != expected) fail(std::string("unexpected '") + c + "', expected '" + expected + "'", at_);
        open_brackets.pop_back();
      }
      push(kind, at_);
      at_ += text.size();
      return;
    }
    const utf8::Decoded decoded = utf8::decode(source_, at_);
    fail("unexpected character '" + std::string(source_.substr(at_, decoded.length)) + "'", at_);
  }

  std::string_view source_;
  std::size_t at_ = 0;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::string_view describe(TokenKind kind) {
  for (const auto& [text, operation] : kOperators) {
    if (operation == kind) return text;
  }
  switch (kind) {
    case TokenKind::kData: return "text";
    case TokenKind::kVariableBegin: return "{{";
    case TokenKind::kVariableEnd: return "}}";
    case TokenKind::kBlockBegin: return "{%";
    case TokenKind::kBlockEnd: return "%}";
    case TokenKind::kName: return "a name";
    case TokenKind::kString: return "a string";
    case TokenKind::kInteger:
    case TokenKind::kBigInteger: return "an integer";
    case TokenKind::kFloat: return "a number";
    default: return "the end of the template";
  }
}

std::string describe(const Token& token) {
  if (token.kind == TokenKind::kName) return "'" + token.text + "'";
  if (token.kind == TokenKind::kData || token.kind == TokenKind::kEnd || token.kind == TokenKind::kString ||
      token.kind == TokenKind::kInteger || token.kind == TokenKind::kBigInteger || token.kind == TokenKind::kFloat) {
    return std::string(describe(token.kind));
  }
  return "'" + std::string(describe(token.kind)) + "'";
}

std::string normalize_source(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
    } else {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return utf8::is_valid(text) ? text : utf8::repair(text);
}

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

std::pair<int, int> position_of(std::string_view source, std::uint32_t offset) {
  const std::string_view before = source.substr(0, std::min<std::size_t>(offset, source.size()));
  const std::size_t newline = before.rfind('\n');
  const std::size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
  return {static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
          static_cast<int>(utf8::count(before.substr(line_begin))) + 1};
}

}  // namespace atelier::prompt::jinja
