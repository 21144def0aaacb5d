// How many prompt tokens a step computes.
//
// Beside running predictions a step is what they wait for, so its length in tokens follows the measured time of the
// steps before: next = last * target / time. Whatever a step costs besides (weights that are read once, the tokens
// of the running ones), this settles where a step takes the target, and needs no model of the cost. Attention makes
// a token dearer with the depth of its prompt; the length follows. It at most doubles or halves from one step to the
// next. All rows of a step together, those of the running ones too, are rounded down to whole tiles of the library's
// kernels, which also lets it use its computation graph again: a row more than a tile costs as much as a tile more.
//
// Alone nobody waits, but a cancelled request and the next arrival do: there a step has a fixed length, so that a
// request that runs alone is always computed in the same batches and gives the same bits.
//
// Decode thread. Knows no clock: the scheduler says how long a step took.
#pragma once

#include <chrono>
#include <cstddef>

namespace atelier::engine {

class StepPacer {
 public:
  using Seconds = std::chrono::duration<double>;
  // Rows that the library computes together on a processor: flash attention takes 64 queries at once, and goes row by row
  // where there are fewer.
  static constexpr std::size_t kTile = 64;

  struct Limits {
    std::size_t alone = 256;  // tokens of a step with nobody beside
    std::size_t most = 512;   // of any step
    std::size_t first = 64;   // beside running ones, before anything was measured
    Seconds target{0.75};     // the longest gap between two tokens of a running one; 0: no target
  };

  explicit StepPacer(const Limits& limits);

  // `running` is the number of sequences that have a row of the same step, `depth` that of the tokens before the slice
  // in the prompt that is first in line.
  std::size_t prompt_tokens(std::size_t running, std::size_t depth);
  // The same where running ones wait for the step and have no rows of it; they have so many cells.
  std::size_t prompt_tokens_apart(std::size_t cells) { return paced(0, cells); }

  // A step that computed `prompt_tokens` (0: none) took `time`; with those of running ones that are computed apart, if so.
  void note_step(std::size_t prompt_tokens, Seconds time);

 private:
  std::size_t paced(std::size_t running, std::size_t depth);

  Limits limits_;
  double tokens_;          // beside running ones, not rounded
  std::size_t given_ = 0;  // by the last prompt_tokens
};

}  // namespace atelier::engine
