// The cells of one context: who has them, what finished answers left in them, and what goes when they run out.
//
// Every sequence is either running (ids 0, 1, 2, … without gaps; split and recurrent caches want that) or kept (ids
// above those): what an ended prediction leaves, prompt and answer, stays until its cells or its id are needed.
// A new prompt takes its longest beginning from whichever sequence has it, by llama_memory_seq_cp, which writes
// names on cells and moves nothing. prefix_tree.h does the counting; this class does to the library's cache what it
// does to the tree, in the same breath, and is the only one that does so.
//
// Cells are given up from the end of the sequence that was kept first: the beginning of a long conversation is
// worth more than its end, and is often held by others anyway. Only kept cells are ever given up here. Cells that
// a running sequence holds are counted beside (`held_cells`), so that the scheduler can promise no more than there
// are.
//
// What may be reused is the library's to say:
//   anywhere   plain attention: a sequence may be cut at any token. With sliding windows only where the window
//              before the cut is still there, which is asked each time.
//   whole      recurrent and hybrid models have one state for all tokens so far: only a prompt that begins with all
//              of a sequence can go on from it. So running sequences leave copies of themselves on the way through
//              their prompts (keep_copy; checkpoints.h says where). A copy is a name on the same cells and the same
//              state until the sequence goes on, and a state of its own from then on. They go when their ids are
//              needed: first those that a later copy has passed, where the least is lost by it, then what was not
//              used for the longest time.
//   off        nothing is kept.
//
// A sequence whose context is full may lose tokens behind its beginning, and the rest moves down (shift). What was moved
// was computed with the lost ones in view, so it is not what its tokens are worth elsewhere: the tree knows it as
// kNoToken, and it goes with the sequence.
//
// Decode thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/prefix_tree.h"

struct llama_context;
struct llama_memory_i;

namespace atelier::engine {

enum class Reuse { kOff, kWhole, kAnywhere };

class CellCache {
 public:
  struct Limits {
    std::size_t cells = 0;
    std::size_t running_sequences = 0;
    std::size_t kept_sequences = 0;
    Reuse reuse = Reuse::kAnywhere;
    std::size_t window = 0;       // tokens of a sliding window; 0: none
    bool spare_sequence = false;  // there is one more id behind the kept ones: save(), restore(), padding()
    bool can_shift = false;       // cells can be moved to earlier positions
  };
  enum class Leave { kForReuse, kNothing };
  struct Counters {
    std::uint64_t evicted_cells = 0;
    // Prompt tokens that lay in cells and could not be taken over, because the model cannot be cut there.
    std::uint64_t unusable_tokens = 0;
    // Copies that running sequences left, and how often a prompt went on from one.
    std::uint64_t copies_kept = 0;
    std::uint64_t copies_used = 0;
  };

  // Cells of a kept sequence with these tokens are about to be given up, those from `from` on.
  using BeforeGivingUp = std::function<void(std::span<const std::int32_t> tokens, std::size_t from)>;

  // The context outlives the cache, and its memory is empty.
  CellCache(llama_context* context, const Limits& limits);

  // Who is told. They may save(), nothing else.
  void before_giving_up(BeforeGivingUp told) { before_giving_up_ = std::move(told); }

  // A running sequence without cells; its id is the number of those that ran before. Needs a free place.
  SequenceId open();
  // Gives the sequence, in place of what it has, the longest beginning of `tokens` that is there, if that is more.
  // Never all of them: the last one must be computed, because its logits are wanted. Gives its length now.
  std::size_t adopt(SequenceId id, std::span<const std::int32_t> tokens);
  // Counts what was there for a prompt beyond what was adopted.
  void note_unusable(std::span<const std::int32_t> tokens, std::size_t adopted);
  // The library has computed these for it.
  void computed(SequenceId id, std::span<const std::int32_t> tokens);
  // What the sequence is now stays among the kept ones; it goes on itself. Only where Reuse is kWhole: elsewhere it
  // would be found without. `opens`: other conversations are expected to begin with it.
  void keep_copy(SequenceId id, bool opens);
  // The library has computed more for it than computed() was told; that is taken back.
  void take_back(SequenceId id);
  // Whether the running sequence may be shifted behind its first `head` tokens: the library can, and no other running
  // sequence holds what would move.
  bool can_shift(SequenceId id, std::size_t head) const;
  // It loses `count` tokens behind its first `head`; what lay behind them moves down. Kept sequences that hold some of
  // that are cut to the head.
  void shift(SequenceId id, std::size_t head, std::size_t count);
  // Gives up its tokens from `length` on; all of them, where it cannot be cut there. Gives its length then.
  std::size_t cut(SequenceId id, std::size_t length);
  // How many of its first tokens have the cells that they would have in any other sequence: all, unless it was shifted.
  std::size_t genuine(SequenceId id) const;

