#include "engine/draft_control.h"

#include <algorithm>
#include <cmath>

namespace atelier::engine {

namespace {

// Old samples fade: a machine gets busier, a context deeper.
constexpr double kMemory = 0.9;
constexpr double kFading = 0.97;

// What is expected of guesses behind an agreement of 3, 4, 5 and 6, 7 to 9, 10 to 15, and more tokens, before the
// answer has shown what it does; it weighs as much as so many observations.
constexpr std::array<double, 6> kExpected = {0.30, 0.45, 0.60, 0.75, 0.86, 0.94};
constexpr double kExpectedWeight = 2;

constexpr double kUnmeasuredRow = 0.5;

// Less is not worth the trouble.
constexpr double kWorthwhile = 1.03;

}  // namespace

// ---------------------------------------------------------------- costs

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
  // Carried on by the mean cost of a row beyond the first, where two numbers of rows are known.
  const double single = measured(1);
  const double each = below > 1 && single > 0 ? (from - single) / static_cast<double>(below - 1)
                                              : from * kUnmeasuredRow / static_cast<double>(below);
  return from + std::max(each, 0.0) * further;
}

// ---------------------------------------------------------------- chances

std::size_t DraftControl::class_of(std::size_t agreement) {
  if (agreement <= 3) return 0;
  if (agreement <= 4) return 1;
  if (agreement <= 6) return 2;
  if (agreement <= 9) return 3;
  return agreement <= 15 ? 4 : 5;
}

double DraftControl::chance(std::size_t agreement) const {
  const std::size_t c = class_of(agreement);
  return (kExpected[c] * kExpectedWeight + seen_[c].right) / (kExpectedWeight + seen_[c].tried);
}

double DraftControl::expected_tokens(std::size_t agreement, std::size_t length) const {
  double tokens = 1;
  double all_right = 1;
  for (std::size_t i = 0; i < length; ++i) {
    all_right *= chance(agreement + i);
    tokens += all_right;
  }
  return tokens;
}

std::size_t DraftControl::length(std::size_t agreement, std::size_t most, std::size_t other_rows, double other_tokens,
                                 const StepCosts& costs) const {
  const double plain = costs.of(other_rows + 1);
  const double single = costs.of(1);
  double best = kWorthwhile * (other_tokens + 1) / plain;
  std::size_t best_length = 0;
  double tokens = 1;
  double all_right = 1;
  for (std::size_t k = 1; k <= std::min(most, kLongest); ++k) {
    const double cost = costs.of(other_rows + 1 + k);
    // Nothing right: one token, as without.
    if ((cost - plain) / single > purse_) break;
    all_right *= chance(agreement + k - 1);
    tokens += all_right;
    const double ratio = (other_tokens + tokens) / cost;
    if (ratio > best) {
      best = ratio;
      best_length = k;
    }
  }
  return best_length;
}

void DraftControl::note_verified(std::size_t agreement, std::size_t drafted, std::size_t accepted,
                                 std::size_t other_rows, const StepCosts& costs) {
  for (std::size_t i = 0; i < std::min(accepted + 1, drafted); ++i) {
    Chance& seen = seen_[class_of(agreement + i)];
    seen.right = seen.right * kFading + (i < accepted ? 1 : 0);
    seen.tried = seen.tried * kFading + 1;
  }
  const double plain = costs.of(other_rows + 1);
  const double extra = costs.of(other_rows + 1 + drafted) - plain;
  const auto gained = static_cast<double>(accepted);
  earn(kShare * (gained + 1) + (gained * plain - extra) / costs.of(1));
}

void DraftControl::earn(double steps) { purse_ = std::clamp(purse_ + steps, 0.0, kFullPurse); }

}  // namespace atelier::engine
