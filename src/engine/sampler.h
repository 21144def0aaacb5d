// Chooses the next token of one answer from its logits.
//
// The order is llama.cpp's: bias, penalties, DRY, top-k, typical, top-p, min-p, XTC, temperature, draw. What
// changes single logits (bias, penalties, DRY) writes them in place, touching only the tokens concerned; the
// rest works on a short list of candidates (logit_scan.h, candidates.h). Temperature 0 is the largest logit
// after bias and penalties. Mirostat replaces the truncation steps.
//
// A sampler belongs to one answer. Samplers of different answers may run at the same time on different threads;
// one sampler is used by one thread at a time. Same seed, same logits: same tokens, on every machine (the
// generator and the way from its bits to a number are fixed here, not left to the standard library).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "engine/candidates.h"
#include "engine/dry_penalty.h"
#include "engine/logit_scan.h"
#include "engine/token_window.h"

namespace atelier::engine {

// Values are in range (requests.cpp checks what comes from outside). The defaults are neutral: off.
struct SamplerSettings {
  float temperature = 1;
  std::int32_t top_k = 0;
  float top_p = 1;
  float min_p = 0;
  float typical_p = 1;
  float repeat_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::int32_t repeat_last_n = 64;  // -1: the whole context
  DrySettings dry;
  float xtc_probability = 0;
  float xtc_threshold = 0.1F;
  int mirostat = 0;
  float mirostat_tau = 5;
  float mirostat_eta = 0.1F;
  std::vector<std::pair<std::int32_t, float>> bias;  // added to the logit; -inf bans
  std::uint64_t seed = 0;
};

class Sampler {
 public:
  // `dry`: null where the settings have no DRY.
  Sampler(SamplerSettings settings, std::uint32_t context_length, std::unique_ptr<DryPenalty> dry);

  // A token of the prompt, or one that was chosen, in order.
  void accept(std::int32_t token);

  // Bias and penalties, in place.
  void adjust(std::span<float> logits);
  // The next token, from adjusted logits; nothing where no token can come (all banned, or not numbers). The
  // caller accepts it.
  std::optional<std::int32_t> choose(std::span<const float> logits);

  float temperature() const { return settings_.temperature; }
  std::uint64_t seed() const { return settings_.seed; }
  // The candidates that the last draw was made from, with their probabilities. For tests.
  const std::vector<Candidate>& candidates() const { return candidates_; }

 private:
  void apply_penalties(std::span<float> logits) const;
  void truncate();
  void truncate_without_top_k();
  std::optional<std::int32_t> choose_mirostat(std::size_t vocabulary_size);
  void list_mirostat_1(std::size_t vocabulary_size);
  void list_mirostat_2();
  void apply_temperature();
  std::size_t draw();
  double random_unit();  // [0, 1)

  SamplerSettings settings_;
  std::uint32_t context_length_;
  TokenWindow window_;
  std::unique_ptr<DryPenalty> dry_;
  std::mt19937_64 random_;
  float mirostat_mu_ = 0;
  LogitScan scan_;
  std::vector<Candidate> candidates_;  // kept between steps for its memory
};

}  // namespace atelier::engine
