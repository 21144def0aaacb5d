// Base64 as RFC 4648 §4 has it, with padding.
#pragma once

#include <string>
#include <string_view>

namespace atelier::base64 {

std::string encode(std::string_view bytes);

}  // namespace atelier::base64
