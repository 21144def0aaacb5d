// Guesses what comes next from what was there before: the text behind the last place where the same tokens stood.
//
// Speculation without a second model ("prompt lookup decoding", Saxena 2023; in llama.cpp `lookup`): answers often
// copy from their prompt (code that is edited, a page that is summed up, JSON with the same keys) or repeat
// themselves. The last kGram tokens are looked up in an index of all earlier places; of the newest kCandidates of
// them, the one whose tokens agree furthest back is taken, and what followed it there is the guess. A longer
// agreement makes a better guess: its length is given too.
//
// Costs: 12 bytes a token, some tens of nanoseconds to take one in. One object belongs to one answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace atelier::engine {

class NgramLookup {
 public:
  static constexpr std::size_t kGram = 3;
  static constexpr std::size_t kCandidates = 16;
  static constexpr std::size_t kLongestAgreement = 64;

  struct Guess {
    std::size_t agreement = 0;  // tokens before the guess that are the same in both places; 0: there is no guess
    std::vector<std::int32_t> tokens;
  };

  // What stands at the end of `tokens` beyond what it has seen. `tokens` is the whole sequence, which only grows.
  void follow(std::span<const std::int32_t> tokens);

  // Up to `most` tokens behind the end of `tokens`, all of which have been followed. A text that repeats itself
  // with a short period is guessed on through its own guess.
  Guess guess(std::span<const std::int32_t> tokens, std::size_t most) const;

 private:
  // A place is the index of the token behind a gram.
  using Place = std::uint32_t;

  std::unordered_map<std::uint64_t, Place> last_place_;
  std::vector<Place> earlier_place_;  // for each place, the one before with the same hash; 0: none
};

}  // namespace atelier::engine
