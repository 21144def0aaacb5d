#include "engine/load_plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace atelier::engine {

namespace {

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

// What one batch needs beside weights and cells: activations of the widest layer, the logits, and the attention
// scores where they are not computed in tiles. Rough on purpose: small against the rest.
std::uint64_t work_bytes(const LoadWishes& wishes, const ModelShape& shape, std::uint32_t cells) {
  const std::uint64_t rows = wishes.for_embedding ? cells : wishes.micro_batch_size;
  const std::uint64_t activations =
      rows * 4 * (std::uint64_t{8} * shape.embedding_length + std::uint64_t{3} * shape.feed_forward_length);
  const std::uint64_t logits = std::uint64_t{2} * 4 * wishes.output_rows * shape.vocabulary_size;
  const std::uint64_t mask = rows * cells * 4;
  const std::uint64_t scores = wishes.flash_attention ? 0 : rows * cells * shape.head_count * 4;
  return activations + logits + mask + scores;
}

// Cells for prefixes of finished requests: as many as asked for, else as many as the context holds, but not
// more than a quarter of the memory that is left.
std::uint32_t choose_cache_tokens(const LoadWishes& wishes, const ModelShape& shape, std::uint32_t context_length,
                                  std::uint64_t free_bytes) {
  if (wishes.for_embedding) return 0;
  if (wishes.cache_tokens) return *wishes.cache_tokens;
  const std::uint64_t fixed = shape.weight_bytes + shape.state_bytes;
  const std::uint64_t left = free_bytes > fixed ? free_bytes - fixed : 0;
  const std::uint64_t quarter = left / 4 / std::max<std::uint64_t>(shape.bytes_per_cell, 1);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(context_length, quarter));
}

LoadPlan plan_of(const LoadWishes& wishes, std::uint32_t length, std::uint32_t cache_tokens) {
  LoadPlan plan;
  plan.context_length = length;
  plan.cache_tokens = cache_tokens;
  const std::uint64_t cells =
      wishes.kv_cells > 0 ? std::max(wishes.kv_cells, length) : std::uint64_t{length} + cache_tokens;
  plan.kv_cells = static_cast<std::uint32_t>(std::min<std::uint64_t>(cells, 1U << 30));
  return plan;
}

}  // namespace

std::uint64_t rough_estimate(const LoadWishes& wishes, const ModelShape& shape, std::uint32_t cells) {
  return shape.weight_bytes + shape.state_bytes + std::uint64_t{cells} * shape.bytes_per_cell +
         work_bytes(wishes, shape, cells);
}

Result<LoadPlan> choose_plan(const LoadWishes& wishes, const ModelShape& shape, std::uint64_t free_bytes,
                             const MeasurePlan& measure) {
  const std::uint32_t trained = shape.trained_context_length > 0 ? shape.trained_context_length : kDefaultContextLength;
  const bool chosen_freely = wishes.context_length == 0;
  const bool cache_chosen_freely = wishes.kv_cells == 0 && !wishes.cache_tokens && !wishes.for_embedding;
  std::uint32_t most = chosen_freely ? std::min(kDefaultContextLength, trained) : wishes.context_length;
  // Beyond the trained length models with learned positions have no rows to look up.
  if (!wishes.stretches_context) most = std::min(most, trained);

  for (std::uint32_t length = most;; length = std::max(kSmallestContextLength, length / 2)) {
    const std::uint32_t cache_tokens = choose_cache_tokens(wishes, shape, length, free_bytes);
    const bool also_without = cache_chosen_freely && cache_tokens > 0;
    for (const std::uint32_t tokens : {cache_tokens, 0U}) {
      const bool last = tokens == 0 || !also_without;
      LoadPlan plan = plan_of(wishes, length, tokens);
      plan.lowered = length < most || (cache_chosen_freely && tokens < length);
      const Result<std::uint64_t> bytes =
          measure ? measure(plan) : Result<std::uint64_t>(rough_estimate(wishes, shape, plan.kv_cells));
      if (!bytes) return std::unexpected(bytes.error());
      plan.estimated_bytes = *bytes;
      plan.fits = plan.estimated_bytes <= free_bytes;
      if (plan.fits || (last && (!chosen_freely || length <= kSmallestContextLength))) return plan;
      if (last) break;
    }
  }
}

Error does_not_fit(const LoadPlan& plan, const ModelShape& shape, std::uint64_t free_bytes) {
  const std::uint64_t beside = plan.estimated_bytes - std::min(shape.weight_bytes, plan.estimated_bytes);
  return {ErrorCode::kInsufficientResources,
          fmt::format("The model does not fit into memory: its weights need {:.0f} MiB and a context of {} tokens with "
                      "{} cells {:.0f} MiB more, but it may take {:.0f} MiB. Unload other models, choose a shorter "
                      "context or a smaller model",
                      mib(shape.weight_bytes), plan.context_length, plan.kv_cells, mib(beside), mib(free_bytes)),
          "context_length"};
}

Result<LoadPlan> plan_load(const LoadWishes& wishes, const ModelShape& shape, std::uint64_t free_bytes) {
  auto plan = choose_plan(wishes, shape, free_bytes);
  if (plan && !plan->fits) return std::unexpected(does_not_fit(*plan, shape, free_bytes));
  return plan;
}

}  // namespace atelier::engine
