// ggml's tensor types: how many elements a block has and how many bytes it takes.
#pragma once

#include <cstdint>
#include <string_view>

namespace atelier::models {

struct TensorType {
  std::string_view name;
  std::uint32_t block_elements = 0;
  std::uint32_t block_bytes = 0;
};

// Null for numbers that ggml does not have, or has no longer.
const TensorType* tensor_type(std::uint32_t type);

}  // namespace atelier::models
