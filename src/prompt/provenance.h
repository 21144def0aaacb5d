// Where a piece of rendered prompt text came from. Special tokens are recognised in template text only, so
// that text which a user wrote never becomes a control token. Provenance never says where to cut text for
// the tokenizer.
#pragma once

#include <cstdint>

namespace atelier::prompt {

enum class Provenance : std::uint8_t {
  kTemplate,  // written by the template's author, or by us
  kContent,   // came in with the request, or was computed from it
};

// What text is when two sources took part in it and cannot be told apart.
constexpr Provenance mixed(Provenance a, Provenance b) { return a == Provenance::kContent ? a : b; }

}  // namespace atelier::prompt
