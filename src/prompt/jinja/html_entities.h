// Character references of HTML (&amp; &#62; &#x3e;) as Python's html.unescape reads them, which follows
// https://html.spec.whatwg.org/multipage/parsing.html#character-reference-state.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace atelier::prompt::jinja::html {

struct Entity {
  std::string_view name;  // without the "&", with the ";" where it has one
  std::string_view text;  // UTF-8
};
// Sorted by name.
extern const std::span<const Entity> kEntities;

// A reference at the beginning of a text: how many bytes it takes, and what it stands for. No bytes: there is none.
struct Reference {
  std::size_t length = 0;
  std::string text;  // may be empty: references to what is no character vanish
};
Reference read_reference(std::string_view text);

}  // namespace atelier::prompt::jinja::html
