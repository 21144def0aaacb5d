// What the scheduler counts of its steps, with a clock of the test's own.
#include <gtest/gtest.h>
#include <llama.h>

#include <numeric>
#include <random>

#include "tests/engine/direct_scheduler.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

using std::chrono::milliseconds;

// How many of the values lie in the bucket whose upper bound is `bound`.
std::uint64_t in_bucket(const wire::Histogram& histogram, double bound) {
  for (int i = 0; i < histogram.bounds_size(); ++i) {
    if (histogram.bounds(i) == bound) return histogram.counts(i);
  }
  ADD_FAILURE() << "there is no bound " << bound;
  return 0;
}

std::uint64_t total(const wire::Histogram& histogram) {
  return std::accumulate(histogram.counts().begin(), histogram.counts().end(), std::uint64_t{0});
}

TEST(StepStatistics, EveryStepIsCountedByItsTimeAndItsTokens) {
  Clock::time_point now{};
  Scheduler::Seams seams;
  seams.now = [&] { return now; };
  seams.decode = [&](llama_context* context, const llama_batch& batch) {
    now += milliseconds(batch.n_tokens == 1 ? 20 : 400);
    return llama_decode(context, batch);
  };
  wire::LoadConfig config = exact_config();
  config.set_ngram_speculation(false);
  DirectScheduler engine(kTinyLlama, config, seams);
  std::mt19937 random(1);
  wire::Generate request = greedy_request(random_tokens(random, 7), 4);
  request.mutable_limits()->set_ignore_end_tokens(true);
  engine.submit(request);
  engine.run();
  // The prompt gives the first token, and each but the last of the answer's is computed for the next.
  const wire::InfoResult info = engine.info();
  EXPECT_EQ(info.decode_steps(), 4U);
  EXPECT_EQ(info.step_seconds().counts_size(), info.step_seconds().bounds_size() + 1);
  EXPECT_EQ(total(info.step_seconds()), 4U);
  EXPECT_EQ(in_bucket(info.step_seconds(), 0.02), 3U);
  EXPECT_EQ(in_bucket(info.step_seconds(), 0.5), 1U);
  EXPECT_NEAR(info.step_seconds().sum(), 0.46, 1e-9);
  EXPECT_EQ(total(info.step_tokens()), 4U);
  EXPECT_EQ(in_bucket(info.step_tokens(), 1), 3U);
  EXPECT_EQ(in_bucket(info.step_tokens(), 8), 1U);
  EXPECT_EQ(info.step_tokens().sum(), 10);
  EXPECT_EQ(info.preemptions(), 0U);
}

TEST(StepStatistics, PreemptionsAreCounted) {
  wire::LoadConfig config = exact_config();
  config.set_context_length(512);
  config.set_kv_cells(512);
  config.set_parallel(2);
  DirectScheduler engine(kTinyLlama, config);
  std::mt19937 random(2);
  // Both are admitted, for what they hold then and some room; both grow beyond the cells.
  for (int i = 0; i < 2; ++i) {
    wire::Generate request = greedy_request(random_tokens(random, 8), 400);
    request.mutable_limits()->set_ignore_end_tokens(true);
    engine.submit(request);
  }
  engine.run();
  EXPECT_GT(engine.info().preemptions(), 0U);
}

}  // namespace
}  // namespace atelier::engine::test
