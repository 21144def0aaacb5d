#include "engine/draft_control.h"

#include <algorithm>
#include <cmath>

namespace atelier::engine {

namespace {

// With each new sample.
constexpr double kFading = 0.97;
// With each answer that ends, of what all of them showed.
constexpr double kFadingByAnswer = 0.8;

// What is expected of guesses before answers have shown what they do: behind an agreement of 3, 4, 5 and 6, 7 to 9, 10
// to 15, and more tokens; of a model, with a probability below 0.3, 0.5, 0.7, 0.85, 0.95, and above. It weighs as much
// as so many observations.
constexpr std::array<double, kDraftClasses> kExpected = {0.30, 0.45, 0.60, 0.75, 0.86, 0.94,
                                                         0.15, 0.35, 0.55, 0.72, 0.85, 0.94};
constexpr double kExpectedWeight = 2;

// Less is not worth the trouble.
constexpr double kWorthwhile = 1.03;

}  // namespace

// ---------------------------------------------------------------- chances

DraftClass class_of_agreement(std::size_t tokens) {
  if (tokens <= 3) return 0;
  if (tokens <= 4) return 1;
  if (tokens <= 6) return 2;
  if (tokens <= 9) return 3;
  return tokens <= 15 ? 4 : 5;
}

DraftClass class_of_probability(double p) {
  constexpr std::array<double, 5> kBounds = {0.3, 0.5, 0.7, 0.85, 0.95};
  const auto above = std::upper_bound(kBounds.begin(), kBounds.end(), p);
  return static_cast<DraftClass>(6 + (above - kBounds.begin()));
}

void DraftChances::note(DraftClass guess, bool right) {
  Chance& seen = seen_[guess];
  seen.right = seen.right * kFading + (right ? 1 : 0);
  seen.tried = seen.tried * kFading + 1;
}

double DraftChances::of(DraftClass guess, double expected) const {
  const Chance& seen = seen_[guess];
  return (expected * kExpectedWeight + seen.right) / (kExpectedWeight + seen.tried);
}

void DraftChances::fade(double factor) {
  for (Chance& seen : seen_) {
    seen.right *= factor;
    seen.tried *= factor;
  }
}

// ---------------------------------------------------------------- all answers

double DraftRecord::chance(DraftClass guess) const { return chances_.of(guess, kExpected[guess]); }

void DraftRecord::spend(double steps) { reserve_ = std::max(reserve_ - steps, 0.0); }

void DraftRecord::note_ended(double left_over) {
  reserve_ = std::min(reserve_ + left_over, kFullReserve);
  chances_.fade(kFadingByAnswer);
}

// ---------------------------------------------------------------- one answer

double DraftControl::chance(DraftClass guess) const { return seen_.of(guess, record_.chance(guess)); }

double DraftControl::expected_tokens(std::span<const DraftClass> guesses) const {
  double tokens = 1;
  double all_right = 1;
  for (const DraftClass guess : guesses) {
    all_right *= chance(guess);
    tokens += all_right;
  }
  return tokens;
}

std::size_t DraftControl::length(std::span<const DraftClass> guesses, std::size_t other_rows, double other_tokens,
                                 const StepCosts& costs) const {
  const double plain = costs.of(other_rows + 1);
  const double single = costs.of(1);
  double best = kWorthwhile * (other_tokens + 1) / plain;
  std::size_t best_length = 0;
  double tokens = 1;
  double all_right = 1;
  for (std::size_t k = 1; k <= std::min(guesses.size(), kLongest); ++k) {
    const double cost = costs.of(other_rows + 1 + k);
    // Nothing right: one token, as without.
    if (!can_afford((cost - plain) / single)) break;
    all_right *= chance(guesses[k - 1]);
    tokens += all_right;
    const double ratio = (other_tokens + tokens) / cost;
    if (ratio > best) {
      best = ratio;
      best_length = k;
    }
  }
  return best_length;
}

void DraftControl::note_verified(std::span<const DraftClass> guesses, std::size_t accepted, std::size_t other_rows,
                                 const StepCosts& costs) {
  for (std::size_t i = 0; i < std::min(accepted + 1, guesses.size()); ++i) {
    note_guess(guesses[i], i < accepted);
  }
  const double plain = costs.of(other_rows + 1);
  const double extra = costs.of(other_rows + 1 + guesses.size()) - plain;
  const auto gained = static_cast<double>(accepted);
  earn(kShare * (gained + 1) + (gained * plain - extra) / costs.of(1));
}

void DraftControl::note_guess(DraftClass guess, bool right) {
  seen_.note(guess, right);
  record_.note(guess, right);
}

void DraftControl::earn(double steps) {
  purse_ += steps;
  if (purse_ < 0) record_.spend(-purse_);
  purse_ = std::clamp(purse_, 0.0, kFullPurse);
}

// What every answer begins with is no gain.
void DraftControl::note_ended() {
  record_.note_ended(std::max(purse_ - kFirstPurse, 0.0));
  purse_ = 0;
}

}  // namespace atelier::engine
