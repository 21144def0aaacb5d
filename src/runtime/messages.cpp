#include "runtime/messages.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "wire/engine.pb.h"

namespace atelier::runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "embeddings travel as little-endian floats");

wire::Switch to_switch(std::optional<bool> value) {
  if (!value) return wire::SWITCH_AUTO;
  return *value ? wire::SWITCH_ON : wire::SWITCH_OFF;
}

std::optional<bool> from_switch(wire::Switch value) {
  if (value == wire::SWITCH_ON) return true;
  if (value == wire::SWITCH_OFF) return false;
  return std::nullopt;
}

// Zero means "chosen by the engine" in these fields of the protocol.
std::optional<std::uint32_t> unless_zero(std::uint32_t value) {
  return value == 0 ? std::nullopt : std::optional<std::uint32_t>(value);
}

std::optional<std::string> unless_empty(const std::string& value) {
  return value.empty() ? std::nullopt : std::optional<std::string>(value);
}

void to_wire(const Sampling& sampling, wire::Sampling& out) {
  if (sampling.temperature) out.set_temperature(*sampling.temperature);
  if (sampling.top_k) out.set_top_k(*sampling.top_k);
  if (sampling.top_p) out.set_top_p(*sampling.top_p);
  if (sampling.min_p) out.set_min_p(*sampling.min_p);
  if (sampling.typical_p) out.set_typical_p(*sampling.typical_p);
  if (sampling.repeat_penalty) out.set_repeat_penalty(*sampling.repeat_penalty);
  if (sampling.presence_penalty) out.set_presence_penalty(*sampling.presence_penalty);
  if (sampling.frequency_penalty) out.set_frequency_penalty(*sampling.frequency_penalty);
  if (sampling.repeat_last_n) out.set_repeat_last_n(*sampling.repeat_last_n);
  if (sampling.dry_multiplier) out.set_dry_multiplier(*sampling.dry_multiplier);
  if (sampling.dry_base) out.set_dry_base(*sampling.dry_base);
  if (sampling.dry_allowed_length) out.set_dry_allowed_length(*sampling.dry_allowed_length);
  if (sampling.dry_penalty_last_n) out.set_dry_penalty_last_n(*sampling.dry_penalty_last_n);
  for (const std::string& breaker : sampling.dry_sequence_breakers) {
    out.add_dry_sequence_breakers(utf8::repair(breaker));
  }
  if (sampling.xtc_probability) out.set_xtc_probability(*sampling.xtc_probability);
  if (sampling.xtc_threshold) out.set_xtc_threshold(*sampling.xtc_threshold);
  if (sampling.mirostat) out.set_mirostat(*sampling.mirostat);
  if (sampling.mirostat_tau) out.set_mirostat_tau(*sampling.mirostat_tau);
  if (sampling.mirostat_eta) out.set_mirostat_eta(*sampling.mirostat_eta);
  for (const auto& [token, bias] : sampling.logit_bias) {
    wire::LogitBias* entry = out.add_logit_bias();
    entry->set_token(token);
    entry->set_bias(bias);
  }
  if (sampling.seed) out.set_seed(*sampling.seed);
}

void to_wire(const LoadConfig& config, wire::LoadConfig& out) {
  out.set_context_length(config.context_length.value_or(0));
  out.set_kv_cells(config.kv_cells.value_or(0));
  if (config.cache_tokens) out.set_cache_tokens(*config.cache_tokens);
  out.set_parallel(config.parallel.value_or(0));
  out.set_eval_batch_size(config.eval_batch_size.value_or(0));
  out.set_threads(config.threads.value_or(0));
  out.set_batch_threads(config.batch_threads.value_or(0));
  if (config.gpu_layers) out.set_gpu_layers(*config.gpu_layers);
  out.set_flash_attention(to_switch(config.flash_attention));
  if (config.offload_kv_cache_to_gpu) out.set_offload_kv_cache_to_gpu(*config.offload_kv_cache_to_gpu);
  out.set_k_cache_type(utf8::repair(config.k_cache_type.value_or("")));
  out.set_v_cache_type(utf8::repair(config.v_cache_type.value_or("")));
  if (config.use_mmap) out.set_use_mmap(*config.use_mmap);
  out.set_use_mlock(config.use_mlock.value_or(false));
  if (config.rope_freq_base) out.set_rope_freq_base(*config.rope_freq_base);
  if (config.rope_freq_scale) out.set_rope_freq_scale(*config.rope_freq_scale);
  if (config.seed) out.set_seed(*config.seed);
  if (config.num_experts) out.set_num_experts(*config.num_experts);
  out.set_pooling(utf8::repair(config.pooling.value_or("")));
  if (config.prefix_cache) out.set_prefix_cache(*config.prefix_cache);
  if (config.ngram_speculation) out.set_ngram_speculation(*config.ngram_speculation);
  if (config.kv_memory_bytes) out.set_kv_memory_bytes(*config.kv_memory_bytes);
  if (config.token_gap_ms) out.set_token_gap_ms(*config.token_gap_ms);
}

