#include "engine/draft_control.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace atelier::engine {
namespace {

using Seconds = StepCosts::Seconds;

double on_a_processor(std::size_t rows) { return 0.0105 + 0.0045 * static_cast<double>(rows); }
double on_a_gpu(std::size_t rows) { return 0.010 + 0.00005 * static_cast<double>(rows); }

// ---------------------------------------------------------------- lengths

// Of a text that has agreed for so many tokens before the first of them.
std::vector<DraftClass> guesses(std::size_t agreement, std::size_t count) {
  std::vector<DraftClass> classes;
  for (std::size_t i = 0; i < count; ++i) classes.push_back(class_of_agreement(agreement + i));
  return classes;
}

struct Outcome {
  double tokens_per_single_step = 0;
  std::size_t longest = 0;
};

// An answer of so many tokens whose guesses are right with this chance, each on its own; every `every`-th step has one.
Outcome run(double (*cost)(std::size_t), double right, std::size_t agreement, int tokens, int every, unsigned seed) {
  std::mt19937 random(seed);
  std::bernoulli_distribution is_right(right);
  StepCosts costs;
  for (int i = 0; i < 10; ++i) costs.note(1, Seconds(cost(1)));
  DraftControl control;
  Outcome outcome;
  double time = 0;
  int made = 0;
  for (int step = 0; made < tokens; ++step) {
    const std::size_t k = step % every == 0 ? control.length(guesses(agreement, 16), 0, 0, costs) : 0;
    outcome.longest = std::max(outcome.longest, k);
    time += cost(1 + k);
    costs.note(1 + k, Seconds(cost(1 + k)));
    if (k == 0) {
      control.note_plain();
      ++made;
      continue;
    }
    std::size_t accepted = 0;
    while (accepted < k && is_right(random)) ++accepted;
    control.note_verified(guesses(agreement, k), accepted, 0, costs);
    made += static_cast<int>(accepted) + 1;
  }
  outcome.tokens_per_single_step = made / (time / cost(1));
  return outcome;
}

TEST(DraftControl, GuessesThatAreNeverRightCostNoMoreThanTheirShare) {
  for (const auto cost : {on_a_processor, on_a_gpu}) {
    for (const std::size_t agreement : {3U, 5U, 9U, 20U}) {
      const Outcome outcome = run(cost, 0, agreement, 500, 1, 2);
      EXPECT_GE(outcome.tokens_per_single_step, 1 / 1.025) << agreement;
    }
  }
}

TEST(DraftControl, WhateverTheChanceNothingIsLost) {
  for (const double right : {0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9}) {
    for (const std::size_t agreement : {3U, 6U, 12U, 40U}) {
      for (const int every : {1, 5}) {
        const Outcome outcome = run(on_a_processor, right, agreement, 2000, every, 3);
        EXPECT_GE(outcome.tokens_per_single_step, 1 / 1.02) << right << " " << agreement << " " << every;
      }
    }
  }
}

TEST(DraftControl, CopyingIsDraftedAtFullLengthSoon) {
  const Outcome outcome = run(on_a_processor, 1, 64, 256, 1, 4);
  EXPECT_EQ(outcome.longest, 16U);
  // 17 tokens for 5.8 steps at best.
  EXPECT_GE(outcome.tokens_per_single_step, 2.4);
}

TEST(DraftControl, WhereRowsAreNearlyFreeHalfRightIsGoodEnough) {
  EXPECT_GE(run(on_a_gpu, 0.5, 12, 2000, 1, 5).tokens_per_single_step, 1.7);
  EXPECT_LE(run(on_a_processor, 0.2, 12, 2000, 1, 5).longest, 4U);
}

TEST(DraftControl, AModelThatIsSureAndWrongIsFoundOut) {
  StepCosts costs;
  for (std::size_t rows = 1; rows <= 40; ++rows) costs.note(rows, Seconds(on_a_processor(rows)));
  DraftControl control;
  const std::vector<DraftClass> sure(4, class_of_probability(0.99));
  EXPECT_GT(control.length(sure, 0, 0, costs), 0U);
  for (int i = 0; i < 30; ++i) {
    control.note_verified(sure, 0, 0, costs);
    for (int plain = 0; plain < 500; ++plain) control.note_plain();
  }
  EXPECT_EQ(control.length(sure, 0, 0, costs), 0U);
  EXPECT_LT(control.chance(sure[0]), 0.2);
  // Others are not blamed.
  EXPECT_GT(control.chance(class_of_agreement(20)), 0.9);
}

TEST(DraftControl, WorkOnGuessesIsPaidFor) {
  StepCosts costs;
  costs.note(1, Seconds(0.010));
  DraftControl control;
  EXPECT_TRUE(control.can_afford(1));
  control.note_drafting(Seconds(0.010), costs);
  EXPECT_FALSE(control.can_afford(1));
  EXPECT_TRUE(control.can_afford(0.2));
  for (int i = 0; i < 50; ++i) control.note_plain();
  EXPECT_TRUE(control.can_afford(1));
}

TEST(DraftControl, AddsUpWithTheOthersOfTheStep) {
  StepCosts costs;
  for (std::size_t rows = 1; rows <= 40; ++rows) costs.note(rows, Seconds(on_a_processor(rows)));
  DraftControl control;
  for (int i = 0; i < 50; ++i) control.note_verified(guesses(40, 16), 16, 0, costs);
  EXPECT_EQ(control.length(guesses(40, 16), 0, 0, costs), 16U);
  EXPECT_EQ(control.length(guesses(40, 7), 0, 0, costs), 7U);
  EXPECT_EQ(control.length(guesses(40, 0), 0, 0, costs), 0U);
  // Seven others that make a token each: more rows are cheaper than the mean.
  EXPECT_EQ(control.length(guesses(40, 16), 7, 7, costs), 16U);
}

}  // namespace
}  // namespace atelier::engine
