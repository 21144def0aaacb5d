#include "engine/load_plan.h"

#include <gtest/gtest.h>

namespace atelier::engine {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

ModelShape shape() {
  ModelShape s;
  s.weight_bytes = 1000 * kMiB;
  s.bytes_per_cell = 64 * 1024;  // 8192 cells: 512 MiB
  s.trained_context_length = 131072;
  s.embedding_length = 2048;
  s.feed_forward_length = 8192;
  s.head_count = 32;
  s.vocabulary_size = 128256;
  return s;
}

TEST(LoadPlan, DefaultsAreEightThousandTokensAndAsManyForTheCache) {
  const auto plan = plan_load({}, shape(), 100'000 * kMiB);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->context_length, 8192U);
  EXPECT_EQ(plan->cache_tokens, 8192U);
  EXPECT_EQ(plan->kv_cells, 16384U);
}

TEST(LoadPlan, AShortTrainedContextIsTheLimit) {
  ModelShape small = shape();
  small.trained_context_length = 2048;
  LoadWishes wishes;
  EXPECT_EQ(plan_load(wishes, small, 100'000 * kMiB)->context_length, 2048U);
  wishes.context_length = 4096;
  EXPECT_EQ(plan_load(wishes, small, 100'000 * kMiB)->context_length, 2048U);
  wishes.stretches_context = true;
  EXPECT_EQ(plan_load(wishes, small, 100'000 * kMiB)->context_length, 4096U);
}

TEST(LoadPlan, TheCacheTakesAtMostAQuarterOfWhatIsLeft) {
  const auto plan = plan_load({}, shape(), 2000 * kMiB);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->context_length, 8192U);
  EXPECT_EQ(plan->cache_tokens, 250U * 16);
}

TEST(LoadPlan, TheContextIsLoweredUntilItFits) {
  std::uint32_t last = 0;
  for (std::uint64_t free = 1100; free < 4000; free += 50) {
    const auto plan = plan_load({}, shape(), free * kMiB);
    if (!plan) {
      EXPECT_EQ(last, 0U);
      continue;
    }
    EXPECT_LE(plan->estimated_bytes, free * kMiB);
    EXPECT_GE(plan->context_length, last);
    EXPECT_GE(plan->context_length, kSmallestContextLength);
    EXPECT_GE(plan->kv_cells, plan->context_length);
    last = plan->context_length;
  }
  EXPECT_EQ(last, 8192U);
}

TEST(LoadPlan, WhatWasAskedForIsKeptOrRefusedWithNumbers) {
  LoadWishes wishes;
  wishes.context_length = 65536;
  const auto plan = plan_load(wishes, shape(), 3000 * kMiB);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::kInsufficientResources);
  EXPECT_NE(plan.error().message.find("65536"), std::string::npos);
  EXPECT_NE(plan.error().message.find("3000 MiB"), std::string::npos);
  EXPECT_EQ(plan_load(wishes, shape(), 9000 * kMiB)->context_length, 65536U);
}

TEST(LoadPlan, AMeasureCountsInPlaceOfTheEstimate) {
  std::vector<std::uint32_t> cells;
  const auto measure = [&](const LoadPlan& plan) -> Result<std::uint64_t> {
    cells.push_back(plan.kv_cells);
    return std::uint64_t{plan.kv_cells} * kMiB;
  };
  const auto plan = choose_plan({}, shape(), 3000 * kMiB, measure);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->fits);
  EXPECT_TRUE(plan->lowered);
  EXPECT_EQ(plan->estimated_bytes, std::uint64_t{plan->kv_cells} * kMiB);
  EXPECT_EQ(plan->context_length, 2048U);
  EXPECT_EQ(plan->cache_tokens, 0U);
  EXPECT_EQ(cells, (std::vector<std::uint32_t>{16192, 8192, 8192, 4096, 4096, 2048}));

  const auto none = choose_plan({}, shape(), 100 * kMiB, measure);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->fits);
  EXPECT_EQ(none->context_length, kSmallestContextLength);
  const auto broken = choose_plan({}, shape(), 100 * kMiB, [](const LoadPlan&) -> Result<std::uint64_t> {
    return fail(ErrorCode::kModelLoadFailed, "no context");
  });
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::kModelLoadFailed);
}

TEST(LoadPlan, EmbeddingsNeedNoCellsForPrefixes) {
  LoadWishes wishes;
  wishes.for_embedding = true;
  const auto plan = plan_load(wishes, shape(), 100'000 * kMiB);
  EXPECT_EQ(plan->kv_cells, plan->context_length);
}

}  // namespace
}  // namespace atelier::engine
