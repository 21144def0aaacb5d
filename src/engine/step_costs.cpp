#include "engine/step_costs.h"

#include <algorithm>

namespace atelier::engine {

namespace {

// Old samples fade: a machine gets busier, a context deeper.
constexpr double kMemory = 0.9;
constexpr double kUnmeasuredRow = 0.25;
// Of about so many samples a mean is worth acting on.
constexpr double kEnoughWeight = 3;

// Taking turns must make tokens so much cheaper.
constexpr double kWorthTurns = 1.1;
// Steps with a part of the sequences until one has all of them again.
constexpr std::size_t kNarrowSteps = 64;
// Seconds. Where steps are shorter than this, what a single row costs is not looked for.
constexpr double kWorthLooking = 0.005;

}  // namespace

void StepCosts::note(std::size_t rows, Seconds time) {
  if (rows == 0 || rows > kMostRows) return;
  Sample& sample = samples_[rows];
  // One long step (a page fault, another program) is not what a step costs.
  const double seconds = sample.weight > 0 ? std::min(time.count(), 2 * sample.seconds) : time.count();
  const double old = sample.weight * kMemory;
  sample.seconds = (sample.seconds * old + seconds) / (old + 1);
  sample.weight = old + 1;
}

double StepCosts::measured(std::size_t rows) const { return rows <= kMostRows ? samples_[rows].seconds : 0; }

double StepCosts::of(std::size_t rows) const {
  rows = std::max<std::size_t>(rows, 1);
  std::size_t below = std::min(rows, kMostRows);
  while (below > 0 && measured(below) == 0) --below;
  if (below == rows) {
    double cost = measured(rows);
    // Fewer rows that were measured slower are the better witness of a slow hour.
    for (std::size_t n = 1; n < rows; ++n) cost = std::max(cost, measured(n));
    return cost;
  }
  std::size_t above = rows + 1;
  while (above <= kMostRows && measured(above) == 0) ++above;
  const bool has_above = above <= kMostRows;
  if (below == 0) {
    if (!has_above) return 1 + kUnmeasuredRow * static_cast<double>(rows - 1);
    // Only larger steps are known.
    const double single = measured(above) / (1 + kUnmeasuredRow * static_cast<double>(above - 1));
    return single * (1 + kUnmeasuredRow * static_cast<double>(rows - 1));
  }
  const double from = of(below);
  const auto further = static_cast<double>(rows - below);
  if (has_above) {
    const double to = std::max(measured(above), from);
    return from + (to - from) * further / static_cast<double>(above - below);
  }
  const double single = measured(1);
  const double dear = (single > 0 ? single : from / static_cast<double>(below)) * kUnmeasuredRow;
  const double mean = below > 1 && single > 0 ? (from - single) / static_cast<double>(below - 1) : dear;
  return from + std::clamp(mean, 0.0, dear) * further;
}

bool StepCosts::knows(std::size_t rows) const { return rows <= kMostRows && samples_[rows].weight >= kEnoughWeight; }

std::size_t StepWidth::next(std::size_t sequences, const StepCosts& costs) {
  if (sequences < 2 || !costs.knows(sequences)) return sequences;
  const double together = costs.measured(sequences) / static_cast<double>(sequences);
  if (!costs.knows(1)) return costs.measured(sequences) > kWorthLooking ? 1 : sequences;
  std::size_t best = sequences;
  double least = together / kWorthTurns;
  for (std::size_t width = 1; width < sequences; ++width) {
    if (!costs.knows(width)) continue;
    const double each = costs.measured(width) / static_cast<double>(width);
    if (each < least) {
      best = width;
      least = each;
    }
  }
  if (best == sequences || ++narrow_steps_ > kNarrowSteps) {
    narrow_steps_ = 0;
    return sequences;
  }
  return best;
}

}  // namespace atelier::engine
