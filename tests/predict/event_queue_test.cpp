#include "predict/event_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace atelier::predict {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

TEST(EventQueue, MakesProducersWaitForAFullQueueAndKeepsTheirOrder) {
  asio::io_context loop;
  EventQueue<int> queue(loop.get_executor(), 2);
  int pushed = 0;
  std::size_t largest_lead = 0;
  std::vector<int> received;
  const auto produce = [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 100; ++i) {
      co_await queue.push(i);
      ++pushed;
      largest_lead = std::max(largest_lead, static_cast<std::size_t>(pushed) - received.size());
    }
  };
  const auto consume = [&]() -> asio::awaitable<void> {
    while (received.size() < 100) {
      const auto value = co_await queue.pop(Clock::time_point::max());
      received.push_back(*value);
    }
  };
  asio::co_spawn(loop, produce(), asio::detached);
  asio::co_spawn(loop, consume(), asio::detached);
  loop.run();
  ASSERT_EQ(received.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(received[static_cast<std::size_t>(i)], i);
  EXPECT_LE(largest_lead, 3U);
}

TEST(EventQueue, LetsSeveralProducersFinish) {
  asio::io_context loop;
  EventQueue<int> queue(loop.get_executor(), 1);
  int received = 0;
  const auto produce = [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 50; ++i) co_await queue.push(i);
  };
  const auto consume = [&]() -> asio::awaitable<void> {
    for (; received < 200; ++received) co_await queue.pop(Clock::time_point::max());
  };
  for (int i = 0; i < 4; ++i) asio::co_spawn(loop, produce(), asio::detached);
  asio::co_spawn(loop, consume(), asio::detached);
  loop.run();
  EXPECT_EQ(received, 200);
}

TEST(EventQueue, GivesNothingOnceTheDeadlineHasPassed) {
  asio::io_context loop;
  EventQueue<int> queue(loop.get_executor(), 1);
  bool nothing = false;
  const auto consume = [&]() -> asio::awaitable<void> {
    const auto value = co_await queue.pop(Clock::now());
    nothing = !value.has_value();
  };
  asio::co_spawn(loop, consume(), asio::detached);
  loop.run();
  EXPECT_TRUE(nothing);
}

TEST(EventQueue, ReleasesProducersWhenTheConsumerGoes) {
  asio::io_context loop;
  EventQueue<int> queue(loop.get_executor(), 1);
  bool finished = false;
  const auto produce = [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 10; ++i) co_await queue.push(i);
    finished = true;
  };
  asio::co_spawn(loop, produce(), asio::detached);
  asio::post(loop, [&] { queue.close(); });
  loop.run();
  EXPECT_TRUE(finished);
}

}  // namespace
}  // namespace atelier::predict
