#include "models/estimate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace atelier::models {
namespace {

constexpr std::uint64_t kCellStep = 256;  // llama.cpp rounds caches up to this
constexpr std::uint64_t kMiB = 1024 * 1024;
// The program, the vocabulary and the graph's own bookkeeping.
constexpr std::uint64_t kProcess = 48 * kMiB;

// Far above any machine; keeps made-up metadata from wrapping around.
constexpr double kMost = 1e18;

std::uint64_t bytes(double value) { return static_cast<std::uint64_t>(std::clamp(value, 0.0, kMost)); }

struct Known {
  std::string_view name;
  double bytes;  // of one element, its share of the block's scale included
};
constexpr std::array<Known, 9> kCacheTypes = {{{"f32", 4},
                                               {"f16", 2},
                                               {"bf16", 2},
                                               {"q8_0", 34.0 / 32},
                                               {"q5_1", 24.0 / 32},
                                               {"q5_0", 22.0 / 32},
                                               {"q4_1", 20.0 / 32},
                                               {"q4_0", 18.0 / 32},
                                               {"iq4_nl", 18.0 / 32}}};

double element_bytes(CacheType type) { return kCacheTypes[static_cast<std::size_t>(type)].bytes; }

std::uint64_t round_up(std::uint64_t cells) { return (cells + kCellStep - 1) / kCellStep * kCellStep; }

bool has_attention(const CacheShape& cache, std::uint64_t layer, double kv_heads) {
  if (kv_heads == 0) return false;
  return cache.full_attention_interval == 0 || (layer + 1) % cache.full_attention_interval == 0;
}

// As the engine chooses (engine/model_loader.cpp): as many as the memory for them holds, in proportion to the model,
// and two more than sequences at least.
double kept_states(double state_bytes, const LoadShape& shape, std::uint64_t weights) {
  constexpr double kMostStates = 64;
  if (!shape.kept_state_bytes || state_bytes <= 0) return 0;
  const auto budget = static_cast<double>(std::min(*shape.kept_state_bytes, weights / 2));
  return std::max<double>(std::min(std::floor(budget / state_bytes), kMostStates), shape.sequences + 2.0);
}

void add_cache(const CacheShape& cache, const LoadShape& shape, MemoryEstimate& estimate) {
  // With a unified cache a sliding layer keeps one window for each sequence, and the batch that is coming in.
  const std::uint64_t cells = round_up(shape.kv_cells);
  const std::uint64_t window = std::min(cache.sliding_window, shape.kv_cells) * shape.sequences + shape.ubatch;
  const std::uint64_t sliding_cells = std::min(cells, round_up(window));
  double kv = 0;
  double state = 0;
  for (std::uint64_t layer = 0; layer < cache.layers; ++layer) {
    const double heads = cache.kv_heads.empty()          ? 0
                         : cache.kv_heads.size() == 1    ? cache.kv_heads.front()
                         : layer < cache.kv_heads.size() ? cache.kv_heads[static_cast<std::size_t>(layer)]
                                                         : 0;
    if (!has_attention(cache, layer, heads)) {
      state += static_cast<double>(cache.recurrent_elements) * 4;
      continue;
    }
    const bool sliding = layer < cache.sliding_layers.size() && cache.sliding_layers[static_cast<std::size_t>(layer)];
    const auto layer_cells = static_cast<double>(sliding ? sliding_cells : cells);
    const double per_cell = cache.latent_length > 0
                                ? static_cast<double>(cache.latent_length) * element_bytes(shape.key_type)
                                : heads * (static_cast<double>(cache.key_length) * element_bytes(shape.key_type) +
                                           static_cast<double>(cache.value_length) * element_bytes(shape.value_type));
    kv += per_cell * layer_cells;
  }
  estimate.kv_cache = bytes(kv);
  estimate.recurrent_state = bytes(state * (shape.sequences + kept_states(state, shape, estimate.weights)));
}

// The largest of the graph's phases, since ggml's allocator lets them share one buffer, beside what lives
// through all of them. For a Llama-shaped 1B model llama.cpp 0.7.0 reserves 282.5, 302.5 and 554.0 MiB (8,192
// cells; 32,768 cells; 8,192 cells without flash attention); this gives 282.5, 306.5 and 552.0.
double graph_bytes(const ModelEntry& model, const LoadShape& shape) {
  const auto rows = static_cast<double>(shape.ubatch);
  const double output = rows * static_cast<double>(model.tokenizer.vocabulary) * 4;
  const double feed_forward = rows * static_cast<double>(model.cache.feed_forward_length) * 4 * 2;
  const double cells = model.causal ? static_cast<double>(round_up(shape.kv_cells)) : rows;
  const double scores = shape.flash_attention ? 0 : rows * cells * static_cast<double>(model.cache.heads) * 4;
  const double mask = rows * cells * (shape.flash_attention ? 2 : 4);
  const double stream = rows * static_cast<double>(model.cache.embedding_length) * 4 * 6;
  return std::max({output, feed_forward, scores}) + mask + stream;
}

}  // namespace

std::optional<CacheType> cache_type_from(std::string_view name) {
  for (std::size_t i = 0; i < kCacheTypes.size(); ++i) {
    if (kCacheTypes[i].name == name) return static_cast<CacheType>(i);
  }
  return std::nullopt;
}

MemoryEstimate estimate(const ModelEntry& model, const LoadShape& shape) {
  MemoryEstimate estimate;
  estimate.weights = model.weight_bytes;
  // Encoders of images work on a few thousand patches; half their weights again is what they were seen to take.
  if (model.projector) estimate.projector = bytes(static_cast<double>(model.projector->size_bytes) * 1.5);
  if (model.causal) add_cache(model.cache, shape, estimate);
  const double outputs = static_cast<double>(shape.sequences) * static_cast<double>(model.tokenizer.vocabulary) * 4;
  estimate.compute = bytes(graph_bytes(model, shape) + outputs) + kProcess;
  return estimate;
}

std::optional<std::uint64_t> cells_that_fit(const ModelEntry& model, LoadShape shape, std::uint64_t available_bytes,
                                            std::uint64_t least_cells) {
  const auto fits = [&](std::uint64_t cells) {
    shape.kv_cells = cells;
    return estimate(model, shape).total() <= available_bytes;
  };
  const std::uint64_t wanted = shape.kv_cells;
  if (fits(wanted)) return wanted;
  // The estimate grows with the cells: search in steps.
  std::uint64_t good = 0;
  std::uint64_t bad = (wanted + kCellStep - 1) / kCellStep;
  while (bad - good > 1) {
    const std::uint64_t middle = good + (bad - good) / 2;
    (fits(middle * kCellStep) ? good : bad) = middle;
  }
  const std::uint64_t cells = good * kCellStep;
  if (cells == 0 || cells < least_cells) return std::nullopt;
  return cells;
}

}  // namespace atelier::models
