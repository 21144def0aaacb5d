// Queueing, priorities, pause, cancel.
#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/engine_client.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

wire::Generate endless(std::int32_t first_token) {
  wire::Generate request = greedy_request({first_token, 301, 302}, 0);
  request.mutable_limits()->set_ignore_end_tokens(true);
  return request;
}

wire::Generate of_length(std::uint64_t tokens, std::int32_t first_token = 300) {
  wire::Generate request = endless(first_token);
  request.mutable_limits()->set_max_tokens(tokens);
  return request;
}

class Schedule : public testing::Test {
 protected:
  void load(std::uint32_t parallel) {
    wire::LoadConfig config = exact_config();
    config.set_parallel(parallel);
    ASSERT_TRUE(engine_.load(kTinyLlama, config).has_loaded());
  }
  void wait_for_pieces(std::uint64_t id, std::size_t count) {
    engine_.take_until([&] { return engine_.answer(id).pieces.size() >= count; });
  }

  EngineClient engine_;
};

TEST_F(Schedule, RequestsBeyondTheLimitWaitInOrderAndKnowTheirPlace) {
  load(1);
  const auto first = engine_.generate(endless(310));
  wait_for_pieces(first, 1);
  const auto second = engine_.generate(of_length(1));
  const auto third = engine_.generate(of_length(1));
  engine_.take_until([&] { return engine_.answer(third).accepted.has_value(); });
  EXPECT_EQ(engine_.answer(second).accepted->queue_position(), 0U);
  EXPECT_EQ(engine_.answer(third).accepted->queue_position(), 1U);
  EXPECT_FALSE(engine_.answer(second).started);
  EXPECT_EQ(engine_.info().running(), 1U);
  EXPECT_EQ(engine_.info().waiting(), 2U);
  engine_.cancel(first);
  EXPECT_EQ(engine_.wait_for(first).done->reason(), wire::STOP_CANCELLED);
  engine_.wait_for(second);
  EXPECT_FALSE(engine_.answer(third).ended());
  EXPECT_TRUE(engine_.wait_for(third).done);
}

TEST_F(Schedule, HigherPriorityGoesFirst) {
  load(1);
  const auto first = engine_.generate(endless(310));
  wait_for_pieces(first, 1);
  const auto low = engine_.generate(of_length(1));
  wire::Generate urgent = of_length(1);
  urgent.set_priority(5);
  const auto high = engine_.generate(urgent);
  engine_.take_until([&] { return engine_.answer(high).accepted.has_value(); });
  EXPECT_EQ(engine_.answer(high).accepted->queue_position(), 0U);
  engine_.cancel(first);
  engine_.wait_for(high);
  EXPECT_FALSE(engine_.answer(low).ended());
  engine_.wait_for(low);
}

TEST_F(Schedule, ACancelledRequestStopsAndGivesItsCellsBack) {
  load(4);
  const auto running = engine_.generate(endless(310));
  wait_for_pieces(running, 3);
  EXPECT_GT(engine_.info().cells_used(), 0U);
  engine_.cancel(running);
  const Answer& answer = engine_.wait_for(running);
  EXPECT_EQ(answer.done->reason(), wire::STOP_CANCELLED);
  EXPECT_EQ(answer.done->prompt_tokens(), 3U);
  EXPECT_EQ(engine_.info().cells_used(), 0U);
  EXPECT_EQ(engine_.info().running(), 0U);
  // Ids that are over or never were change nothing.
  engine_.cancel(running);
  engine_.cancel(4711);
  engine_.pause(4711);
  EXPECT_TRUE(engine_.wait_for(engine_.generate(of_length(2))).done);
}

TEST_F(Schedule, CancelTakesOutOneThatWaits) {
  load(1);
  const auto first = engine_.generate(endless(310));
  wait_for_pieces(first, 1);
  const auto waiting = engine_.generate(of_length(1));
  engine_.take_until([&] { return engine_.answer(waiting).accepted.has_value(); });
  engine_.cancel(waiting);
  const Answer& answer = engine_.wait_for(waiting);
  EXPECT_EQ(answer.done->reason(), wire::STOP_CANCELLED);
  EXPECT_EQ(answer.done->predicted_tokens(), 0U);
  EXPECT_FALSE(answer.started);
}

