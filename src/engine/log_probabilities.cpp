#include "engine/log_probabilities.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/candidates.h"

namespace atelier::engine {

TokenLogProbabilities log_probabilities(std::span<const float> logits, float temperature, std::int32_t chosen,
                                        std::size_t top_count) {
  const float divisor = temperature > 0 ? temperature : 1.0F;
  std::vector<Candidate> best;
  select_largest(logits, std::max<std::size_t>(top_count, 1), best);
  TokenLogProbabilities out;
  constexpr float kLowest = std::numeric_limits<float>::lowest();
  if (best.empty()) {
    out.chosen = kLowest;
    return out;
  }
  const float largest_logit = best.front().logit;
  const double log_sum = std::log(sum_of_exponentials(logits, largest_logit, divisor));
  const auto of = [&](float logit) {
    const double value = (static_cast<double>(logit) - largest_logit) / divisor - log_sum;
    return std::isfinite(value) ? static_cast<float>(value) : kLowest;
  };
  out.chosen = of(logits[static_cast<std::size_t>(chosen)]);
  best.resize(std::min(best.size(), top_count));
  for (const Candidate& c : best) out.top.push_back({c.token, of(c.logit)});
  return out;
}

}  // namespace atelier::engine
