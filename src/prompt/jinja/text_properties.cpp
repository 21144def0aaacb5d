// The str methods that go by the properties of characters: isalpha and its kind, and changes of case.
#include <vector>

#include "base/utf8.h"
#include "prompt/jinja/builtins.h"
#include "prompt/jinja/unicode.h"

namespace atelier::prompt::jinja {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t begin = 0;
  std::size_t length = 1;
  bool valid = true;
};

std::vector<Character> characters_of(const TextObject& text) {
  std::vector<Character> characters;
  characters.reserve(text.length());
  charge_bytes(text.bytes.size() * 4);
  for (std::size_t at = 0; at < text.bytes.size();) {
    const utf8::Decoded decoded = utf8::decode(text.bytes, at);
    characters.push_back({decoded.code_point, at, decoded.length, decoded.valid});
    at += decoded.length;
  }
  return characters;
}

template <class Test>
bool all_are(const std::vector<Character>& characters, Test test) {
  for (const Character& c : characters) {
    if (!test(c.code)) return false;
  }
  return !characters.empty();
}

// At least one cased character, and none of the other cases.
bool only_case(const std::vector<Character>& characters, bool (*wanted)(char32_t), bool (*unwanted)(char32_t)) {
  bool any = false;
  for (const Character& c : characters) {
    if (unwanted(c.code) || unicode::is_title(c.code)) return false;
    any = any || wanted(c.code);
  }
  return any;
}

bool is_title_cased(const std::vector<Character>& characters) {
  bool any = false;
  bool after_cased = false;
  for (const Character& c : characters) {
    if (unicode::is_upper(c.code) || unicode::is_title(c.code)) {
      if (after_cased) return false;
      after_cased = any = true;
    } else if (unicode::is_lower(c.code)) {
      if (!after_cased) return false;
      any = true;
    } else {
      after_cased = false;
    }
  }
  return any;
}

constexpr char32_t kCapitalSigma = 0x3A3;

// Whether the sigma at `index` ends a word: something cased before it and nothing cased after, ignoring
// characters that do not matter for case.
bool is_final_sigma(const std::vector<Character>& characters, std::size_t index) {
  std::size_t before = index;
  while (before > 0 && unicode::is_case_ignorable(characters[before - 1].code)) --before;
  if (before == 0 || !unicode::is_cased(characters[before - 1].code)) return false;
  std::size_t after = index + 1;
  while (after < characters.size() && unicode::is_case_ignorable(characters[after].code)) ++after;
  return after == characters.size() || !unicode::is_cased(characters[after].code);
}

unicode::Mapped lowered(const std::vector<Character>& characters, std::size_t index) {
  if (characters[index].code == kCapitalSigma) {
    return {{is_final_sigma(characters, index) ? char32_t{0x3C2} : char32_t{0x3C3}, 0, 0}, 1};
  }
  return unicode::to_lower(characters[index].code);
}

// ASCII of one provenance, which nearly all text is.
Value change_ascii_case(const TextObject& text, bool to_upper) {
  std::string bytes = text.bytes;
  for (char& c : bytes) {
    if (to_upper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z') c = static_cast<char>(c ^ 0x20);
  }
  return Value::text(std::move(bytes), text.provenance);
}

}  // namespace

bool text_property(const TextObject& text, Method method) {
  const std::vector<Character> characters = characters_of(text);
  switch (method) {
    case Method::k_isalnum:
      return all_are(characters, [](char32_t c) { return unicode::is_alnum(c) || unicode::is_decimal(c); });
    case Method::k_isalpha: return all_are(characters, unicode::is_alpha);
    case Method::k_isascii: return text.is_ascii();
    case Method::k_isdecimal: return all_are(characters, unicode::is_decimal);
    case Method::k_isdigit: return all_are(characters, unicode::is_digit);
    case Method::k_isidentifier: return unicode::is_identifier(text.bytes);
    case Method::k_islower: return only_case(characters, unicode::is_lower, unicode::is_upper);
    case Method::k_isnumeric: return all_are(characters, unicode::is_numeric);
    case Method::k_isprintable: return characters.empty() || all_are(characters, unicode::is_printable);
    case Method::k_isspace: return all_are(characters, unicode::is_space);
    case Method::k_istitle: return is_title_cased(characters);
    default: return only_case(characters, unicode::is_upper, unicode::is_lower);
  }
}

Value change_case(const TextObject& text, Method method) {
  if (!text.runs && text.is_ascii()) {
    if (method == Method::k_upper) return change_ascii_case(text, true);
    if (method == Method::k_lower || method == Method::k_casefold) return change_ascii_case(text, false);
  }
  const std::vector<Character> characters = characters_of(text);
  TextBuilder builder;
  bool after_cased = false;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    const Character& c = characters[i];
    if (!c.valid) {
      builder.append_slice(text, c.begin, c.begin + c.length);
      continue;
    }
    unicode::Mapped mapped{{c.code, 0, 0}, 1};
    switch (method) {
      case Method::k_upper: mapped = unicode::to_upper(c.code); break;
      case Method::k_lower: mapped = lowered(characters, i); break;
      case Method::k_casefold: mapped = unicode::to_folded(c.code); break;
      case Method::k_capitalize: mapped = i == 0 ? unicode::to_title(c.code) : lowered(characters, i); break;
      case Method::k_swapcase:
        if (unicode::is_upper(c.code)) {
          mapped = lowered(characters, i);
        } else if (unicode::is_lower(c.code)) {
          mapped = unicode::to_upper(c.code);
        }
        break;
      default:  // title
        mapped = after_cased ? lowered(characters, i) : unicode::to_title(c.code);
        after_cased = unicode::is_cased(c.code);
        break;
    }
    const Provenance provenance = text.at(c.begin);
    for (std::size_t k = 0; k < mapped.count; ++k) builder.append_code_point(mapped.points[k], provenance);
  }
  return builder.take();
}

}  // namespace atelier::prompt::jinja