TEST_F(Schedule, CancelInterruptsAPrompt) {
  load(4);
  // Beside a running one prompts are computed in small slices.
  const auto running = engine_.generate(endless(310));
  wait_for_pieces(running, 1);
  const auto id = engine_.generate(greedy_request(std::vector<std::int32_t>(1900, 320), 10));
  engine_.take_until([&] { return !engine_.answer(id).progress.empty(); });
  engine_.cancel(id);
  const Answer& answer = engine_.wait_for(id);
  EXPECT_EQ(answer.done->reason(), wire::STOP_CANCELLED);
  EXPECT_LT(answer.progress.back().processed_tokens(), 1900U);
  EXPECT_TRUE(answer.pieces.empty());
}

TEST_F(Schedule, APausedOneKeepsItsPlaceAndGoesOnUnchanged) {
  load(2);
  const auto expected = engine_.wait_for(engine_.generate(of_length(60))).tokens();
  const auto id = engine_.generate(of_length(60));
  wait_for_pieces(id, 5);
  engine_.pause(id);
  // Messages are dealt with in order, so after this answer nothing of the paused one may come.
  const auto info = engine_.info();
  EXPECT_EQ(info.paused(), 1U);
  EXPECT_EQ(info.running(), 0U);
  EXPECT_GT(info.cells_used(), 0U);
  const std::size_t pieces = engine_.answer(id).pieces.size();
  ASSERT_LT(pieces, 60U);
  // Two others run meanwhile: a paused one does not count as running.
  const auto second = engine_.generate(of_length(20, 311));
  const auto third = engine_.generate(of_length(20, 312));
  engine_.wait_for(second);
  engine_.wait_for(third);
  EXPECT_EQ(engine_.answer(id).pieces.size(), pieces);
  engine_.resume(id);
  EXPECT_EQ(engine_.wait_for(id).tokens(), expected);
}

TEST_F(Schedule, APausedOneCanBeCancelled) {
  load(1);
  const auto id = engine_.generate(endless(310));
  wait_for_pieces(id, 1);
  engine_.pause(id);
  engine_.cancel(id);
  EXPECT_EQ(engine_.wait_for(id).done->reason(), wire::STOP_CANCELLED);
}

TEST_F(Schedule, OnePausedWhileItWaitsLetsOthersPass) {
  load(1);
  const auto first = engine_.generate(endless(310));
  wait_for_pieces(first, 1);
  const auto held = engine_.generate(of_length(1));
  const auto other = engine_.generate(of_length(1));
  engine_.take_until([&] { return engine_.answer(other).accepted.has_value(); });
  engine_.pause(held);
  engine_.cancel(first);
  engine_.wait_for(other);
  EXPECT_FALSE(engine_.answer(held).started);
  engine_.resume(held);
  EXPECT_TRUE(engine_.wait_for(held).done);
}

TEST_F(Schedule, PausedOnesKeepNobodyOutAndLoseNothing) {
  wire::LoadConfig config = exact_config();
  config.set_parallel(1);
  config.set_context_length(512);
  config.set_kv_cells(512);
  ASSERT_TRUE(engine_.load(kTinyLlama, config).has_loaded());
  const auto expected = engine_.wait_for(engine_.generate(of_length(250))).tokens();
  std::vector<std::uint64_t> paused;
  for (int i = 0; i < 3; ++i) {
    paused.push_back(engine_.generate(of_length(250)));
    wait_for_pieces(paused.back(), 100);
    engine_.pause(paused.back());
  }
  // It needs nearly all cells.
  const auto large = engine_.generate(greedy_request(std::vector<std::int32_t>(450, 320), 20));
  EXPECT_TRUE(engine_.wait_for(large).done);
  for (const auto id : paused) EXPECT_FALSE(engine_.answer(id).ended());
  for (const auto id : paused) engine_.resume(id);
  for (const auto id : paused) EXPECT_EQ(engine_.wait_for(id).tokens(), expected);
}

TEST_F(Schedule, ManyRequestsOfAllKindsComeToTheirEnd) {
  load(3);
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 60; ++i) ids.push_back(engine_.generate(of_length(1 + i % 17, 300 + i)));
  for (int i = 0; i < 60; i += 7) engine_.cancel(ids[static_cast<std::size_t>(i)]);
  for (int i = 3; i < 60; i += 11) engine_.pause(ids[static_cast<std::size_t>(i)]);
  for (int i = 3; i < 60; i += 11) engine_.resume(ids[static_cast<std::size_t>(i)]);
  for (const auto id : ids) {
    const Answer& answer = engine_.wait_for(id);
    EXPECT_TRUE(answer.done || answer.error->kind() == wire::ERROR_CANCELLED);
  }
  const auto info = engine_.info();
  EXPECT_EQ(info.cells_used(), 0U);
  EXPECT_EQ(info.running() + info.waiting() + info.paused(), 0U);
}

}  // namespace
}  // namespace atelier::engine::test
