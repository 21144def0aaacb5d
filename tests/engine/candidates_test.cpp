#include "engine/candidates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/log_probabilities.h"

namespace atelier::engine {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Few values, so that there are many ties; some banned, some not numbers.
std::vector<float> random_logits(std::mt19937& random, std::size_t size) {
  std::vector<float> logits(size);
  const auto kinds = 1 + random() % 1000;
  for (float& logit : logits) {
    logit = static_cast<float>(random() % kinds) / 16 - 20;
    if (random() % 50 == 0) logit = kMinusInfinity;
    if (random() % 200 == 0) logit = std::numeric_limits<float>::quiet_NaN();
  }
  return logits;
}

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

std::vector<std::int32_t> ids_of(const std::vector<Candidate>& candidates) {
  std::vector<std::int32_t> ids;
  for (const Candidate& c : candidates) ids.push_back(c.token);
  return ids;
}

TEST(Candidates, SelectionEqualsAFullSort) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const auto logits = random_logits(random, 1 + random() % 3000);
    auto expected = sorted_ids(logits);
    EXPECT_EQ(largest(logits), expected.empty() ? -1 : expected.front());
    const std::size_t k = random() % 2 == 0 ? random() % 64 : random() % (logits.size() + 10);
    std::vector<Candidate> out;
    if (!expected.empty()) {
      const float least = logits[static_cast<std::size_t>(expected[random() % expected.size()])];
      select_from(logits, least, out);
      const auto end = std::find_if(expected.begin(), expected.end(),
                                    [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)] < least; });
      ASSERT_EQ(ids_of(out), std::vector<std::int32_t>(expected.begin(), end));
    }
    select_largest(logits, k, out);
    if (expected.size() > k) expected.resize(k);
    ASSERT_EQ(ids_of(out), expected) << "k " << k << " of " << logits.size();
  }
}

TEST(Candidates, NothingCanComeWhereEverythingIsBannedOrNoNumber) {
  const std::vector<float> logits(1000, std::numeric_limits<float>::quiet_NaN());
  std::vector<Candidate> out;
  select_largest(logits, 40, out);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(largest(logits), -1);
  EXPECT_EQ(largest(std::vector<float>(100, kMinusInfinity)), -1);
}

TEST(LogProbabilities, EqualSoftmaxComputedInDoubles) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 4);
  for (int round = 0; round < 100; ++round) {
    std::vector<float> logits(1 + random() % 5000);
    for (float& logit : logits) logit = normal(random);
    logits[random() % logits.size()] = kMinusInfinity;
    const float temperature = round % 3 == 0 ? 0 : 0.3F + static_cast<float>(random() % 100) / 50;
    const double divisor = temperature > 0 ? temperature : 1;
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit / divisor);
    const auto chosen = static_cast<std::int32_t>(random() % logits.size());
    const auto result = log_probabilities(logits, temperature, chosen, 5);
    const auto expected_of = [&](std::int32_t id) {
      return logits[static_cast<std::size_t>(id)] / divisor - std::log(sum);
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
