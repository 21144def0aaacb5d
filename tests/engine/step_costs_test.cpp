#include "engine/step_costs.h"

#include <gtest/gtest.h>
#include <llama.h>

#include <map>
#include <random>
#include <vector>

#include "tests/engine/direct_scheduler.h"
#include "tests/engine/test_models.h"

namespace atelier::engine {
namespace {

using Seconds = StepCosts::Seconds;
using std::chrono::milliseconds;

TEST(StepCosts, GivesWhatWasMeasuredAndInterpolatesBetween) {
  StepCosts costs;
  for (int i = 0; i < 20; ++i) {
    costs.note(1, Seconds(0.010));
    costs.note(5, Seconds(0.030));
  }
  EXPECT_NEAR(costs.of(1), 0.010, 1e-9);
  EXPECT_NEAR(costs.of(5), 0.030, 1e-9);
  EXPECT_NEAR(costs.of(3), 0.020, 1e-9);
}

TEST(StepCosts, RowsBeyondThoseMeasuredAreThoughtCheap) {
  StepCosts costs;
  EXPECT_NEAR(costs.of(5) / costs.of(1), 2, 1e-9);
  costs.note(1, Seconds(0.010));
  EXPECT_NEAR(costs.of(5), 0.020, 1e-9);
  costs.note(5, Seconds(0.014));
  EXPECT_NEAR(costs.of(9), 0.018, 1e-9);
  costs.note(9, Seconds(0.040));
  EXPECT_NEAR(costs.of(13), 0.050, 1e-9);
}

TEST(StepCosts, NeverLessForMoreRows) {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    StepCosts costs;
    for (int i = 0; i < 30; ++i) costs.note(1 + random() % 70, Seconds(0.001 * static_cast<double>(1 + random() % 50)));
    for (std::size_t rows = 1; rows < 100; ++rows) ASSERT_LE(costs.of(rows), costs.of(rows + 1)) << rows;
  }
}

TEST(StepCosts, OneLongStepChangesLittleAndALastingChangeMuch) {
  StepCosts costs;
  for (int i = 0; i < 30; ++i) costs.note(1, Seconds(0.010));
  costs.note(1, Seconds(5));
  EXPECT_LT(costs.of(1), 0.012);
  for (int i = 0; i < 60; ++i) costs.note(1, Seconds(0.030));
  EXPECT_NEAR(costs.of(1), 0.030, 0.001);
}

// ---------------------------------------------------------------- width

// A processor with a fast way for one row: milliseconds by rows.
milliseconds with_tiles(std::size_t rows) { return milliseconds(rows == 1 ? 41 : rows <= 8 ? 95 + rows : 139); }
milliseconds without_tiles(std::size_t rows) { return milliseconds(20 + 20 * rows); }

StepCosts measured(milliseconds (*cost)(std::size_t), std::initializer_list<std::size_t> rows) {
  StepCosts costs;
  for (const std::size_t n : rows) {
    for (int i = 0; i < 20; ++i) costs.note(n, cost(n));
  }
  return costs;
}

TEST(StepWidth, TwoTakeTurnsWhereOneRowIsCheapAndFourDoNot) {
  const StepCosts costs = measured(with_tiles, {1, 2, 3, 4});
  StepWidth width;
  EXPECT_EQ(width.next(2, costs), 1U);
  EXPECT_EQ(width.next(3, costs), 3U);
  EXPECT_EQ(width.next(4, costs), 4U);
  EXPECT_EQ(width.next(1, costs), 1U);
}

TEST(StepWidth, AllGoTogetherWhereRowsShareTheirCost) {
  const StepCosts costs = measured(without_tiles, {1, 2, 3, 4});
  StepWidth width;
  for (std::size_t n = 0; n <= 4; ++n) EXPECT_EQ(width.next(n, costs), n);
}

TEST(StepWidth, WhatIsNotKnownIsTriedOnceItMatters) {
  StepWidth width;
  EXPECT_EQ(width.next(2, StepCosts()), 2U);
  EXPECT_EQ(width.next(2, measured(with_tiles, {2})), 1U);
  // Steps of a millisecond are not worth it.
  EXPECT_EQ(width.next(2, measured([](std::size_t) { return milliseconds(1); }, {2})), 2U);
}

TEST(StepWidth, AllAreTriedAgainNowAndThen) {
  const StepCosts costs = measured(with_tiles, {1, 2});
  StepWidth width;
  int together = 0;
  for (int i = 0; i < 650; ++i) together += width.next(2, costs) == 2 ? 1 : 0;
  EXPECT_EQ(together, 10);
}

// ---------------------------------------------------------------- in the scheduler

// Rows of each step of `count` answers of 200 tokens.
struct Outcome {
  std::map<std::int32_t, int> steps;  // by rows
  Clock::duration time{};
  std::vector<std::uint64_t> predicted;  // tokens of each answer
};

Outcome run(milliseconds (*cost)(std::size_t), int count) {
  Outcome outcome;
  Clock::time_point now{};
  Scheduler::Seams seams;
  seams.now = [&] { return now; };
  seams.decode = [&](llama_context* context, const llama_batch& batch) {
    now += cost(static_cast<std::size_t>(batch.n_tokens));
    ++outcome.steps[batch.n_tokens];
    return llama_decode(context, batch);
  };
  wire::LoadConfig config = test::exact_config();
  config.set_context_length(512);
  config.set_parallel(4);
  config.set_ngram_speculation(false);
  test::DirectScheduler engine(test::kTinyLlama, config, seams);
  std::mt19937 random(3);
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < count; ++i) {
    wire::Generate request = test::greedy_request(test::random_tokens(random, 8), 200);
    request.mutable_limits()->set_ignore_end_tokens(true);
    ids.push_back(engine.submit(request));
  }
  engine.run();
  for (const std::uint64_t id : ids) outcome.predicted.push_back(engine.answer(id).done->predicted_tokens());
  outcome.time = now - Clock::time_point{};
  return outcome;
}

TEST(TakingTurns, TwoAnswersComeSoonerAndWhole) {
  const Outcome turns = run(with_tiles, 2);
  const Outcome together = run([](std::size_t rows) { return rows == 1 ? milliseconds(90) : with_tiles(rows); }, 2);
  EXPECT_GT(turns.steps.at(1), 350);
  EXPECT_GT(together.steps.at(2), 180);
  EXPECT_LT(turns.time, together.time * 9 / 10);
  EXPECT_EQ(turns.predicted, (std::vector<std::uint64_t>{200, 200}));
}

TEST(TakingTurns, FourGoTogether) {
  const Outcome outcome = run(with_tiles, 4);
  EXPECT_GT(outcome.steps.at(4), 180);
}

}  // namespace
}  // namespace atelier::engine
