// Selections over the vocabulary against full sorts, on every kernel that this machine has.
#include "engine/logit_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace atelier::engine {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::size_t random_size(std::mt19937& random) {
  switch (random() % 4) {
    case 0: return 1 + random() % 40;
    case 1: return (1 + random() % 6) * kChunk - 1 + random() % 3;
    case 2: return 1 + random() % 3000;
    default: return 1 + random() % 60000;
  }
}

// What models give, and what is hard for a selection by chunks.
std::vector<float> random_logits(std::mt19937& random) {
  std::vector<float> logits(random_size(random));
  const std::size_t size = logits.size();
  std::normal_distribution<float> normal(-3, 2.5F);
  const auto kinds = 1 + random() % 1000;
  const auto shape = random() % 9;
  for (std::size_t i = 0; i < size; ++i) {
    const auto place = static_cast<float>(i) / static_cast<float>(size);
    switch (shape) {
      case 0: logits[i] = normal(random); break;
      case 1: logits[i] = static_cast<float>(random() % kinds) / 16 - 20; break;         // ties
      case 2: logits[i] = 2.5F; break;                                                   // all equal
      case 3: logits[i] = random() % 500 == 0 ? normal(random) : kMinusInfinity; break;  // a mask
      case 4: logits[i] = 30 * place; break;                                             // rising
      case 5: logits[i] = -30 * place; break;                                            // falling
      case 6:
        logits[i] = (random() % 2 == 0 ? 1.0F : -1.0F) * std::ldexp(1.0F, static_cast<int>(random() % 200) - 75);
        break;
      case 7: logits[i] = i % kColumns == 3 ? 5 + normal(random) : normal(random); break;  // all in one column
      default: logits[i] = i / kChunk == 1 ? 9 + normal(random) : normal(random); break;   // all in one chunk
    }
  }
  if (random() % 3 == 0) {
    for (float& logit : logits) {
      if (random() % 50 == 0) logit = kMinusInfinity;
      if (random() % 200 == 0) logit = kNan;
    }
  }
  return logits;
}

std::vector<Candidate> sorted(const std::vector<float>& logits) {
  std::vector<Candidate> all;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > kMinusInfinity) all.push_back({static_cast<std::int32_t>(i), logits[i], 0});
  }
  std::sort(all.begin(), all.end(), better);
  return all;
}

std::vector<std::int32_t> ids_of(const std::vector<Candidate>& candidates) {
  std::vector<std::int32_t> ids;
  ids.reserve(candidates.size());
  for (const Candidate& c : candidates) ids.push_back(c.token);
  return ids;
}

std::vector<std::int32_t> in_order_of_ids(std::vector<Candidate> candidates) {
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
  return ids_of(candidates);
}

class OnEveryKernel : public testing::TestWithParam<LogitKernels> {};

INSTANTIATE_TEST_SUITE_P(LogitScan, OnEveryKernel, testing::ValuesIn(logit_kernels()), [](const auto& given) {
  std::string name = given.param.name;
  std::erase_if(name, [](char c) { return c == '-' || c == ' '; });
  return name;
});

TEST_P(OnEveryKernel, SelectionEqualsAFullSort) {
  std::mt19937 random(1);
  LogitScan scan(GetParam());
  std::vector<Candidate> out;
  for (int round = 0; round < 600; ++round) {
    const auto logits = random_logits(random);
    auto expected = sorted(logits);
    scan.read(logits);
    ASSERT_EQ(scan.empty(), expected.empty());
    ASSERT_EQ(scan.largest(), expected.empty() ? -1 : expected.front().token);
    if (!expected.empty()) {
      ASSERT_EQ(scan.largest_logit(), expected.front().logit);
      const float least = expected[random() % expected.size()].logit;
      scan.select_from(least, out);
      auto from = expected;
      std::erase_if(from, [&](const Candidate& c) { return c.logit < least; });
      ASSERT_EQ(ids_of(out), in_order_of_ids(from));
      for (const Candidate& c : out) ASSERT_EQ(c.logit, logits[static_cast<std::size_t>(c.token)]);
    }
    const std::size_t k = random() % 2 == 0 ? random() % 128 : random() % (logits.size() + 10);
    scan.select_largest(k, out);
    if (expected.size() > k) expected.resize(k);
    ASSERT_EQ(ids_of(out), ids_of(expected)) << "k " << k << " of " << logits.size();
  }
}

// The nucleus of the sorted vocabulary, with exact exponentials; its size may differ by those that lie within the
// error of the sum.
void expect_nucleus(const std::vector<Candidate>& all, double p, double min_p, const std::vector<Candidate>& got) {
  double sum = 0;
  for (const Candidate& c : all) sum += std::exp(static_cast<double>(c.logit) - all.front().logit);
  const auto size_for = [&](double mass) {
    double taken = 0;
    std::size_t n = 0;
    while (n < all.size()) {
      taken += std::exp(static_cast<double>(all[n++].logit) - all.front().logit);
      if (taken >= mass * sum) break;
    }
    while (n > 1 && min_p > 0 && all[n - 1].logit < all.front().logit + std::log(static_cast<float>(min_p))) --n;
    return n;
  };
  ASSERT_GE(got.size(), size_for(p - 4e-6)) << p;
  // What has no mass cannot be told apart by it.
  ASSERT_LE(got.size(), size_for(p + 4e-6)) << p;
  auto beginning = all;
  beginning.resize(got.size());
  ASSERT_EQ(ids_of(got), in_order_of_ids(beginning));
}

