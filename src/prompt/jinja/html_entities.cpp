#include "prompt/jinja/html_entities.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/utf8.h"

namespace atelier::prompt::jinja::html {
namespace {

// What the numbers 0x80 to 0x9F are taken for: the characters that Windows-1252 has there.
constexpr char32_t kWindows1252[32] = {0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                       0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                       0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                       0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

// No character at all: it is left out.
bool vanishes(char32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || (c >= 0xFDD0 && c <= 0xFDEF) ||
         (c & 0xFFFE) == 0xFFFE;
}

std::string character(std::uint32_t number) {
  std::string text;
  if (number == 0 || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF)) {
    utf8::append(text, 0xFFFD);
  } else if (number >= 0x80 && number <= 0x9F) {
    utf8::append(text, kWindows1252[number - 0x80]);
  } else if (!vanishes(number)) {
    utf8::append(text, number);
  }
  return text;
}

int digit_value(char c, int base) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return base == 16 && lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// After "&#".
Reference read_number(std::string_view text) {
  std::size_t at = 2;
  const int base = at < text.size() && (text[at] == 'x' || text[at] == 'X') ? 16 : 10;
  if (base == 16) ++at;
  const std::size_t first = at;
  std::uint32_t number = 0;
  for (; at < text.size(); ++at) {
    const int digit = digit_value(text[at], base);
    if (digit < 0) break;
    if (number <= 0x10FFFF) number = number * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit);
  }
  if (at == first) return {};
  if (at < text.size() && text[at] == ';') ++at;
  return {at, character(number)};
}

const Entity* find_entity(std::string_view name) {
  const auto found = std::ranges::lower_bound(kEntities, name, {}, &Entity::name);
  return found != kEntities.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

Reference read_reference(std::string_view text) {
  if (text.size() < 2 || text[0] != '&') return {};
  if (text[1] == '#') return read_number(text);
  // The longest name, of at most 32 characters and a semicolon, that there is. All names are ASCII.
  constexpr std::size_t kLongest = 32;
  std::size_t end = 1;
  while (end < text.size() && end <= kLongest && static_cast<unsigned char>(text[end]) < 0x80 &&
         std::string_view("\t\n\f <&#;").find(text[end]) == std::string_view::npos) {
    ++end;
  }
  if (end == 1) return {};
  if (end < text.size() && text[end] == ';') ++end;
  for (; end > 2; --end) {
    if (const Entity* entity = find_entity(text.substr(1, end - 1))) return {end, std::string(entity->text)};
  }
  return {};
}

}  // namespace atelier::prompt::jinja::html
