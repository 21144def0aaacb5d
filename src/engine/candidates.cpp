#include "engine/candidates.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace atelier::engine {

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr std::size_t kBlock = 64;

// Four lanes are what every 64-bit processor that we know has; the compiler maps them to SSE or NEON.
using Lanes = float __attribute__((vector_size(16)));
constexpr std::size_t kLanes = 4;

bool better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// The largest of kBlock values. A comparison with NaN is false, so NaN never becomes the maximum.
float block_maximum(const float* values) {
  constexpr std::size_t kSteps = kBlock / kLanes;
  Lanes best[4];
  for (Lanes& lane : best) lane = Lanes{kMinusInfinity, kMinusInfinity, kMinusInfinity, kMinusInfinity};
  for (std::size_t i = 0; i < kSteps; i += 4) {
    for (std::size_t j = 0; j < 4; ++j) {
      Lanes x;
      std::memcpy(&x, values + (i + j) * kLanes, sizeof x);
      best[j] = x > best[j] ? x : best[j];
    }
  }
  best[0] = best[1] > best[0] ? best[1] : best[0];
  best[2] = best[3] > best[2] ? best[3] : best[2];
  best[0] = best[2] > best[0] ? best[2] : best[0];
  float maximum = kMinusInfinity;
  for (std::size_t i = 0; i < kLanes; ++i) maximum = best[0][i] > maximum ? best[0][i] : maximum;
  return maximum;
}

// Calls visit(begin, end) for each block that holds a value above `threshold()`, in order.
template <class Threshold, class Visit>
void for_blocks_above(std::span<const float> logits, Threshold threshold, Visit visit) {
  const std::size_t whole = logits.size() / kBlock * kBlock;
  for (std::size_t begin = 0; begin < whole; begin += kBlock) {
    if (block_maximum(logits.data() + begin) > threshold()) visit(begin, begin + kBlock);
  }
  if (whole < logits.size()) visit(whole, logits.size());
}

}  // namespace

std::int32_t largest(std::span<const float> logits) {
  float best = kMinusInfinity;
  std::int32_t index = -1;
  for_blocks_above(
      logits, [&] { return best; },
      [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
          if (logits[i] > best) {
            best = logits[i];
            index = static_cast<std::int32_t>(i);
          }
        }
      });
  return index;
}

void select_largest(std::span<const float> logits, std::size_t k, std::vector<Candidate>& out) {
  out.clear();
  if (k == 0) return;
  // The list grows to twice what is wanted and is then cut back, which also raises the threshold. A later value
  // equal to the threshold has a larger id than k others that are as good, so only larger ones matter.
  k = std::min(k, logits.size());
  const std::size_t limit = 2 * k + kBlock;
  out.reserve(limit + kBlock);
  float threshold = kMinusInfinity;
  const auto shrink = [&] {
    std::nth_element(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(k - 1), out.end(), better);
    out.resize(k);
    threshold = out[k - 1].logit;
  };
  for_blocks_above(
      logits, [&] { return threshold; },
      [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
          if (logits[i] > threshold) out.push_back({static_cast<std::int32_t>(i), logits[i], 0});
        }
        if (out.size() >= limit) shrink();
      });
  if (out.size() > k) shrink();
  std::sort(out.begin(), out.end(), better);
}

void select_from(std::span<const float> logits, float least, std::vector<Candidate>& out) {
  out.clear();
  const float below = std::nextafter(least, kMinusInfinity);
  for_blocks_above(
      logits, [&] { return below; },
      [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
          if (logits[i] > below) out.push_back({static_cast<std::int32_t>(i), logits[i], 0});
        }
      });
  std::sort(out.begin(), out.end(), better);
}

void list_all(std::span<const float> logits, std::vector<Candidate>& out) {
  out.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > kMinusInfinity) out.push_back({static_cast<std::int32_t>(i), logits[i], 0});
  }
}

void sort_by_logit(std::vector<Candidate>& candidates) { std::sort(candidates.begin(), candidates.end(), better); }

void set_probabilities(std::vector<Candidate>& candidates) {
  float best = kMinusInfinity;
  for (const Candidate& c : candidates) best = c.logit > best ? c.logit : best;
  double sum = 0;
  for (Candidate& c : candidates) {
    c.p = std::exp(c.logit - best);
    sum += c.p;
  }
  const auto scale = static_cast<float>(1.0 / sum);
  for (Candidate& c : candidates) c.p *= scale;
}

double sum_of_exponentials(std::span<const float> logits, float largest_logit, float temperature) {
  const float scale = 1.0F / temperature;
  // All that is 40 below the largest adds less than 1e-11 together, far below a float's last bit, and is often
  // most of the vocabulary.
  constexpr float kNegligible = -40.0F;
  double sum = 0;
  for (const float logit : logits) {
    const float exponent = (logit - largest_logit) * scale;
    if (exponent > kNegligible) sum += std::exp(exponent);
  }
  return sum;
}

void select_nucleus(std::span<const float> logits, float p, std::vector<Candidate>& out) {
  constexpr std::size_t kBucketsPerUnit = 16;
  constexpr std::size_t kBuckets = 40 * kBucketsPerUnit;  // what is 40 below the largest is negligible
  out.clear();
  const std::int32_t best_token = largest(logits);
  if (best_token < 0) return;
  const float best = logits[static_cast<std::size_t>(best_token)];
  const auto bucket_of = [&](float logit) { return static_cast<std::size_t>((best - logit) * kBucketsPerUnit); };
  double mass[kBuckets] = {};
  double sum = 0;
  const float floor = best - static_cast<float>(kBuckets) / kBucketsPerUnit;
  for (const float logit : logits) {
    if (!(logit > floor)) continue;
    const double e = std::exp(logit - best);
    mass[std::min(bucket_of(logit), kBuckets - 1)] += e;
    sum += e;
  }
  std::size_t edge = 0;
  double above = 0;
  while (edge + 1 < kBuckets && above + mass[edge] < p * sum) above += mass[edge++];

  std::vector<Candidate> at_edge;
  for_blocks_above(
      logits, [&] { return floor; },
      [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
          if (!(logits[i] > floor)) continue;
          const std::size_t bucket = std::min(bucket_of(logits[i]), kBuckets - 1);
          if (bucket > edge) continue;
          (bucket < edge ? out : at_edge).push_back({static_cast<std::int32_t>(i), logits[i], 0});
        }
      });
  sort_by_logit(at_edge);
  for (const Candidate& c : at_edge) {
    if (above >= p * sum && !out.empty()) break;
    above += std::exp(c.logit - best);
    out.push_back(c);
  }
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