TEST_P(OnEveryKernel, TheNucleusIsThatOfTheSortedVocabulary) {
  std::mt19937 random(2);
  LogitScan scan(GetParam());
  std::vector<Candidate> out;
  for (int round = 0; round < 400 && !HasFatalFailure(); ++round) {
    const auto logits = random_logits(random);
    const auto all = sorted(logits);
    if (all.empty()) continue;
    scan.read(logits);
    const float p = random() % 8 == 0 ? 0 : static_cast<float>(random() % 9990) / 10000;
    scan.select_nucleus(p, out);
    expect_nucleus(all, p, 0, out);
    const float min_p = std::pow(0.1F, static_cast<float>(random() % 80) / 10);
    scan.select_nucleus(p, min_p, out);
    expect_nucleus(all, p, min_p, out);
  }
}

TEST_P(OnEveryKernel, TypicalOnesAreThoseOfTheWholeList) {
  std::mt19937 random(3);
  LogitScan scan(GetParam());
  std::vector<Candidate> out;
  int different = 0;
  int rounds = 0;
  for (int round = 0; round < 150; ++round) {
    const auto logits = random_logits(random);
    auto all = sorted(logits);
    if (all.empty() || all.front().logit > 1e4F) continue;
    scan.read(logits);
    const float p = 0.05F + static_cast<float>(random() % 900) / 1000;
    scan.select_typical(p, out);
    set_probabilities(all);
    std::erase_if(all, [](const Candidate& c) { return c.p == 0; });
    keep_typical(all, p);
    ++rounds;
    // Floats summed in another order: one candidate at the edge.
    ASSERT_LE(std::max(out.size(), all.size()) - std::min(out.size(), all.size()), 1 + all.size() / 1000);
    if (ids_of(out) != in_order_of_ids(all)) ++different;
  }
  EXPECT_LE(different, rounds / 5);
}

TEST_P(OnEveryKernel, GivesWhatThePlainLoopsGive) {
  std::mt19937 random(4);
  LogitScan scan(GetParam());
  LogitScan plain(logit_kernels().back());
  std::vector<Candidate> out;
  std::vector<Candidate> expected;
  for (int round = 0; round < 200; ++round) {
    const auto logits = random_logits(random);
    scan.read(logits);
    plain.read(logits);
    const float p = static_cast<float>(random() % 1000) / 1000;
    if (plain.empty()) continue;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(scan.sum_of_exponentials(0.7F)),
              std::bit_cast<std::uint64_t>(plain.sum_of_exponentials(0.7F)));
    scan.select_nucleus(p, out);
    plain.select_nucleus(p, expected);
    ASSERT_EQ(ids_of(out), ids_of(expected));
    scan.select_typical(p, out);
    plain.select_typical(p, expected);
    ASSERT_EQ(ids_of(out), ids_of(expected));
  }
}

TEST(LogitScan, NothingCanComeWhereEverythingIsBannedOrNoNumber) {
  LogitScan scan;
  std::vector<Candidate> out;
  for (const float value : {kNan, kMinusInfinity}) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1000}, 2 * kChunk}) {
      const std::vector<float> logits(size, value);
      scan.read(logits);
      EXPECT_TRUE(scan.empty());
      EXPECT_EQ(scan.largest(), -1);
      scan.select_largest(40, out);
      EXPECT_TRUE(out.empty());
      scan.select_from(kMinusInfinity, out);
      EXPECT_TRUE(out.empty());
      scan.select_nucleus(0.9F, out);
      EXPECT_TRUE(out.empty());
      scan.select_typical(0.9F, out);
      EXPECT_TRUE(out.empty());
    }
  }
}

TEST(LogitScan, LongAndShortListsHaveTheProbabilitiesOfTheSoftmax) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(2, 3);
  for (const std::size_t size : {std::size_t{1}, std::size_t{40}, kChunk - 1, kChunk, 5 * kChunk + 7}) {
    std::vector<Candidate> list(size);
    for (Candidate& c : list) c.logit = normal(random);
    set_probabilities(list);
    double sum = 0;
    for (const Candidate& c : list) sum += std::exp(static_cast<double>(c.logit));
    for (const Candidate& c : list) ASSERT_NEAR(c.p, std::exp(static_cast<double>(c.logit)) / sum, 2e-6 * c.p + 1e-12);
  }
}

TEST(LogitScan, NearlyAllOfTheMassIsNearlyAllTokens) {
  LogitScan scan;
  const std::vector<float> logits(5000, 1.5F);
  scan.read(logits);
  std::vector<Candidate> out;
  scan.select_nucleus(0.99999994F, out);
  EXPECT_GE(out.size(), 4999U);
  scan.select_typical(0.99999994F, out);
  EXPECT_GE(out.size(), 4999U);
}

TEST(LogitScan, AnInfiniteLogitTakesAll) {
  LogitScan scan;
  std::vector<float> logits(3000, 1);
  logits[1234] = std::numeric_limits<float>::infinity();
  scan.read(logits);
  std::vector<Candidate> out;
  scan.select_largest(40, out);
  ASSERT_EQ(out.front().token, 1234);
  set_probabilities(out);
  EXPECT_EQ(out[0].p, 1);
  EXPECT_EQ(out[1].p, 0);
  scan.select_nucleus(0.9F, out);
  EXPECT_EQ(ids_of(out), std::vector<std::int32_t>{1234});
}

}  // namespace
}  // namespace atelier::engine
