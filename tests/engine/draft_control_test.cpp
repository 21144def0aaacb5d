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
// Measured with llama.cpp 0.7.0, a model of 1B parameters in Q4_K, two cores: with AMX a second row is dearer than all others
// together, with AVX-512 three rows are dearer than four.
double with_tiles(std::size_t rows) {
  return rows == 1 ? 0.041 : rows <= 8 ? 0.096 + 0.002 * static_cast<double>(rows) : 0.139;
}
double with_groups_of_four(std::size_t rows) {
  return rows <= 3 ? 0.012 + 0.020 * static_cast<double>(rows) : 0.030 + 0.010 * static_cast<double>(rows);
}

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
  DraftRecord record;
  DraftControl control(record);
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
  EXPECT_LE(run(on_a_processor, 0.2, 12, 2000, 1, 5).longest, 5U);
}

TEST(DraftControl, AModelThatIsSureAndWrongIsFoundOut) {
  StepCosts costs;
  for (std::size_t rows = 1; rows <= 40; ++rows) costs.note(rows, Seconds(on_a_processor(rows)));
  DraftRecord record;
  DraftControl control(record);
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
  DraftRecord record;
  DraftControl control(record);
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
  DraftRecord record;
  DraftControl control(record);
  for (int i = 0; i < 50; ++i) control.note_verified(guesses(40, 16), 16, 0, costs);
  EXPECT_EQ(control.length(guesses(40, 16), 0, 0, costs), 16U);
  EXPECT_EQ(control.length(guesses(40, 7), 0, 0, costs), 7U);
  EXPECT_EQ(control.length(guesses(40, 0), 0, 0, costs), 0U);
  // Seven others that make a token each: more rows are cheaper than the mean.
  EXPECT_EQ(control.length(guesses(40, 16), 7, 7, costs), 16U);
}

// ---------------------------------------------------------------- one answer after another

// An answer that says again what stands in its prompt, or, without `right`, seems to; its last three tokens have been there.
// Single steps that each of its tokens took.
double copy(double (*cost)(std::size_t), bool right, int tokens, DraftRecord& record, StepCosts& costs) {
  DraftControl control(record);
  std::size_t agreement = 3;
  double time = 0;
  int made = 0;
  while (made < tokens) {
    const std::size_t k = control.length(guesses(agreement, 16), 0, 0, costs);
    const std::size_t accepted = right ? k : 0;
    time += cost(1 + k);
    costs.note(1 + k, Seconds(cost(1 + k)));
    if (k == 0) {
      control.note_guess(class_of_agreement(agreement), right);
      control.note_plain();
    } else {
      control.note_verified(guesses(agreement, k), accepted, 0, costs);
    }
    made += static_cast<int>(accepted) + 1;
    agreement = right ? agreement + accepted + 1 : 3;
  }
  control.note_ended();
  return time / cost(1) / made;
}

TEST(DraftRecord, TheNextAnswerThatCopiesIsDraftedFromItsBeginning) {
  for (const auto cost : {on_a_processor, with_tiles, with_groups_of_four}) {
    DraftRecord record;
    StepCosts costs;
    for (int i = 0; i < 10; ++i) costs.note(1, Seconds(cost(1)));
    const double first = copy(cost, true, 256, record, costs);
    double later = 0;
    for (int answer = 0; answer < 8; ++answer) later = copy(cost, true, 256, record, costs);
    const double best = cost(17) / cost(1) / 17;  // full drafts from the first token on
    EXPECT_LT(later, 1.02 * best) << cost(2);
    // Two rows of a tile are more than the first answer could afford before it had 43 tokens.
    if (cost == with_tiles) {
      EXPECT_LT(later, 0.7 * first);
    }
  }
}

TEST(DraftRecord, AnAnswerLosesNoMoreThanItsShareAndTheReserve) {
  for (const auto cost : {on_a_processor, on_a_gpu, with_tiles, with_groups_of_four}) {
    std::mt19937 random(7);
    DraftRecord record;
    StepCosts costs;
    for (int i = 0; i < 10; ++i) costs.note(1, Seconds(cost(1)));
    for (int answer = 0; answer < 200; ++answer) {
      const int tokens = 20 + static_cast<int>(random() % 300);
      const double reserve = record.reserve();
      const bool right = random() % 3 == 0;
      const double steps = copy(cost, right, tokens, record, costs) * tokens;
      // 2 %, what each may begin with, and what others have gained before; a new number of rows may cost more than thought.
      EXPECT_LE(steps, 1.02 * tokens + 1.25 + reserve + 1.5) << cost(2) << " " << answer;
      EXPECT_LE(record.reserve(), DraftRecord::kFullReserve);
    }
  }
}

TEST(DraftRecord, WhatNeverHelpedIsTriedAgainAfterAWhile) {
  DraftRecord record;
  StepCosts costs;
  for (int i = 0; i < 10; ++i) costs.note(1, Seconds(on_a_processor(1)));
  const double before = record.chance(class_of_agreement(20));
  for (int i = 0; i < 100; ++i) record.note(class_of_agreement(20), false);
  EXPECT_LT(record.chance(class_of_agreement(20)), 0.1);
  EXPECT_EQ(DraftControl(record).length(guesses(20, 16), 0, 0, costs), 0U);
  for (int answer = 0; answer < 20; ++answer) DraftControl(record).note_ended();
  EXPECT_NEAR(record.chance(class_of_agreement(20)), before, 0.2);
  EXPECT_GT(DraftControl(record).length(guesses(20, 16), 0, 0, costs), 0U);
}

TEST(DraftRecord, TheReserveIsSpentOnceAndAfterTheAnswersOwn) {
  DraftRecord record;
  StepCosts costs;
  costs.note(1, Seconds(0.010));
  record.note_ended(3);
  DraftControl one(record);
  DraftControl other(record);
  EXPECT_TRUE(one.can_afford(4));
  EXPECT_TRUE(other.can_afford(4));
  one.note_drafting(Seconds(0.010), costs);
  EXPECT_EQ(record.reserve(), 3);
  one.note_drafting(Seconds(0.020), costs);
  EXPECT_NEAR(record.reserve(), 1.25, 1e-9);
  EXPECT_FALSE(other.can_afford(4));
  EXPECT_TRUE(other.can_afford(2.4));
  record.note_ended(100);
  EXPECT_EQ(record.reserve(), DraftRecord::kFullReserve);
}

}  // namespace
}  // namespace atelier::engine