StopReason stop_reason(wire::StopReason reason) {
  switch (reason) {
    case wire::STOP_STRING: return StopReason::kStopString;
    case wire::STOP_MAX_TOKENS: return StopReason::kMaxTokens;
    case wire::STOP_CONTEXT_LENGTH: return StopReason::kContextLength;
    case wire::STOP_CANCELLED: return StopReason::kCancelled;
    default: return StopReason::kEndToken;
  }
}

ErrorCode error_code(wire::ErrorKind kind) {
  switch (kind) {
    case wire::ERROR_INVALID_REQUEST: return ErrorCode::kInvalidRequest;
    case wire::ERROR_CONTEXT_LENGTH_EXCEEDED: return ErrorCode::kContextLengthExceeded;
    case wire::ERROR_LOAD_FAILED: return ErrorCode::kModelLoadFailed;
    case wire::ERROR_INSUFFICIENT_MEMORY: return ErrorCode::kInsufficientResources;
    case wire::ERROR_NOT_LOADED: return ErrorCode::kModelNotLoaded;
    case wire::ERROR_UNSUPPORTED: return ErrorCode::kInvalidRequest;
    case wire::ERROR_CANCELLED: return ErrorCode::kCancelled;
    default: return ErrorCode::kInternal;
  }
}

}  // namespace

void to_wire(const PromptSegment& segment, wire::Segment& out) {
  if (segment.tokens.empty()) {
    out.set_text(segment.text);
  } else {
    out.mutable_tokens()->mutable_ids()->Add(segment.tokens.begin(), segment.tokens.end());
  }
  out.set_provenance(segment.is_template ? wire::PROVENANCE_TEMPLATE : wire::PROVENANCE_CONTENT);
}

void to_wire(const GenerateRequest& request, wire::Generate& out) {
  for (const PromptSegment& segment : request.prompt) to_wire(segment, *out.add_prompt());
  to_wire(request.sampling, *out.mutable_sampling());
  out.mutable_limits()->set_max_tokens(request.max_tokens);
  for (const std::string& stop : request.stop_strings) out.mutable_limits()->add_stop_strings(utf8::repair(stop));
  out.mutable_limits()->set_ignore_end_tokens(request.ignore_end_tokens);
  out.set_logprobs(request.logprobs);
  out.set_top_logprobs(request.top_logprobs);
  out.set_prompt_logprobs(request.prompt_logprobs);
  out.set_add_bos(request.add_bos);
  out.set_priority(request.priority);
  if (request.kept_segments) out.mutable_context_shift()->set_kept_segments(*request.kept_segments);
  out.set_draft_model_path(utf8::repair(request.draft_model_path.native()));
}

void to_wire(const EmbedRequest& request, wire::Embed& out) {
  for (const EmbedInput& input : request.inputs) {
    wire::Segment* segment = out.add_inputs();
    if (input.tokens.empty()) {
      segment->set_text(input.text);
    } else {
      segment->mutable_tokens()->mutable_ids()->Add(input.tokens.begin(), input.tokens.end());
    }
    segment->set_provenance(wire::PROVENANCE_CONTENT);
  }
  out.set_truncate(request.truncate);
  out.set_normalize(request.normalize);
}

Result<void> to_wire(const LoadRequest& request, wire::Load& out) {
  for (const std::filesystem::path& path : {request.path, request.mmproj_path}) {
    if (!utf8::is_valid(path.native())) {
      return fail(ErrorCode::kModelLoadFailed,
                  fmt::format("The file name {} is not valid UTF-8: rename the file", utf8::repair(path.native())));
    }
  }
  out.set_path(request.path.string());
  out.set_mmproj_path(request.mmproj_path.string());
  to_wire(request.config, *out.mutable_config());
  out.set_embedding(request.kind == ModelKind::kEmbedding);
  out.set_kv_cache_folder(utf8::repair(request.kv_cache_folder.native()));
  out.set_kv_cache_disk_bytes(request.kv_cache_disk_bytes);
  if (request.memory_share) out.set_memory_share(*request.memory_share);
  for (const std::filesystem::path& folder : request.model_folders)
    out.add_model_folders(utf8::repair(folder.native()));
  return {};
}

