// What an engine sends is taken as it is only where it makes sense.
#include "runtime/messages.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "wire/engine.pb.h"

namespace atelier::runtime {
namespace {

wire::InfoResult with_times(std::initializer_list<double> bounds, std::initializer_list<std::uint64_t> counts,
                            double sum) {
  wire::InfoResult info;
  for (const double bound : bounds) info.mutable_step_seconds()->add_bounds(bound);
  for (const std::uint64_t count : counts) info.mutable_step_seconds()->add_counts(count);
  info.mutable_step_seconds()->set_sum(sum);
  return info;
}

TEST(Statistics, HistogramsComeThrough) {
  const EngineStatistics statistics = from_wire(with_times({0.5, 1}, {3, 0, 2}, 4.5));
  EXPECT_EQ(statistics.step_seconds.bounds, (std::vector<double>{0.5, 1}));
  EXPECT_EQ(statistics.step_seconds.counts, (std::vector<std::uint64_t>{3, 0, 2}));
  EXPECT_EQ(statistics.step_seconds.sum, 4.5);
  // An engine that knows none sends none.
  EXPECT_TRUE(statistics.step_tokens.counts.empty());
}

TEST(Statistics, HistogramsThatAreNoneAreLeftOut) {
  wire::InfoResult many;
  for (int i = 0; i < 1000; ++i) many.mutable_step_seconds()->add_bounds(i);
  for (int i = 0; i < 1001; ++i) many.mutable_step_seconds()->add_counts(i);
  const double infinite = std::numeric_limits<double>::infinity();
  for (const wire::InfoResult& info :
       {with_times({0.5, 1}, {3, 0}, 1), with_times({1, 0.5}, {1, 1, 1}, 1), with_times({1, 1}, {1, 1, 1}, 1),
        with_times({1}, {1, 1}, std::nan("")), with_times({1, infinite}, {1, 1, 1}, 1),
        with_times({std::nan("")}, {1, 1}, 1), with_times({}, {}, 1), many}) {
    const EngineStatistics statistics = from_wire(info);
    EXPECT_TRUE(statistics.step_seconds.counts.empty()) << info.ShortDebugString();
    EXPECT_TRUE(statistics.step_seconds.bounds.empty());
  }
}

}  // namespace
}  // namespace atelier::runtime
