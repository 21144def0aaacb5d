#include <signal.h>

#include <gtest/gtest.h>

#include "runtime/instances.h"
#include "tests/runtime/harness.h"

namespace atelier::runtime {
namespace {

asio::awaitable<Result<MemoryEstimate>> estimate(Engines& engines, LoadRequest request, std::stop_token stop = {}) {
  auto answer = co_await engines.instances->estimate(std::move(request), std::move(stop));
  co_return answer;
}

bool is_running(const std::string& pid) { return ::kill(std::stoi(pid), 0) == 0; }

TEST(LoadEstimates, AnEngineIsStartedAskedAndEnded) {
  Engines engines;
  engines.start();
  LoadRequest request = engines.request("m", R"({"estimate": {"weight_bytes": 5000, "kv_cache_bytes": 600,
                                                  "compute_bytes": 70, "available_bytes": 10000}})");
  request.config.context_length = 1234;
  const auto answer = engines.loop.run(estimate(engines, request));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->weight_bytes, 5000U);
  EXPECT_EQ(answer->kv_cache_bytes, 600U);
  EXPECT_EQ(answer->compute_bytes, 70U);
  EXPECT_EQ(answer->total_bytes(), 5670U);
  EXPECT_EQ(answer->config.context_length, 1234U);
  EXPECT_TRUE(answer->fits);
  EXPECT_TRUE(answer->exact);
  ASSERT_EQ(engines.pids().size(), 1U);
  EXPECT_FALSE(is_running(engines.pids()[0]));
  EXPECT_TRUE(engines.instances->list().empty());
}

TEST(LoadEstimates, TheSameQuestionIsAskedOnce) {
  Engines engines;
  engines.start();
  const LoadRequest request = engines.request("m", "{}");
  // Also when it comes while the first is under way.
  auto first = engines.loop.start(estimate(engines, request));
  auto second = engines.loop.start(estimate(engines, request));
  ASSERT_TRUE(engines.loop.wait(first));
  ASSERT_TRUE(engines.loop.wait(second));
  EXPECT_EQ(engines.pids().size(), 1U);
  EXPECT_EQ(second.value()->weight_bytes, first.value()->weight_bytes);

  LoadRequest longer = request;
  longer.config.context_length = 100;
  ASSERT_TRUE(engines.loop.run(estimate(engines, longer)));
  EXPECT_EQ(engines.pids().size(), 2U);
  // Another file of that name.
  engines.request("m", R"({"estimate": {"weight_bytes": 123}})");
  const auto changed = engines.loop.run(estimate(engines, request));
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->weight_bytes, 123U);
  EXPECT_EQ(engines.pids().size(), 3U);
}

TEST(LoadEstimates, WhatMayBeOtherwiseTheNextTimeIsAskedAnew) {
  Engines engines;
  engines.start();
  for (const char* script : {R"({"estimate": {"lowered": true}})", R"({"estimate": {"gpu_bytes": 7}})",
                             R"({"estimate": {"available_bytes": 1000000000000000}})"}) {
    const std::size_t before = engines.pids().size();
    const LoadRequest request = engines.request("m", script);
    ASSERT_TRUE(engines.loop.run(estimate(engines, request))) << script;
    ASSERT_TRUE(engines.loop.run(estimate(engines, request))) << script;
    EXPECT_EQ(engines.pids().size(), before + 2) << script;
  }
}

TEST(LoadEstimates, ARememberedAnswerIsWeighedAnew) {
  Engines engines;
  engines.start();
  const LoadRequest request =
      engines.request("m", R"({"estimate": {"weight_bytes": 1000000000000000, "fits": false, "available_bytes": 1}})");
  ASSERT_TRUE(engines.loop.run(estimate(engines, request)));
  const auto again = engines.loop.run(estimate(engines, request));
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->fits);
  EXPECT_GT(again->available_bytes, 1000U);
  EXPECT_EQ(engines.pids().size(), 1U);
}

TEST(LoadEstimates, ARefusalIsTheAnswer) {
  Engines engines;
  engines.start();
  const auto answer = engines.loop.run(estimate(
      engines, engines.request("m", R"({"estimate": {"error": {"kind": "invalid_request", "message": "no such type",
                                        "param": "k_cache_type"}}})")));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(answer.error().param, "k_cache_type");
}

TEST(LoadEstimates, AnEngineThatCannotBeAskedIsUnavailable) {
  Engines engines;
  engines.config.estimate_timeout = std::chrono::milliseconds(200);
  engines.start();
  for (const char* script : {R"({"estimate": {"crash": "abort"}})", R"({"estimate": {"hang": true}})",
                             R"({"estimate": {"raw": "malformed"}})"}) {
    const auto answer = engines.loop.run(estimate(engines, engines.request("m", script)));
    ASSERT_FALSE(answer) << script;
    EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable) << script << answer.error().message;
  }
  for (const std::string& pid : engines.pids()) EXPECT_FALSE(is_running(pid));
}

TEST(LoadEstimates, AProgramThatIsNotThereIsUnavailable) {
  Engines engines;
  engines.config.runtime.exe = engines.folder.path() / "nothing";
  engines.start();
  const auto answer = engines.loop.run(estimate(engines, engines.request("m", "{}")));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
}

TEST(LoadEstimates, AreCancelled) {
  Engines engines;
  engines.start();
  std::stop_source stop;
  std::stop_source second_stop;
  const LoadRequest request = engines.request("m", R"({"estimate": {"hang": true}})");
  auto asking = engines.loop.start(estimate(engines, request, stop.get_token()));
  auto waiting = engines.loop.start(estimate(engines, request, second_stop.get_token()));
  engines.loop.run_ready();
  second_stop.request_stop();
  EXPECT_EQ(engines.loop.wait(waiting).error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(asking.done());
  stop.request_stop();
  EXPECT_EQ(engines.loop.wait(asking).error().code, ErrorCode::kCancelled);
}

TEST(LoadEstimates, AShutdownEndsThem) {
  Engines engines;
  engines.start();
  const LoadRequest request = engines.request("m", R"({"estimate": {"hang": true}})");
  auto asking = engines.loop.start(estimate(engines, request));
  engines.loop.run_ready();
  engines.loop.run(engines.instances->shutdown());
  EXPECT_EQ(engines.loop.wait(asking).error().code, ErrorCode::kShuttingDown);
  EXPECT_EQ(engines.loop.run(estimate(engines, request)).error().code, ErrorCode::kShuttingDown);
}

}  // namespace
}  // namespace atelier::runtime
