// UTF-8 as RFC 3629 has it: no surrogates, nothing above U+10FFFF, no over-long forms.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace atelier::utf8 {

struct Decoded {
  char32_t code_point = 0xFFFD;
  std::size_t length = 1;  // bytes consumed; for invalid input the bytes to skip (a maximal subpart), at least 1
  bool valid = false;
  bool incomplete = false;  // the text ends inside a sequence that could still become valid
};

// The code point that begins at `at`, which must be inside the text.
Decoded decode(std::string_view text, std::size_t at);

void append(std::string& out, char32_t code_point);

bool is_valid(std::string_view text);

// The length of the longest prefix that does not end inside a sequence: what may be sent on now, while
// the rest waits for more bytes. Invalid bytes count as complete.
std::size_t complete_prefix(std::string_view text);

// Every invalid sequence replaced by U+FFFD.
std::string repair(std::string_view text);

// Code points in the text; each invalid sequence counts as one.
std::size_t count(std::string_view text);

}  // namespace atelier::utf8
