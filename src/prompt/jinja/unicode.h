// Properties and case mappings of characters as Python's str has them (Unicode 14, Python 3.11).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace atelier::prompt::jinja::unicode {

bool is_space(char32_t c);
bool is_alpha(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);
bool is_numeric(char32_t c);
bool is_alnum(char32_t c);
bool is_printable(char32_t c);
bool is_lower(char32_t c);
bool is_upper(char32_t c);
bool is_title(char32_t c);  // one that is neither: ǅ
bool is_identifier_start(char32_t c);
bool is_identifier_part(char32_t c);
bool is_identifier(std::string_view text);

// For the final sigma.
bool is_cased(char32_t c);
bool is_case_ignorable(char32_t c);

// One code point becomes one to three.
struct Mapped {
  char32_t points[3];
  std::size_t count;
};
Mapped to_lower(char32_t c);
Mapped to_upper(char32_t c);
Mapped to_title(char32_t c);
Mapped to_folded(char32_t c);

std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);

}  // namespace atelier::prompt::jinja::unicode
