#include "prompt/manual_template.h"

#include <string_view>

namespace atelier::prompt {
namespace {

// The text as a Jinja literal.
std::string literal(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result = "'";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      result += "\\x";
      result += kDigits[byte >> 4];
      result += kDigits[byte & 15];
    } else {
      result += c;
    }
  }
  return result + "'";
}

std::string branch(std::string_view test, std::string_view role, std::string_view before, std::string_view after) {
  std::string result = "{%- " + std::string(test) + " message.role == '" + std::string(role) + "' -%}";
  result += "{{- " + literal(before) + " -}}{{- message.content -}}{{- " + literal(after) + " -}}";
  return result;
}

}  // namespace

std::string manual_template_source(const ManualTemplate& texts) {
  return "{%- for message in messages -%}" + branch("if", "system", texts.before_system, texts.after_system) +
         branch("elif", "user", texts.before_user, texts.after_user) +
         branch("elif", "assistant", texts.before_assistant, texts.after_assistant) +
         "{%- endif -%}{%- endfor -%}{%- if add_generation_prompt -%}{{- " + literal(texts.before_assistant) +
         " -}}{%- endif -%}";
}

}  // namespace atelier::prompt
