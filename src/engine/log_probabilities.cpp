#include "engine/log_probabilities.h"

#include <cmath>
#include <limits>

#include "engine/logit_scan.h"

namespace atelier::engine {

TokenLogProbabilities log_probabilities(std::span<const float> logits, float temperature, std::int32_t chosen,
                                        std::size_t top_count) {
  const float divisor = temperature > 0 ? temperature : 1.0F;
  LogitScan scan;
  scan.read(logits);
  TokenLogProbabilities out;
  constexpr float kLowest = std::numeric_limits<float>::lowest();
  if (scan.empty()) {
    out.chosen = kLowest;
    return out;
  }
  const float largest_logit = scan.largest_logit();
  const double log_sum = std::log(scan.sum_of_exponentials(divisor));
  const auto of = [&](float logit) {
    const double value = (static_cast<double>(logit) - largest_logit) / divisor - log_sum;
    return std::isfinite(value) ? static_cast<float>(value) : kLowest;
  };
  out.chosen = of(logits[static_cast<std::size_t>(chosen)]);
  std::vector<Candidate> best;
  scan.select_largest(top_count, best);
  out.top.reserve(best.size());
  for (const Candidate& c : best) out.top.push_back({c.token, of(c.logit)});
  return out;
}

}  // namespace atelier::engine
