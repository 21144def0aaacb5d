#include "prompt/jinja/unicode.h"

#include <algorithm>

#include "base/utf8.h"
#include "prompt/jinja/unicode_tables.h"

namespace atelier::prompt::jinja::unicode {
namespace {

template <class Row>
const Row* covering(const Table<Row>& table, char32_t c) {
  const Row* row = std::upper_bound(table.rows, table.rows + table.size, c,
                                    [](char32_t point, const Row& r) { return point < r.first; });
  if (row == table.rows) return nullptr;
  --row;
  return c <= row->last ? row : nullptr;
}

bool contains(const Table<Range>& table, char32_t c) { return covering(table, c) != nullptr; }

Mapped map(const Table<MappedRange>& table, const Table<Expansion>& expansions, char32_t c) {
  if (const MappedRange* row = covering(table, c)) {
    if ((c - row->first) % static_cast<std::uint32_t>(row->step) == 0) {
      return {{static_cast<char32_t>(static_cast<std::int64_t>(c) + row->delta), 0, 0}, 1};
    }
    return {{c, 0, 0}, 1};
  }
  if (c >= 0x80) {
    const Expansion* end = expansions.rows + expansions.size;
    const Expansion* row =
        std::lower_bound(expansions.rows, end, c, [](const Expansion& e, char32_t point) { return e.from < point; });
    if (row != end && row->from == c) {
      return {{row->to[0], row->to[1], row->to[2]}, row->to[2] != 0 ? 3u : 2u};
    }
  }
  return {{c, 0, 0}, 1};
}

}  // namespace

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}
bool is_alpha(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return contains(kAlpha, c);
}
bool is_decimal(char32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : contains(kDecimal, c); }
bool is_digit(char32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : contains(kDigit, c); }
bool is_numeric(char32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : contains(kNumeric, c); }
bool is_alnum(char32_t c) { return is_alpha(c) || is_numeric(c) || is_digit(c); }
bool is_printable(char32_t c) { return c < 0x7F ? c >= 0x20 : !contains(kUnprintable, c); }
bool is_lower(char32_t c) { return c < 0x80 ? c >= 'a' && c <= 'z' : contains(kLower, c); }
bool is_upper(char32_t c) { return c < 0x80 ? c >= 'A' && c <= 'Z' : contains(kUpper, c); }
bool is_title(char32_t c) { return c >= 0x80 && contains(kTitle, c); }
bool is_identifier_start(char32_t c) { return c < 0x80 ? is_alpha(c) || c == '_' : contains(kIdentifierStart, c); }
bool is_identifier_part(char32_t c) { return c < 0x80 ? is_alnum(c) || c == '_' : contains(kIdentifierPart, c); }
bool is_cased(char32_t c) { return c < 0x80 ? is_alpha(c) : contains(kCased, c); }
bool is_case_ignorable(char32_t c) { return contains(kCaseIgnorable, c); }

bool is_identifier(std::string_view text) {
  if (text.empty()) return false;
  for (std::size_t at = 0; at < text.size();) {
    const utf8::Decoded decoded = utf8::decode(text, at);
    if (!decoded.valid) return false;
    if (!(at == 0 ? is_identifier_start(decoded.code_point) : is_identifier_part(decoded.code_point))) return false;
    at += decoded.length;
  }
  return true;
}

Mapped to_lower(char32_t c) { return map(kToLower, kToLowerLong, c); }
Mapped to_upper(char32_t c) { return map(kToUpper, kToUpperLong, c); }
Mapped to_title(char32_t c) { return map(kToTitle, kToTitleLong, c); }
Mapped to_folded(char32_t c) { return map(kToFolded, kToFoldedLong, c); }

std::string_view strip_left(std::string_view text) {
  while (!text.empty()) {
    const utf8::Decoded decoded = utf8::decode(text, 0);
    if (!is_space(decoded.code_point)) break;
    text.remove_prefix(decoded.length);
  }
  return text;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    std::size_t begin = text.size() - 1;
    while (begin > 0 && text.size() - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    const utf8::Decoded decoded = utf8::decode(text, begin);
    if (!decoded.valid || begin + decoded.length != text.size() || !is_space(decoded.code_point)) break;
    text.remove_suffix(decoded.length);
  }
  return text;
}

}  // namespace atelier::prompt::jinja::unicode
