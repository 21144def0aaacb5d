// How many drafted tokens are worth verifying.
//
// A draft of k tokens is verified in one step of 1 + k rows. It gives 1 + p1 + p1 p2 + … tokens, where pi is the
// chance that the i-th is right if those before it were, and costs what 1 + k rows cost. On a processor rows are dear
// (1.6 times a single one for two, 2.3 for four, about 5 for sixteen), on a GPU nearly free: so costs are measured
// (step_costs.h), chances are counted (DraftControl), and the length with the best ratio is taken; none, where none pays.
//
// What might be lost is bounded: every answer has a purse, in single steps. Each token that it makes puts 2 % of a step
// into it, each verification what it gained or lost; no draft is made that could cost more than the purse holds, and the reserve.
//
// Answers of one engine are often alike: the same file edited again, the same page asked about. So what they showed is kept
// in a DraftRecord: an answer begins with the chances that those before it had, and behind its purse is a reserve, what was
// left in theirs. The chances are forgotten again, a fifth with every answer, so that nobody is denied guesses for ever.
//
// Pure bookkeeping, no clock. A DraftControl belongs to an answer, a DraftRecord to all of an engine. Decode thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/step_costs.h"

namespace atelier::engine {

// Guesses are of classes, by what is known of each before it is verified; how often those of a class are right is
// counted.
using DraftClass = std::uint8_t;
inline constexpr std::size_t kDraftClasses = 12;
// Guessed from the text itself, where so many tokens before it stood there too (NgramLookup::Guess).
DraftClass class_of_agreement(std::size_t tokens);
// Guessed by a model that gave it this probability.
DraftClass class_of_probability(double p);

struct Draft {
  std::vector<std::int32_t> tokens;
  std::vector<DraftClass> classes;        // one for each
  std::chrono::duration<double> time{0};  // that it took to make it

  void cut(std::size_t length) {
    tokens.resize(length);
    classes.resize(length);
  }
};

// How often guesses of a class were right, those before them being so. Old samples fade.
class DraftChances {
 public:
  void note(DraftClass guess, bool right);
  // As if `expected` had been seen a few times.
  double of(DraftClass guess, double expected) const;
  void fade(double factor);

 private:
  struct Chance {
    double right = 0;
    double tried = 0;
  };
  std::array<Chance, kDraftClasses> seen_{};
};

// What the answers of an engine have shown together.
class DraftRecord {
 public:
  // Single steps. A full-length draft on a processor costs about six.
  static constexpr double kFullReserve = 8;

  double chance(DraftClass guess) const;
  void note(DraftClass guess, bool right) { chances_.note(guess, right); }
  // What ended answers had gained and not used.
  double reserve() const { return reserve_; }
  // Takes from the reserve what there is of it.
  void spend(double steps);
  // An answer has ended, so many steps ahead.
  void note_ended(double left_over);

 private:
  DraftChances chances_;
  double reserve_ = 0;
};

class DraftControl {
 public:
  static constexpr std::size_t kLongest = 16;

  // The record outlives it.
  explicit DraftControl(DraftRecord& record) : record_(record) {}

  // How many of the guesses to verify. The other sequences of the step have `other_rows` rows and are expected to give
  // `other_tokens` tokens.
  std::size_t length(std::span<const DraftClass> guesses, std::size_t other_rows, double other_tokens,
                     const StepCosts& costs) const;
  // The tokens that verifying these is expected to give, the one behind them included.
  double expected_tokens(std::span<const DraftClass> guesses) const;
  // That a guess is right, if those before it were.
  double chance(DraftClass guess) const;
  // Whether so many single steps may be lost.
  bool can_afford(double steps) const { return steps <= purse_ + record_.reserve(); }

  // A step without a draft gave a token.
  void note_plain() { earn(kShare); }
  // A guess turned out right or wrong: also one that was not computed, once its token has come.
  void note_guess(DraftClass guess, bool right);
  // `accepted` of the verified guesses were right, and the answer went on (or ended by itself) with one more. Those
  // behind the first wrong one tell nothing.
  void note_verified(std::span<const DraftClass> guesses, std::size_t accepted, std::size_t other_rows,
                     const StepCosts& costs);
  // So long was worked on guesses, verified or not.
  void note_drafting(StepCosts::Seconds time, const StepCosts& costs) { earn(-time.count() / costs.of(1)); }
  // The answer is done; what it has left is for the next ones.
  void note_ended();

 private:
  static constexpr double kShare = 0.02;
  static constexpr double kFirstPurse = 1.25;
  static constexpr double kFullPurse = 32;

  void earn(double steps);

  DraftRecord& record_;
  DraftChances seen_;
  double purse_ = kFirstPurse;
};

}  // namespace atelier::engine
