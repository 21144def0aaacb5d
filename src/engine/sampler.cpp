#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/invariant.h"

namespace atelier::engine {

namespace {

std::size_t window_length(std::int32_t last_n, std::uint32_t context_length) {
  if (last_n < 0) return context_length;
  return std::min<std::size_t>(static_cast<std::size_t>(last_n), context_length);
}

bool has_penalties(const SamplerSettings& s) {
  return s.repeat_penalty != 1 || s.presence_penalty != 0 || s.frequency_penalty != 0;
}

}  // namespace

Sampler::Sampler(SamplerSettings settings, std::uint32_t context_length, std::unique_ptr<DryPenalty> dry)
    : settings_(std::move(settings)),
      context_length_(context_length),
      window_(has_penalties(settings_) ? window_length(settings_.repeat_last_n, context_length_) : 0),
      dry_(std::move(dry)),
      random_(settings_.seed),
      mirostat_mu_(2 * settings_.mirostat_tau) {}

void Sampler::accept(std::int32_t token) {
  window_.push(token);
  if (dry_) dry_->accept(token);
}

void Sampler::adjust(std::span<float> logits) {
  for (const auto& [token, bias] : settings_.bias) logits[static_cast<std::size_t>(token)] += bias;
  apply_penalties(logits);
  if (dry_) dry_->apply(logits);
}

// As in Keskar et al. 2019 (repetition) and the OpenAI API (presence, frequency). Dividing a negative logit
// would raise it, so those are multiplied.
void Sampler::apply_penalties(std::span<float> logits) const {
  for (const auto& [token, count] : window_.counts()) {
    float& logit = logits[static_cast<std::size_t>(token)];
    if (logit <= 0)
      logit *= settings_.repeat_penalty;
    else
      logit /= settings_.repeat_penalty;
    logit -= static_cast<float>(count) * settings_.frequency_penalty + settings_.presence_penalty;
  }
}

std::optional<std::int32_t> Sampler::choose(std::span<const float> logits) {
  scan_.read(logits);
  if (scan_.empty()) return std::nullopt;
  if (settings_.temperature <= 0) return scan_.largest();
  if (settings_.mirostat != 0) return choose_mirostat(logits.size());
  truncate();
  if (candidates_.empty()) return std::nullopt;
  apply_temperature();
  return candidates_[draw()].token;
}

void Sampler::truncate() {
  if (settings_.top_k > 0) {
    scan_.select_largest(static_cast<std::size_t>(settings_.top_k), candidates_);
    if (settings_.typical_p < 1) {
      set_probabilities(candidates_);
      keep_typical(candidates_, settings_.typical_p);
      sort_by_logit(candidates_);
    }
    if (settings_.top_p < 1) {
      set_probabilities(candidates_);
      keep_top_p(candidates_, settings_.top_p);
    }
    keep_min_p(candidates_, settings_.min_p);
  } else {
    truncate_without_top_k();
  }
  if (settings_.xtc_probability > 0 && candidates_.size() > 1 && random_unit() < settings_.xtc_probability) {
    sort_by_logit(candidates_);
    set_probabilities(candidates_);
    drop_top_choices(candidates_, settings_.xtc_threshold);
  }
}

// Without top-k every token is a candidate at first. A list of all of them is made only where nothing cuts it.
void Sampler::truncate_without_top_k() {
  if (settings_.typical_p < 1) {
    scan_.select_typical(settings_.typical_p, candidates_);
    if (settings_.top_p < 1) {
      sort_by_logit(candidates_);
      set_probabilities(candidates_);
      keep_top_p(candidates_, settings_.top_p);
    }
    keep_min_p(candidates_, settings_.min_p);
  } else if (settings_.top_p < 1) {
    scan_.select_nucleus(settings_.top_p, settings_.min_p, candidates_);
  } else {
    const float below = settings_.min_p > 0 ? std::log(settings_.min_p) : -std::numeric_limits<float>::infinity();
    scan_.select_from(scan_.largest_logit() + below, candidates_);
  }
}

// Mirostat (Basu et al. 2020): keeps the surprise of the answer near tau by moving the bound mu.
std::optional<std::int32_t> Sampler::choose_mirostat(std::size_t vocabulary_size) {
  if (settings_.mirostat == 1)
    list_mirostat_1(vocabulary_size);
  else
    list_mirostat_2();
  if (candidates_.empty()) return std::nullopt;
  set_probabilities(candidates_);
  const Candidate& chosen = candidates_[draw()];
  const float surprise = -std::log2(chosen.p);
  mirostat_mu_ -= settings_.mirostat_eta * (surprise - settings_.mirostat_tau);
  return chosen.token;
}

void Sampler::list_mirostat_1(std::size_t vocabulary_size) {
  // The exponent of the Zipf law is estimated from the 100 likeliest.
  constexpr std::size_t kEstimateFrom = 100;
  scan_.select_largest(kEstimateFrom, candidates_);
  const float scale = 1.0F / settings_.temperature;
  float sum_tb = 0;
  float sum_tt = 0;
  for (std::size_t i = 0; i + 1 < candidates_.size(); ++i) {
    const float t = std::log(static_cast<float>(i + 2) / static_cast<float>(i + 1));
    const float b = (candidates_[i].logit - candidates_[i + 1].logit) * scale;
    sum_tb += t * b;
    sum_tt += t * t;
  }
  const float s = sum_tt > 0 ? sum_tb / sum_tt : 1.0F;
  const float epsilon = s - 1;
  const auto n = static_cast<float>(vocabulary_size);
  const float k = std::pow(epsilon * std::pow(2.0F, mirostat_mu_) / (1 - std::pow(n, -epsilon)), 1 / s);
  std::size_t keep = vocabulary_size;
  if (std::isfinite(k) && k < n) keep = k > 1 ? static_cast<std::size_t>(k) : 1;
  scan_.select_largest(keep, candidates_);
  apply_temperature();
}

void Sampler::list_mirostat_2() {
  // Those with a surprise of at most mu, -log2(p) <= mu, as a bound on the logit.
  const float best = scan_.largest_logit();
  const double log_sum = std::log(scan_.sum_of_exponentials(settings_.temperature));
  const double least = best + (log_sum - mirostat_mu_ * std::log(2.0)) * settings_.temperature;
  scan_.select_from(static_cast<float>(std::min<double>(least, best)), candidates_);
  apply_temperature();
}

void Sampler::apply_temperature() {
  if (settings_.temperature != 1) {
    for (Candidate& c : candidates_) c.logit /= settings_.temperature;
  }
  set_probabilities(candidates_);
}

std::size_t Sampler::draw() {
  const double target = random_unit();
  double sum = 0;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    sum += candidates_[i].p;
    if (target < sum) return i;
  }
  return candidates_.size() - 1;  // rounding
}

double Sampler::random_unit() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }

}  // namespace atelier::engine
