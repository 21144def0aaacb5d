// Numbers for monitoring: histograms, and the text that Prometheus reads (exposition format, version 0.0.4:
// prometheus.io/docs/instrumenting/exposition_formats). Nothing here is synchronised: one thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace atelier::metrics {

inline constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

// Upper bounds for waits, from a millisecond to ten minutes. Seconds.
inline constexpr double kWaitSeconds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                          1,     2.5,    5,     10,   30,    60,   120, 300,  600};
// For the time of one token: 1000 to a half in a second.
inline constexpr double kTokenSeconds[] = {0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.04,
                                           0.06,  0.08,  0.1,   0.15,  0.2,   0.3,  0.5,   1,    2};

// Steps of an engine: a fraction of a millisecond (a tiny model) to many seconds (a long prompt, a slow machine).
inline constexpr double kStepSeconds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075,
                                          0.1,    0.15,  0.25,   0.5,   0.75, 1,     1.5,  2.5,  5,    10};
// Tokens of a step.
inline constexpr double kStepTokens[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};

// A histogram's numbers alone, as another process sends them.
struct HistogramCounts {
  std::vector<double> bounds;
  std::vector<std::uint64_t> counts;  // one more than bounds; empty: there is no such histogram
  double sum = 0;
};

class Histogram {
 public:
  // The bounds ascend and live as long as the histogram.
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size() + 1, 0) {}

  void observe(double value);  // what is not a number is not counted

  std::span<const double> bounds() const { return bounds_; }
  // How many values were at most bounds()[i] and more than the one before; the last: more than every bound.
  const std::vector<std::uint64_t>& counts() const { return counts_; }
  double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::vector<std::uint64_t> counts_;
  double sum_ = 0;
};

enum class Type { kCounter, kGauge, kHistogram };

// Names are ours and well formed; values of labels may be anything.
using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// Writes families one after the other. One without samples is not written.
class Text {
 public:
  // Counters end with _total; names carry their unit (_seconds, _bytes).
  void family(std::string_view name, Type type, std::string_view help);
  // Of the last family.
  void sample(Labels labels, std::uint64_t value);
  void sample(Labels labels, double value);
  void histogram(Labels labels, const Histogram& histogram);
  void histogram(Labels labels, const HistogramCounts& histogram);

  std::string take() { return std::move(text_); }

 private:
  void head();
  void histogram(Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum);
  void line(std::string_view suffix, Labels labels, std::string_view bound, std::string_view value);

  std::string text_;
  std::string name_;
  std::string_view type_;
  std::string help_;
  bool head_written_ = false;
};

}  // namespace atelier::metrics
