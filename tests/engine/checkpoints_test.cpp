// Which places of a prompt are chosen. Token 1 ends a turn here, token 2 a line.
#include "engine/checkpoints.h"

#include <gtest/gtest.h>

#include <random>

namespace atelier::engine {
namespace {

constexpr std::int32_t kTurn = 1;
constexpr std::int32_t kLine = 2;

const CheckpointPlan::Marks kMarks{[](std::int32_t token) { return token == kTurn; },
                                   [](std::int32_t token) { return token == kLine; }};

// Words, with marks at the ends of the given lengths.
std::vector<std::int32_t> prompt(std::size_t size, std::initializer_list<std::size_t> turns,
                                 std::initializer_list<std::size_t> lines = {}) {
  std::vector<std::int32_t> tokens(size, 9);
  for (const std::size_t end : turns) tokens.at(end - 1) = kTurn;
  for (const std::size_t end : lines) tokens.at(end - 1) = kLine;
  return tokens;
}

std::vector<std::size_t> lengths(const CheckpointPlan& plan) {
  std::vector<std::size_t> out;
  for (const Checkpoint& place : plan.places()) out.push_back(place.length);
  return out;
}

using Lengths = std::vector<std::size_t>;

TEST(Checkpoints, TheSystemPromptAndTheLastTwoTurnsHaveOne) {
  const CheckpointPlan plan(prompt(1000, {100, 300, 500, 700, 990}), 0, kMarks);
  EXPECT_EQ(lengths(plan), (Lengths{100, 700, 990}));
  EXPECT_TRUE(plan.at(100)->opens);
  EXPECT_FALSE(plan.at(700)->opens);
  EXPECT_FALSE(plan.at(990)->opens);
  EXPECT_FALSE(plan.at(300));
  EXPECT_EQ(plan.next(0), 100U);
  EXPECT_EQ(plan.next(100), 700U);
  EXPECT_EQ(plan.next(989), 990U);
  EXPECT_EQ(plan.next(990), 0U);
}

TEST(Checkpoints, WhatIsThereNeedsNone) {
  EXPECT_EQ(lengths(CheckpointPlan(prompt(1000, {100, 500, 700, 990}), 640, kMarks)), (Lengths{700, 990}));
  EXPECT_EQ(lengths(CheckpointPlan(prompt(1000, {100, 500, 700, 990}), 690, kMarks)), (Lengths{990}));
  EXPECT_EQ(lengths(CheckpointPlan(prompt(1000, {100, 500, 700, 990}), 970, kMarks)), (Lengths{}));
}

TEST(Checkpoints, OfTwoThatAreCloseTheLaterIsTaken) {
  EXPECT_EQ(lengths(CheckpointPlan(prompt(1000, {100, 970, 990}), 0, kMarks)), (Lengths{100, 990}));
  // A short system prompt is computed again; the first turn that is worth it opens.
  EXPECT_EQ(lengths(CheckpointPlan(prompt(300, {5, 120, 290}), 0, kMarks)), (Lengths{120, 290}));
}

TEST(Checkpoints, AMarkAtTheVeryEndIsTakenBeforeTheLastToken) {
  EXPECT_EQ(lengths(CheckpointPlan(prompt(500, {100, 500}), 0, kMarks)), (Lengths{100, 499}));
}

TEST(Checkpoints, WithoutTurnsTheLastLinesAreLeftOff) {
  EXPECT_EQ(lengths(CheckpointPlan(prompt(400, {}, {50, 100, 370, 398}), 0, kMarks)), (Lengths{370}));
  // A mark far before the end is no end of the prompt's last part.
  EXPECT_EQ(lengths(CheckpointPlan(prompt(400, {50, 200}, {370}), 0, kMarks)), (Lengths{50, 200, 370}));
  EXPECT_EQ(lengths(CheckpointPlan(prompt(400, {}), 0, kMarks)), (Lengths{392}));
  EXPECT_EQ(lengths(CheckpointPlan(prompt(2000, {}, {1800}), 0, kMarks)), (Lengths{1992}));
  EXPECT_EQ(lengths(CheckpointPlan(prompt(2000, {}, {1900}), 0, kMarks)), (Lengths{1900}));
}

TEST(Checkpoints, ShortPromptsHaveNone) {
  EXPECT_EQ(lengths(CheckpointPlan(prompt(30, {10, 20}), 0, kMarks)), (Lengths{}));
  EXPECT_EQ(lengths(CheckpointPlan(prompt(39, {}), 0, kMarks)), (Lengths{}));
  EXPECT_EQ(lengths(CheckpointPlan(prompt(40, {}), 0, kMarks)), (Lengths{32}));
  EXPECT_EQ(lengths(CheckpointPlan({}, 0, kMarks)), (Lengths{}));
  EXPECT_EQ(lengths(CheckpointPlan(prompt(1, {1}), 0, kMarks)), (Lengths{}));
}

TEST(Checkpoints, ABranchGetsAPlaceOfItsOwnOrThatOfTheTurnBeforeIt) {
  CheckpointPlan plan(prompt(1000, {100, 400, 990}), 0, kMarks);
  EXPECT_EQ(lengths(plan), (Lengths{100, 400, 990}));
  EXPECT_EQ(plan.branch(600, 32), 600U);
  EXPECT_EQ(lengths(plan), (Lengths{100, 400, 600, 990}));
  EXPECT_TRUE(plan.at(600)->opens);
  // Close behind a turn: it is that turn that is shared.
  EXPECT_EQ(plan.branch(410, 32), 400U);
  // Too close behind one that is there.
  EXPECT_EQ(plan.branch(620, 32), 600U);
  // Nothing that is worth it.
  EXPECT_EQ(plan.branch(60, 80), 0U);
  EXPECT_EQ(plan.branch(110, 200), 0U);
  EXPECT_EQ(lengths(plan), (Lengths{100, 400, 600, 990}));
  // That turn has passed already.
  EXPECT_EQ(plan.branch(430, 401), 430U);
  // One that is close behind is no use to who parts before it.
  EXPECT_EQ(plan.branch(980, 32), 980U);
  EXPECT_EQ(lengths(plan), (Lengths{100, 400, 430, 600, 980, 990}));
  // Never the last token.
  EXPECT_EQ(plan.branch(1000, 32), 990U);
}

TEST(Checkpoints, HoweverManyBranchesThereAreFewPlacesAndNeverTheLastToken) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::int32_t> tokens(2 + random() % 1500);
    for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(random() % (1 + random() % 300));
    const std::size_t has = random() % tokens.size();
    CheckpointPlan plan(tokens, has, kMarks);
    EXPECT_LE(plan.places().size(), 4U);
    for (int i = 0; i < 20; ++i) {
      const std::size_t shared = random() % (tokens.size() + 10);
      const std::size_t least = has + 1 + random() % 100;
      const std::size_t place = plan.branch(shared, least);
      EXPECT_TRUE(place == 0 || (place >= least && place <= shared && plan.at(place)));
    }
    EXPECT_LE(plan.places().size(), CheckpointPlan::kMost);
    std::size_t before = has;
    for (std::size_t next = plan.next(0); next > 0; next = plan.next(next)) {
      EXPECT_LT(next, tokens.size());
      EXPECT_GT(next, before);
      before = next;
    }
  }
}

}  // namespace
}  // namespace atelier::engine