Delta from_wire(wire::Delta& delta) {
  Delta out;
  out.of_prompt = delta.of_prompt();
  out.pieces.reserve(static_cast<std::size_t>(delta.pieces_size()));
  for (wire::Piece& piece : *delta.mutable_pieces()) {
    Piece& added = out.pieces.emplace_back();
    added.text = std::move(*piece.mutable_text());
    added.is_control = piece.is_control();
    added.token = piece.token_id();
    if (piece.has_logprob()) added.logprob = piece.logprob();
    added.token_bytes = std::move(*piece.mutable_token_bytes());
    added.top.reserve(static_cast<std::size_t>(piece.top_size()));
    for (wire::TokenLogprob& candidate : *piece.mutable_top()) {
      added.top.push_back({candidate.token_id(), std::move(*candidate.mutable_bytes()), candidate.logprob()});
    }
  }
  return out;
}

Done from_wire(const wire::Done& done) {
  Done out;
  out.reason = stop_reason(done.reason());
  out.stop_string = done.stop_string();
  if (done.has_end_token()) out.end_token = done.end_token();
  out.prompt_tokens = done.prompt_tokens();
  out.cached_tokens = done.cached_tokens();
  out.predicted_tokens = done.predicted_tokens();
  out.seed = done.seed();
  out.dropped_tokens = done.dropped_tokens();
  out.queue_seconds = done.queue_seconds();
  out.prompt_seconds = done.prompt_seconds();
  out.generation_seconds = done.generation_seconds();
  out.accepted_draft_tokens = done.accepted_draft_tokens();
  out.rejected_draft_tokens = done.rejected_draft_tokens();
  out.ignored_draft_tokens = done.ignored_draft_tokens();
  return out;
}

Error from_wire(const wire::Error& error) {
  Error out{error_code(error.kind()), error.message(), error.param()};
  if (out.message.empty()) out.message = "The engine gave no reason";
  if (out.code == ErrorCode::kInvalidRequest && out.param == "draft_model") {
    out.code = ErrorCode::kDraftModelIncompatible;
  }
  return out;
}

LoadConfig from_wire(const wire::LoadConfig& config) {
  LoadConfig out;
  out.context_length = unless_zero(config.context_length());
  out.kv_cells = unless_zero(config.kv_cells());
  if (config.has_cache_tokens()) out.cache_tokens = config.cache_tokens();
  out.parallel = unless_zero(config.parallel());
  out.eval_batch_size = unless_zero(config.eval_batch_size());
  out.threads = unless_zero(config.threads());
  out.batch_threads = unless_zero(config.batch_threads());
  if (config.has_gpu_layers()) out.gpu_layers = config.gpu_layers();
  out.flash_attention = from_switch(config.flash_attention());
  if (config.has_offload_kv_cache_to_gpu()) out.offload_kv_cache_to_gpu = config.offload_kv_cache_to_gpu();
  out.k_cache_type = unless_empty(config.k_cache_type());
  out.v_cache_type = unless_empty(config.v_cache_type());
  if (config.has_use_mmap()) out.use_mmap = config.use_mmap();
  out.use_mlock = config.use_mlock();
  if (config.has_rope_freq_base()) out.rope_freq_base = config.rope_freq_base();
  if (config.has_rope_freq_scale()) out.rope_freq_scale = config.rope_freq_scale();
  if (config.has_seed()) out.seed = config.seed();
  if (config.has_num_experts()) out.num_experts = config.num_experts();
  out.pooling = unless_empty(config.pooling());
  if (config.has_prefix_cache()) out.prefix_cache = config.prefix_cache();
  if (config.has_ngram_speculation()) out.ngram_speculation = config.ngram_speculation();
  if (config.has_kv_memory_bytes()) out.kv_memory_bytes = config.kv_memory_bytes();
  if (config.has_token_gap_ms()) out.token_gap_ms = config.token_gap_ms();
  return out;
}

MemoryEstimate from_wire(const wire::Estimated& estimated) {
  // Far above any machine; their sum still fits 64 bits.
  constexpr std::uint64_t kMost = std::uint64_t{1} << 60;
  MemoryEstimate out;
  out.config = from_wire(estimated.config());
  out.weight_bytes = std::min(estimated.weight_bytes(), kMost);
  out.kv_cache_bytes = std::min(estimated.kv_cache_bytes(), kMost);
  out.state_bytes = std::min(estimated.state_bytes(), kMost);
  out.compute_bytes = std::min(estimated.compute_bytes(), kMost);
  out.process_bytes = std::min(estimated.process_bytes(), kMost);
  out.gpu_bytes = std::min(estimated.gpu_bytes(), kMost);
  out.available_bytes = std::min(estimated.available_bytes(), kMost);
  out.fits = estimated.fits();
  out.lowered = estimated.lowered();
  out.exact = estimated.exact();
  return out;
}

