// Where in a prompt a model that cannot be cut keeps a copy of its state.
//
// A recurrent state (Mamba, RWKV, short convolutions; whole models or some layers of a hybrid) is one for all tokens
// so far: another prompt goes on from it only where it begins with every one of them. So copies are kept on the way
// through a prompt, where later prompts will part from it. Each costs the memory of a state and ends a slice of the
// prompt early, so there are few:
//   opening   behind the first turn, which is the system prompt with its tools: all conversations that have the same.
//   turns     behind the last two turns. The next request of the conversation has the last one too, and parts behind
//             it where the template writes the answer in another way than the model did (thoughts left out, calls
//             written anew); a new try at the answer parts there as well, another last question behind the one before.
//   tail      in front of the last lines, where no turn ends near the end: a text with another question below it, or a
//             template whose marks are plain text. Without any line, shortly before the end: the same prompt again.
//   branch    where another prompt was seen to part from this one. Found while requests run, so it needs no marks at
//             all (Marconi, Pan et al. 2024, keeps states at the branches of its tree for the same reason).
// Turns end at the vocabulary's marks (Vocabulary::ends_turn). Places that are closer than kLeastDistance to what is
// there already, or to one another, are left out: so much is computed again sooner than it is worth a copy.
//
// Pure; not for concurrent use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace atelier::engine {

struct Checkpoint {
  std::size_t length = 0;  // tokens before it
  bool opens = false;      // conversations of others are expected to have the same tokens before it
};

class CheckpointPlan {
 public:
  static constexpr std::size_t kLeastDistance = 32;
  // Of one prompt, those for branches included.
  static constexpr std::size_t kMost = 8;
  // The last turn is near enough to the end where no more than so many tokens follow.
  static constexpr std::size_t kNearEnd = 64;
  // Last lines are looked for in so many tokens, less these at the very end: "Answer:" is no question yet.
  static constexpr std::size_t kTail = 128;
  static constexpr std::size_t kLeastTail = 8;

  struct Marks {
    std::function<bool(std::int32_t)> ends_turn;
    std::function<bool(std::int32_t)> ends_line;
  };

  // No places.
  CheckpointPlan() = default;
  // For a prompt whose first `has` tokens need not be computed.
  CheckpointPlan(std::span<const std::int32_t> prompt, std::size_t has, const Marks& marks);

  // The first `shared` tokens are another prompt's too. Gives the longest place among those from `least` on that
  // serves both, a new one where that is worth it; 0 where there is none.
  std::size_t branch(std::size_t shared, std::size_t least);

  // The next place behind the first `computed` tokens; 0: none.
  std::size_t next(std::size_t computed) const;
  std::optional<Checkpoint> at(std::size_t length) const;
  const std::vector<Checkpoint>& places() const { return places_; }

 private:
  void add_turns(std::size_t least);
  void add_tail(std::span<const std::int32_t> prompt, std::size_t least, const Marks& marks);
  bool add(std::size_t length, bool opens);

  std::size_t longest_ = 0;  // all but the last token, whose logits are wanted
  std::vector<std::size_t> turn_ends_;
  std::vector<Checkpoint> places_;  // ascending
};

}  // namespace atelier::engine
