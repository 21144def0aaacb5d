// How long the context may be and how many cells the cache gets, before anything is allocated.
//
// context_length limits one sequence; kv_cells is the size of the cache that all sequences share. What the
// request leaves open is chosen so that the estimate fits the memory that is free; what it names is kept or
// refused with numbers. The rough estimate is an upper bound for models with a sliding window or recurrent layers,
// whose caches are smaller. Pure; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/error.h"

namespace atelier::engine {

struct ModelShape {
  std::uint64_t weight_bytes = 0;
  std::uint64_t bytes_per_cell = 0;  // of the cache, over all layers
  std::uint64_t state_bytes = 0;     // of recurrent layers, over all sequences
  std::uint32_t trained_context_length = 0;
  std::uint32_t embedding_length = 0;
  std::uint32_t feed_forward_length = 0;
  std::uint32_t head_count = 0;
  std::uint32_t vocabulary_size = 0;
};

struct LoadWishes {
  std::uint32_t context_length = 0;  // 0: chosen
  std::uint32_t kv_cells = 0;        // 0: chosen
  std::optional<std::uint32_t> cache_tokens;
  std::uint32_t micro_batch_size = 512;
  std::uint32_t output_rows = 1;  // logits that one batch may give
  bool flash_attention = true;    // or the scores of a whole batch are in memory at once
  // Whether positions beyond the trained length were asked for by rope settings.
  bool stretches_context = false;
  bool for_embedding = false;  // no cells for prefixes; the context is the batch
};

struct LoadPlan {
  std::uint32_t context_length = 0;
  std::uint32_t kv_cells = 0;
  std::uint32_t cache_tokens = 0;
  std::uint64_t estimated_bytes = 0;  // weights, cells and work space
  bool fits = true;
  bool lowered = false;  // for lack of memory, below what it would be with more
};

inline constexpr std::uint32_t kDefaultContextLength = 8192;
inline constexpr std::uint32_t kSmallestContextLength = 512;

// All that a plan takes, weights included, where somebody knows better than the estimate.
using MeasurePlan = std::function<Result<std::uint64_t>(const LoadPlan&)>;

// Weights, cells and work space by rule of thumb.
std::uint64_t rough_estimate(const LoadWishes& wishes, const ModelShape& shape, std::uint32_t cells);

// The largest plan that fits `free_bytes`, else the smallest that is possible, with `fits` false. Fails where `measure`
// does; without it the rough estimate counts.
Result<LoadPlan> choose_plan(const LoadWishes& wishes, const ModelShape& shape, std::uint64_t free_bytes,
                             const MeasurePlan& measure = nullptr);

// kInsufficientResources, with numbers: a plan that does not fit.
Error does_not_fit(const LoadPlan& plan, const ModelShape& shape, std::uint64_t free_bytes);

// Both in one: a plan that fits, or the error.
Result<LoadPlan> plan_load(const LoadWishes& wishes, const ModelShape& shape, std::uint64_t free_bytes);

}  // namespace atelier::engine