EngineModelInfo from_wire(const wire::ModelInfo& model) {
  EngineModelInfo out;
  out.architecture = model.architecture();
  out.description = model.description();
  out.parameter_count = model.parameter_count();
  out.size_bytes = model.size_bytes();
  out.trained_context_length = model.trained_context_length();
  out.embedding_length = model.embedding_length();
  out.vocabulary_size = model.vocabulary_size();
  out.adds_bos = model.adds_bos();
  out.bos_text = model.bos_text();
  out.eos_text = model.eos_text();
  out.can_shift = model.can_shift();
  out.has_fill_in_middle = model.has_fill_in_middle();
  return out;
}

namespace {

// Empty where the numbers make no histogram.
metrics::HistogramCounts from_wire(const wire::Histogram& histogram) {
  constexpr int kMostBounds = 100;
  const auto& bounds = histogram.bounds();
  const bool well_formed = bounds.size() <= kMostBounds && histogram.counts_size() == bounds.size() + 1 &&
                           std::isfinite(histogram.sum()) &&
                           std::ranges::all_of(bounds, [](double bound) { return std::isfinite(bound); }) &&
                           std::ranges::is_sorted(bounds, std::ranges::less_equal());
  if (!well_formed) return {};
  return {{bounds.begin(), bounds.end()}, {histogram.counts().begin(), histogram.counts().end()}, histogram.sum()};
}

}  // namespace

EngineStatistics from_wire(const wire::InfoResult& info) {
  EngineStatistics statistics;
  statistics.running = info.running();
  statistics.waiting = info.waiting();
  statistics.paused = info.paused();
  statistics.cells_total = info.cells_total();
  statistics.cells_used = info.cells_used();
  statistics.cells_cached = info.cells_cached();
  statistics.cells_evicted = info.cells_evicted();
  statistics.sequences_cached = info.sequences_cached();
  statistics.decode_steps = info.decode_steps();
  statistics.prompt_tokens_computed = info.prompt_tokens_computed();
  statistics.prompt_tokens_reused = info.prompt_tokens_reused();
  statistics.prompt_tokens_from_memory = info.prompt_tokens_from_memory();
  statistics.prompt_tokens_from_disk = info.prompt_tokens_from_disk();
  statistics.prompt_tokens_unusable = info.prompt_tokens_unusable();
  statistics.predicted_tokens = info.tokens_predicted();
  statistics.draft_tokens = info.draft_tokens();
  statistics.draft_tokens_accepted = info.draft_tokens_accepted();
  statistics.kv_memory_bytes = info.kv_memory_bytes();
  statistics.kv_disk_blocks = info.kv_disk_blocks();
  statistics.preemptions = info.preemptions();
  statistics.context_shifts = info.context_shifts();
  statistics.context_shifts_computed = info.context_shifts_computed();
  statistics.checkpoints_kept = info.checkpoints_kept();
  statistics.checkpoints_used = info.checkpoints_used();
  statistics.step_seconds = from_wire(info.step_seconds());
  statistics.step_tokens = from_wire(info.step_tokens());
  return statistics;
}

Result<EmbedResult> from_wire(const wire::Embeddings& embeddings, std::size_t inputs) {
  static_assert(sizeof(float) == 4 && std::numeric_limits<float>::is_iec559);
  const std::string& bytes = embeddings.values();
  const std::size_t counts = static_cast<std::size_t>(embeddings.token_counts_size());
  if (embeddings.dimensions() == 0 || bytes.size() != inputs * embeddings.dimensions() * sizeof(float) ||
      counts != inputs) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("The engine answered {} inputs with {} bytes of {} dimensions and {} token counts", inputs,
                            bytes.size(), embeddings.dimensions(), counts));
  }
  EmbedResult out;
  out.dimensions = embeddings.dimensions();
  out.values.resize(bytes.size() / sizeof(float));
  if (!bytes.empty()) std::memcpy(out.values.data(), bytes.data(), bytes.size());
  out.token_counts.assign(embeddings.token_counts().begin(), embeddings.token_counts().end());
  return out;
}

}  // namespace atelier::runtime
