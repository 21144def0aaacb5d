// How much memory a model will take when it is loaded: weights, cache, working space. From metadata alone,
// by the sizes that llama.cpp allocates; on the safe side where a file does not say enough. The engine's
// own figure, once loaded, is the true one. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/model_entry.h"

namespace atelier::models {

enum class CacheType { kF32, kF16, kBf16, kQ8_0, kQ5_1, kQ5_0, kQ4_1, kQ4_0, kIq4Nl };
std::optional<CacheType> cache_type_from(std::string_view name);  // "f16", "q8_0", …

struct LoadShape {
  std::uint64_t kv_cells = 8'192;  // tokens that the cache of all sequences together holds
  std::uint32_t sequences = 4;     // decoded at the same time
  std::uint32_t ubatch = 512;      // tokens in one forward pass
  // Of recurrent and hybrid models: what states kept for later requests may take; absent: none are kept.
  std::optional<std::uint64_t> kept_state_bytes;
  CacheType key_type = CacheType::kF16;
  CacheType value_type = CacheType::kF16;
  bool flash_attention = true;  // off: the scores of a whole batch are written out
};

struct MemoryEstimate {  // bytes
  std::uint64_t weights = 0;
  std::uint64_t projector = 0;  // its file and its working space
  std::uint64_t kv_cache = 0;
  std::uint64_t recurrent_state = 0;
  std::uint64_t compute = 0;  // largest graph, output rows, and what a process takes in any case
  std::uint64_t total() const { return weights + projector + kv_cache + recurrent_state + compute; }
};

MemoryEstimate estimate(const ModelEntry& model, const LoadShape& shape);

// The most cells, in steps of 256 up to shape.kv_cells, whose estimate fits `available_bytes`; nothing where
// not even `least_cells` do.
std::optional<std::uint64_t> cells_that_fit(const ModelEntry& model, LoadShape shape, std::uint64_t available_bytes,
                                            std::uint64_t least_cells = 256);

}  // namespace atelier::models