  // Pieces of sequences leave the cells and come back (kv_block_store.h), where they can be taken apart: plain
  // attention, and a spare sequence.
  bool can_move_pieces() const;
  // The state of the tokens from `from` on to the end of `tokens`, whichever sequence has them; empty where none has.
  std::vector<std::uint8_t> save(std::span<const std::int32_t> tokens, std::size_t from);
  // The running sequence, which ends between `from` and the end of `tokens`, gets the rest of them from such a state, which
  // is of `count` tokens and may go on behind them. The state's cells must be free. False, and nothing has changed, where
  // the library does not take it.
  bool restore(SequenceId id, std::span<const std::int32_t> tokens, std::size_t from, std::size_t count,
               std::span<const std::uint8_t> state);

  // The sequence is over. The last running one gets its id.
  void close(SequenceId id, Leave leave);

  // Whether its cells count as held by a running sequence. For questions of the kind "what if".
  void set_aside(SequenceId id, bool aside);

  // What adopt() would find for a new sequence, at most, and how much of it running sequences hold.
  PrefixTree::Match find(std::span<const std::int32_t> tokens) const;

  // Gives up all kept sequences.
  void forget_kept();

  // Gives up kept cells until `wanted` are free. False where all of them do not suffice.
  bool make_room(std::size_t wanted);

  // So many more rows have been computed, by whomever. Each of them looked past all cells of others.
  void note_rows(std::size_t rows) { rows_ += rows; }
  // What is done with the end of a kept sequence, from `from` on, that has been idle: it can come back from elsewhere
  // and goes, it may go in a later step, or it stays until as many rows have been computed again.
  enum class Idle { kGoes, kStaysNow, kStays };
  using PutBeside = std::function<Idle(std::span<const std::int32_t> tokens, std::size_t from)>;
  // Asks this of the kept sequences that nobody has used for `rows` rows, the `coming` ones included.
  void give_up_idle(std::size_t rows, std::size_t coming, const PutBeside& put_beside);

  // Whether rows may be computed that are nobody's, to fill up a batch: they take free cells of this sequence, from
  // position 0 on, until drop_padding().
  bool can_pad() const { return can_move_pieces(); }
  SequenceId padding() const { return spare(); }
  void drop_padding();

  std::size_t running() const { return running_; }
  std::size_t kept() const { return kept_.size(); }
  std::size_t used_cells() const { return tree_.cells(); }
  std::size_t held_cells() const { return tree_.held_cells(); }
  std::size_t free_cells() const { return limits_.cells - tree_.cells(); }
  Reuse reuse() const { return limits_.reuse; }
  std::size_t window() const { return limits_.window; }
  const Counters& counters() const { return counters_; }
  const PrefixTree& tree() const { return tree_; }

 private:
  enum class Origin { kEnded, kCopy, kOpeningCopy };
  struct Kept {
    SequenceId id;
    Origin origin;
    std::uint64_t since = 0;  // rows that had been computed then
  };

  void keep(SequenceId id);
  std::vector<Kept>::iterator find_equal(SequenceId id);
  void note_use(SequenceId id);
  void give_up_place();
  std::size_t least_missed() const;
  std::vector<SequenceId> passed_by_copies() const;
  void give_up(SequenceId id);
  void cut_kept(SequenceId id, std::size_t length);
  void tell_before_giving_up(SequenceId id, std::size_t from);
  SequenceId free_kept_id() const;
  void move(SequenceId from, SequenceId to);
  void take_over_shared_cells(SequenceId id, const PrefixTree::Match& match);
  bool has_window_before(std::size_t length, SequenceId id) const;

  SequenceId spare() const;

  llama_context* context_;
  llama_memory_i* memory_;
  Limits limits_;
  PrefixTree tree_;
  std::size_t running_ = 0;
  std::vector<Kept> kept_;                                  // first kept, or used last the longest time ago, first
  std::vector<std::optional<std::size_t>> shifted_behind_;  // by running id: the head that was not moved
  std::uint64_t rows_ = 0;
  Counters counters_;
  BeforeGivingUp before_giving_up_;
};

}  // namespace atelier::engine
