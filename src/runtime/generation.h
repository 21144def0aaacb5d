// What an engine is asked and what it answers, as plain C++: nobody above this room sees protobuf.
// Everything here lives on the server's loop thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "base/error.h"
#include "base/metrics.h"

namespace atelier::runtime {

namespace asio = boost::asio;

// ---------------------------------------------------------------- requests

// A stretch of a prompt. In content, text that spells a special token stays text (decisions: provenance).
struct PromptSegment {
  std::string text;
  bool is_template = true;
  std::vector<std::int32_t> tokens;  // used instead of the text where not empty
};

// Absent members are off (the engine's neutral value), see proto/engine.proto.
struct Sampling {
  std::optional<float> temperature;
  std::optional<std::int32_t> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> typical_p;
  std::optional<float> repeat_penalty;
  std::optional<float> presence_penalty;
  std::optional<float> frequency_penalty;
  std::optional<std::int32_t> repeat_last_n;
  std::optional<float> dry_multiplier;
  std::optional<float> dry_base;
  std::optional<std::int32_t> dry_allowed_length;
  std::optional<std::int32_t> dry_penalty_last_n;
  std::vector<std::string> dry_sequence_breakers;
  std::optional<float> xtc_probability;
  std::optional<float> xtc_threshold;
  std::optional<std::int32_t> mirostat;
  std::optional<float> mirostat_tau;
  std::optional<float> mirostat_eta;
  std::vector<std::pair<std::int32_t, float>> logit_bias;
  std::optional<std::uint64_t> seed;
};

struct GenerateRequest {
  std::vector<PromptSegment> prompt;
  bool add_bos = true;
  Sampling sampling;
  std::uint64_t max_tokens = 0;  // 0: no limit but the context's
  std::vector<std::string> stop_strings;
  bool ignore_end_tokens = false;
  bool logprobs = false;
  std::uint32_t top_logprobs = 0;
  bool prompt_logprobs = false;
  std::int32_t priority = 0;
  // Where the context is full the answer goes on, and so many of the prompt's first segments stay (ContextShift of
  // proto/engine.proto). Absent: it ends.
  std::optional<std::uint32_t> kept_segments;
  std::filesystem::path draft_model_path;  // a smaller model that guesses; empty: none
};

// ---------------------------------------------------------------- events, in the order they come

struct Accepted {
  std::uint64_t prompt_tokens = 0;
  std::uint32_t queue_position = 0;
};
struct Started {
  std::uint64_t cached_tokens = 0;
};
struct PromptProgress {
  std::uint64_t processed_tokens = 0;
  std::uint64_t total_tokens = 0;
};
struct TokenLogprob {
  std::int32_t token = 0;
  std::string bytes;
  float logprob = 0;
};
struct Piece {
  std::string text;  // complete UTF-8
  bool is_control = false;
  std::int32_t token = 0;
  std::optional<float> logprob;
  std::string token_bytes;
  std::vector<TokenLogprob> top;
};
struct Delta {
  std::vector<Piece> pieces;
  bool of_prompt = false;
};
enum class StopReason { kEndToken, kStopString, kMaxTokens, kContextLength, kCancelled };
struct Done {
  StopReason reason = StopReason::kEndToken;
  std::string stop_string;
  std::optional<std::int32_t> end_token;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cached_tokens = 0;
  std::uint64_t predicted_tokens = 0;
  std::uint64_t seed = 0;
  double queue_seconds = 0;
  double prompt_seconds = 0;
  double generation_seconds = 0;
  std::uint64_t dropped_tokens = 0;  // where the context was full
  // Guessed tokens (proto/engine.proto).
  std::uint64_t accepted_draft_tokens = 0;
  std::uint64_t rejected_draft_tokens = 0;
  std::uint64_t ignored_draft_tokens = 0;
};

// Error ends the stream as Done does; exactly one of them comes, last.
using Event = std::variant<Accepted, Started, PromptProgress, Delta, Done, Error>;

// One running prediction. The engine's events wait here, bounded: above kPauseBytes the engine is told to
// pause this prediction, below kResumeBytes to go on (so a slow reader costs no memory and no other stream).
// Destroying it before its end cancels the prediction in the engine.
class Generation {
 public:
  static constexpr std::size_t kPauseBytes = 256 * 1024;
  static constexpr std::size_t kResumeBytes = 64 * 1024;

  virtual ~Generation() = default;

  // The next event; nothing where the deadline passed first (the stream then goes on). After Done or Error
  // it must not be called again. One waiter at a time. When the engine dies the stream ends with
  // kEngineCrashed at once.
  virtual asio::awaitable<std::optional<Event>> next(std::chrono::steady_clock::time_point deadline) = 0;

  // Ends the prediction: the stream still ends with Done (kCancelled) or Error. Safe to call twice.
  virtual void cancel() = 0;
};

// ---------------------------------------------------------------- statistics

// What an engine counts, from its load on (proto/engine.proto, InfoResult).
struct EngineStatistics {
  std::uint32_t running = 0;  // predictions
  std::uint32_t waiting = 0;
  std::uint32_t paused = 0;
  std::uint64_t cells_total = 0;
  std::uint64_t cells_used = 0;    // by predictions
  std::uint64_t cells_cached = 0;  // by nobody, given up when they are needed
  std::uint64_t cells_evicted = 0;
  std::uint32_t sequences_cached = 0;
  std::uint64_t decode_steps = 0;
  std::uint64_t prompt_tokens_computed = 0;
  std::uint64_t prompt_tokens_reused = 0;  // from cells, memory and disk
  std::uint64_t prompt_tokens_from_memory = 0;
  std::uint64_t prompt_tokens_from_disk = 0;
  std::uint64_t prompt_tokens_unusable = 0;
  std::uint64_t predicted_tokens = 0;
  std::uint64_t draft_tokens = 0;
  std::uint64_t draft_tokens_accepted = 0;
  std::uint64_t kv_memory_bytes = 0;
  std::uint64_t kv_disk_blocks = 0;
  std::uint64_t preemptions = 0;
  std::uint64_t context_shifts = 0;           // a full context lost its older half
  std::uint64_t context_shifts_computed = 0;  // of those, what stayed had to be computed again
  std::uint64_t checkpoints_kept = 0;
  std::uint64_t checkpoints_used = 0;
  metrics::HistogramCounts step_seconds;
  metrics::HistogramCounts step_tokens;
};

// ---------------------------------------------------------------- embeddings

struct EmbedInput {
  std::string text;
  std::vector<std::int32_t> tokens;  // used instead of the text where not empty
};
struct EmbedRequest {
  std::vector<EmbedInput> inputs;
  bool truncate = false;
  bool normalize = true;
};
struct EmbedResult {
  std::uint32_t dimensions = 0;
  std::vector<float> values;  // inputs one after the other
  std::vector<std::uint64_t> token_counts;
};

}  // namespace atelier::runtime
