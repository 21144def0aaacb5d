#include "base/metrics.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace atelier::metrics {
namespace {

TEST(MetricsText, HasOneHeadForAFamilyAndNoneWithoutSamples) {
  Text text;
  text.family("a_total", Type::kCounter, "Nobody counted.");
  text.family("b_total", Type::kCounter, "Counted.");
  text.sample({}, std::uint64_t{18446744073709551615u});
  text.sample({{"kind", "x"}, {"place", "y"}}, std::uint64_t{2});
  text.family("c_seconds", Type::kGauge, "Time.");
  text.sample({{"kind", "x"}}, 0.25);
  EXPECT_EQ(text.take(),
            "# HELP b_total Counted.\n# TYPE b_total counter\n"
            "b_total 18446744073709551615\nb_total{kind=\"x\",place=\"y\"} 2\n"
            "# HELP c_seconds Time.\n# TYPE c_seconds gauge\nc_seconds{kind=\"x\"} 0.25\n");
}

TEST(MetricsText, EscapesWhatWouldEndALabelAndRepairsItsUtf8) {
  Text text;
  text.family("a", Type::kGauge, "One\nline \\ \"here\".");
  text.sample({{"model", "a\"b\\c\nd\xFF"}}, std::uint64_t{1});
  EXPECT_EQ(text.take(),
            "# HELP a One\\nline \\\\ \"here\".\n# TYPE a gauge\na{model=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\"} 1\n");
}

TEST(MetricsText, WritesNumbersAsPrometheusReadsThem) {
  Text text;
  text.family("a", Type::kGauge, "A.");
  for (const double value : {1e300, 0.1, -0.0, std::numeric_limits<double>::infinity(),
                             -std::numeric_limits<double>::infinity(), std::nan("")}) {
    text.sample({}, value);
  }
  EXPECT_EQ(text.take(), "# HELP a A.\n# TYPE a gauge\na 1e+300\na 0.1\na -0\na +Inf\na -Inf\na NaN\n");
}

TEST(MetricsHistogram, CountsIntoTheFirstBoundThatIsNotLess) {
  constexpr double kBounds[] = {1, 2.5};
  Histogram histogram(kBounds);
  for (const double value : {0.0, 1.0, 1.5, 2.5, 3.0, std::nan("")}) histogram.observe(value);
  Text text;
  text.family("wait_seconds", Type::kHistogram, "Waits.");
  text.histogram({{"model", "m"}}, histogram);
  EXPECT_EQ(text.take(),
            "# HELP wait_seconds Waits.\n# TYPE wait_seconds histogram\n"
            "wait_seconds_bucket{model=\"m\",le=\"1\"} 2\n"
            "wait_seconds_bucket{model=\"m\",le=\"2.5\"} 4\n"
            "wait_seconds_bucket{model=\"m\",le=\"+Inf\"} 5\n"
            "wait_seconds_sum{model=\"m\"} 8\n"
            "wait_seconds_count{model=\"m\"} 5\n");
}

TEST(MetricsHistogram, NumbersFromElsewhereAreWrittenTheSameAndNoneAreNotWritten) {
  Text text;
  text.family("wait_seconds", Type::kHistogram, "Waits.");
  text.histogram({{"model", "none"}}, HistogramCounts{});
  text.histogram({{"model", "m"}}, HistogramCounts{{1, 2.5}, {2, 2, 1}, 8});
  EXPECT_EQ(text.take(),
            "# HELP wait_seconds Waits.\n# TYPE wait_seconds histogram\n"
            "wait_seconds_bucket{model=\"m\",le=\"1\"} 2\n"
            "wait_seconds_bucket{model=\"m\",le=\"2.5\"} 4\n"
            "wait_seconds_bucket{model=\"m\",le=\"+Inf\"} 5\n"
            "wait_seconds_sum{model=\"m\"} 8\n"
            "wait_seconds_count{model=\"m\"} 5\n");
}

}  // namespace
}  // namespace atelier::metrics
