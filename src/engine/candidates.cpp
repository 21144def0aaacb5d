#include "engine/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/logit_kernels.h"

namespace atelier::engine {

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// A long list goes through the kernels.
void set_many_probabilities(std::vector<Candidate>& candidates, float best) {
  const std::size_t chunks = (candidates.size() + kChunk - 1) / kChunk;
  std::vector<float> values(chunks * kChunk, kMinusInfinity);
  for (std::size_t i = 0; i < candidates.size(); ++i) values[i] = candidates[i].logit;
  ExponentialSum sum;
  logit_kernels().front().exponentials(values.data(), chunks, best, 1, values.data(), sum);
  const auto scale = static_cast<float>(1.0 / sum.total());
  for (std::size_t i = 0; i < candidates.size(); ++i) candidates[i].p = values[i] * scale;
}

}  // namespace

void sort_by_logit(std::vector<Candidate>& candidates) { std::sort(candidates.begin(), candidates.end(), better); }

void set_probabilities(std::vector<Candidate>& candidates) {
  float best = kMinusInfinity;
  for (const Candidate& c : candidates) best = c.logit > best ? c.logit : best;
  if (candidates.size() >= kChunk && std::isfinite(best)) return set_many_probabilities(candidates, best);
  double sum = 0;
  for (Candidate& c : candidates) {
    // Also where the best is infinite.
    c.p = c.logit == best ? 1 : exponential(c.logit - best);
    sum += c.p;
  }
  const auto scale = static_cast<float>(1.0 / sum);
  for (Candidate& c : candidates) c.p *= scale;
}

void keep_top_p(std::vector<Candidate>& candidates, float p) {
  float sum = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    sum += candidates[i].p;
    if (sum >= p) {
      candidates.resize(i + 1);
      return;
    }
  }
}

void keep_min_p(std::vector<Candidate>& candidates, float p) {
  if (candidates.empty() || p <= 0) return;
  float best = kMinusInfinity;
  for (const Candidate& c : candidates) best = c.logit > best ? c.logit : best;
  const float least = best + std::log(p);
  std::erase_if(candidates, [&](const Candidate& c) { return c.logit < least && c.logit < best; });
}

void keep_typical(std::vector<Candidate>& candidates, float p) {
  if (candidates.empty()) return;
  float entropy = 0;
  for (const Candidate& c : candidates) {
    if (c.p > 0) entropy -= c.p * std::log(c.p);
  }
  const auto distance = [&](const Candidate& c) { return std::fabs(-std::log(c.p) - entropy); };
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<float> distances(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) distances[i] = distance(candidates[i]);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return distances[a] < distances[b]; });
  std::vector<Candidate> kept;
  float sum = 0;
  for (const std::size_t i : order) {
    kept.push_back(candidates[i]);
    sum += candidates[i].p;
    if (sum > p) break;
  }
  candidates = std::move(kept);
}

void drop_top_choices(std::vector<Candidate>& candidates, float threshold) {
  std::size_t last = 0;
  while (last + 1 < candidates.size() && candidates[last + 1].p >= threshold) ++last;
  if (last == 0 || candidates.front().p < threshold) return;
  candidates.erase(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(last));
}

}  // namespace atelier::engine
