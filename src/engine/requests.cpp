#include "engine/requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "engine/prefix_tree.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

namespace {

struct Range {
  const char* name;
  float value;
  float least;
  float most;
};

Result<void> check(const Range& range) {
  // Written so that NaN fails.
  if (range.value >= range.least && range.value <= range.most) return {};
  return fail(ErrorCode::kInvalidRequest,
              fmt::format("{} is {}; it must be between {} and {}", range.name, range.value, range.least, range.most),
              range.name);
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

Result<void> read_bias(const wire::Sampling& sampling, const Vocabulary& vocabulary, SamplerSettings& settings) {
  for (const wire::LogitBias& entry : sampling.logit_bias()) {
    if (!vocabulary.contains(entry.token())) {
      return fail(ErrorCode::kInvalidRequest,
                  fmt::format("logit_bias names token {}, which is outside the vocabulary (0 to {})", entry.token(),
                              vocabulary.size() - 1),
                  "logit_bias");
    }
    const bool bans = entry.bias() == -std::numeric_limits<float>::infinity();
    if (!bans && !std::isfinite(entry.bias())) {
      return fail(ErrorCode::kInvalidRequest, fmt::format("The logit_bias of token {} is not a number", entry.token()),
                  "logit_bias");
    }
    settings.bias.emplace_back(entry.token(), entry.bias());
  }
  return {};
}

Result<void> read_dry(const wire::Sampling& sampling, DrySettings& dry) {
  if (sampling.has_dry_multiplier()) dry.multiplier = sampling.dry_multiplier();
  if (sampling.has_dry_base()) dry.base = sampling.dry_base();
  if (sampling.has_dry_allowed_length()) dry.allowed_length = sampling.dry_allowed_length();
  if (sampling.has_dry_penalty_last_n()) dry.last_n = sampling.dry_penalty_last_n();
  constexpr int kMaxBreakers = 64;
  constexpr std::size_t kMaxBreakerBytes = 40;
  if (sampling.dry_sequence_breakers_size() > kMaxBreakers) {
    return fail(ErrorCode::kInvalidRequest, fmt::format("There are more than {} dry_sequence_breakers", kMaxBreakers),
                "dry_sequence_breakers");
  }
  if (sampling.dry_sequence_breakers_size() > 0) dry.sequence_breakers.clear();
  for (const std::string& breaker : sampling.dry_sequence_breakers()) {
    if (breaker.empty() || breaker.size() > kMaxBreakerBytes) {
      return fail(ErrorCode::kInvalidRequest,
                  fmt::format("A sequence breaker has 1 to {} bytes, not {}", kMaxBreakerBytes, breaker.size()),
                  "dry_sequence_breakers");
    }
    dry.sequence_breakers.push_back(breaker);
  }
  if (dry.allowed_length < 0) {
    return fail(ErrorCode::kInvalidRequest, "dry_allowed_length must not be negative", "dry_allowed_length");
  }
  return {};
}

}  // namespace

Result<std::vector<std::int32_t>> tokenize_segments(const google::protobuf::RepeatedPtrField<wire::Segment>& segments,
                                                    const Vocabulary& vocabulary, TokenizeOptions options) {
  std::vector<PromptPart> parts;
  parts.reserve(static_cast<std::size_t>(segments.size()));
  for (const wire::Segment& segment : segments) {
    PromptPart part;
    part.is_template = segment.provenance() == wire::PROVENANCE_TEMPLATE;
    switch (segment.body_case()) {
      case wire::Segment::kText: part.text = segment.text(); break;
      case wire::Segment::kTokens:
        part.tokens = {segment.tokens().ids().data(), static_cast<std::size_t>(segment.tokens().ids_size())};
        break;
      case wire::Segment::kMedia:
        return fail(ErrorCode::kNotImplemented, "This engine does not read images yet", "prompt");
      case wire::Segment::BODY_NOT_SET: break;
    }
    parts.push_back(part);
  }
  return vocabulary.tokenize(parts, options);
}

Result<SamplerSettings> sampler_settings(const wire::Sampling& sampling, const Vocabulary& vocabulary,
                                         std::optional<std::uint64_t> default_seed) {
  SamplerSettings s;
  if (sampling.has_temperature()) s.temperature = sampling.temperature();
  if (sampling.has_top_k()) s.top_k = sampling.top_k();
  if (sampling.has_top_p()) s.top_p = sampling.top_p();
  if (sampling.has_min_p()) s.min_p = sampling.min_p();
  if (sampling.has_typical_p()) s.typical_p = sampling.typical_p();
  if (sampling.has_repeat_penalty()) s.repeat_penalty = sampling.repeat_penalty();
  if (sampling.has_presence_penalty()) s.presence_penalty = sampling.presence_penalty();
  if (sampling.has_frequency_penalty()) s.frequency_penalty = sampling.frequency_penalty();
  if (sampling.has_repeat_last_n()) s.repeat_last_n = sampling.repeat_last_n();
  if (sampling.has_xtc_probability()) s.xtc_probability = sampling.xtc_probability();
  if (sampling.has_xtc_threshold()) s.xtc_threshold = sampling.xtc_threshold();
  if (sampling.has_mirostat()) s.mirostat = sampling.mirostat();
  if (sampling.has_mirostat_tau()) s.mirostat_tau = sampling.mirostat_tau();
  if (sampling.has_mirostat_eta()) s.mirostat_eta = sampling.mirostat_eta();
  if (auto done = read_dry(sampling, s.dry); !done) return std::unexpected(done.error());
  constexpr float kLarge = 1e6F;
  constexpr float kSmall = 1e-6F;
  const Range ranges[] = {
      {"temperature", s.temperature, 0, kLarge},
      {"top_p", s.top_p, 0, kLarge},
      {"min_p", s.min_p, 0, 1},
      {"typical_p", s.typical_p, 0, kLarge},
      {"repeat_penalty", s.repeat_penalty, kSmall, kLarge},
      {"presence_penalty", s.presence_penalty, -kLarge, kLarge},
      {"frequency_penalty", s.frequency_penalty, -kLarge, kLarge},
      {"xtc_probability", s.xtc_probability, 0, 1},
      {"xtc_threshold", s.xtc_threshold, 0, 1},
      {"mirostat", static_cast<float>(s.mirostat), 0, 2},
      {"mirostat_tau", s.mirostat_tau, 0, kLarge},
      {"mirostat_eta", s.mirostat_eta, 0, kLarge},
      {"dry_multiplier", s.dry.multiplier, 0, kLarge},
      {"dry_base", s.dry.base, 1, kLarge},
  };
  for (const Range& range : ranges) {
    if (auto done = check(range); !done) return std::unexpected(done.error());
  }
  if (auto done = read_bias(sampling, vocabulary, s); !done) return std::unexpected(done.error());
  for (const std::int32_t token : vocabulary.suppressed()) {
    if (vocabulary.contains(token)) s.bias.emplace_back(token, -std::numeric_limits<float>::infinity());
  }
  s.seed = sampling.has_seed() ? sampling.seed() : default_seed ? *default_seed : random_seed();
  return s;
}

// Tokens of the prompt that the first segments make. The prompt is not cut between segments, so a token that goes across
// their end is none of them.
Result<std::size_t> kept_tokens(const wire::Generate& message, const Vocabulary& vocabulary,
                                std::span<const std::int32_t> prompt) {
  google::protobuf::RepeatedPtrField<wire::Segment> head(message.prompt());
  const int segments =
      static_cast<int>(std::min(message.context_shift().kept_segments(), static_cast<std::uint32_t>(head.size())));
  head.DeleteSubrange(segments, head.size() - segments);
  const auto tokens = tokenize_segments(head, vocabulary, {.add_prefix = message.add_bos()});
  if (!tokens) return std::unexpected(tokens.error());
  const std::span<const std::int32_t> prefix = vocabulary.prefix();
  const std::size_t of_prefix = common_prefix(prefix, prompt) == prefix.size() ? prefix.size() : 0;
  return std::max(common_prefix(*tokens, prompt), of_prefix);
}

Result<GenerateRequest> generate_request(const wire::Generate& message, const Vocabulary& vocabulary,
                                         std::optional<std::uint64_t> default_seed) {
  auto sampling = sampler_settings(message.sampling(), vocabulary, default_seed);
  if (!sampling) return std::unexpected(sampling.error());
  if (message.top_logprobs() > kMaxTopLogprobs) {
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("top_logprobs is {}; at most {} are possible", message.top_logprobs(), kMaxTopLogprobs),
                "top_logprobs");
  }
  GenerateRequest request;
  for (const std::string& text : message.limits().stop_strings()) {
    if (text.size() > kMaxStopStringBytes) {
      return fail(ErrorCode::kInvalidRequest,
                  fmt::format("A stop string has {} bytes; at most {} are possible", text.size(), kMaxStopStringBytes),
                  "stop_strings");
    }
    if (!text.empty()) request.stop_strings.push_back(text);
  }
  if (request.stop_strings.size() > kMaxStopStrings) {
    return fail(
        ErrorCode::kInvalidRequest,
        fmt::format("There are {} stop strings; at most {} are possible", request.stop_strings.size(), kMaxStopStrings),
        "stop_strings");
  }
  auto prompt = tokenize_segments(message.prompt(), vocabulary, {.add_prefix = message.add_bos()});
  if (!prompt) return std::unexpected(prompt.error());
  request.prompt = std::move(*prompt);
  if (message.has_context_shift()) {
    const auto kept = kept_tokens(message, vocabulary, request.prompt);
    if (!kept) return std::unexpected(kept.error());
    request.kept_tokens = *kept;
  }
  request.sampling = std::move(*sampling);
  request.max_tokens = message.limits().max_tokens();
  request.ignore_end_tokens = message.limits().ignore_end_tokens();
  if (request.ignore_end_tokens) {
    for (const std::int32_t token : vocabulary.end_tokens()) {
      request.sampling.bias.emplace_back(token, -std::numeric_limits<float>::infinity());
    }
  }
  request.logprobs = message.logprobs();
  request.top_logprobs = message.top_logprobs();
  request.prompt_logprobs = message.prompt_logprobs();
  request.priority = message.priority();
  request.draft_path = message.draft_model_path();
  return request;
}

void fill_error(const Error& error, wire::Error& out) {
  out.set_message(error.message);
  out.set_param(error.param);
  switch (error.code) {
    case ErrorCode::kInvalidRequest: out.set_kind(wire::ERROR_INVALID_REQUEST); break;
    case ErrorCode::kContextLengthExceeded: out.set_kind(wire::ERROR_CONTEXT_LENGTH_EXCEEDED); break;
    case ErrorCode::kModelLoadFailed: out.set_kind(wire::ERROR_LOAD_FAILED); break;
    case ErrorCode::kInsufficientResources: out.set_kind(wire::ERROR_INSUFFICIENT_MEMORY); break;
    case ErrorCode::kModelNotLoaded: out.set_kind(wire::ERROR_NOT_LOADED); break;
    case ErrorCode::kNotImplemented: out.set_kind(wire::ERROR_UNSUPPORTED); break;
    case ErrorCode::kCancelled: out.set_kind(wire::ERROR_CANCELLED); break;
    default: out.set_kind(wire::ERROR_INTERNAL); break;
  }
}

}  // namespace atelier::engine
