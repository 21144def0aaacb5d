#include "engine/log_probabilities.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace atelier::engine {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

std::vector<std::int32_t> sorted_ids(const std::vector<float>& logits) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > kMinusInfinity) ids.push_back(static_cast<std::int32_t>(i));
  }
  std::stable_sort(ids.begin(), ids.end(), [&](std::int32_t a, std::int32_t b) {
    return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
  });
  return ids;
}

TEST(LogProbabilities, EqualSoftmaxComputedInDoubles) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 4);
  for (int round = 0; round < 300; ++round) {
    std::vector<float> logits(1 + random() % (round % 10 == 0 ? 150000 : 5000));
    for (float& logit : logits) logit = normal(random);
    logits[random() % logits.size()] = kMinusInfinity;
    const float temperature = round % 3 == 0 ? 0 : 0.3F + static_cast<float>(random() % 100) / 50;
    const double divisor = temperature > 0 ? temperature : 1;
    double sum = 0;
    for (const float logit : logits) sum += std::exp((logit - 10) / divisor);
    const auto chosen = static_cast<std::int32_t>(random() % logits.size());
    const auto result = log_probabilities(logits, temperature, chosen, 5);
    const auto expected_of = [&](std::int32_t id) {
      return (logits[static_cast<std::size_t>(id)] - 10) / divisor - std::log(sum);
    };
    if (logits[static_cast<std::size_t>(chosen)] > kMinusInfinity) {
      EXPECT_NEAR(result.chosen, expected_of(chosen), 1e-5);
    } else {
      EXPECT_EQ(result.chosen, std::numeric_limits<float>::lowest());
    }
    const auto order = sorted_ids(logits);
    ASSERT_EQ(result.top.size(), std::min<std::size_t>(5, order.size()));
    for (std::size_t i = 0; i < result.top.size(); ++i) {
      EXPECT_EQ(result.top[i].token, order[i]);
      EXPECT_NEAR(result.top[i].logprob, expected_of(order[i]), 1e-5);
    }
  }
}

}  // namespace
}  // namespace atelier::engine
