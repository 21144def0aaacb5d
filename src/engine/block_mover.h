// Moves blocks between the cells of a context and the store beside them (kv_block_store.h).
//
// Out: what sequences leave is saved block by block between steps, while its cells are still there: a block at a time,
// and first of those that were preempted and will come back. Where cells are given up before it was their turn, their
// blocks are saved then. All of this together takes no more of a step than kLongestSave beside running predictions, and
// kLongestSaveAlone where only prompts wait; a block is expected to take as long as others did.
// Sequences that have been idle are saved whole, with the piece of a block that they end with (put_beside), and their cells
// are free then.
// In: a prompt whose beginning is in the store and not in the cells gets it from there, as far as a deadline allows.
//
// Decode thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/cell_cache.h"
#include "engine/kv_block_store.h"

namespace atelier::engine {

class BlockMover {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLongestSave{5};
  static constexpr std::chrono::milliseconds kLongestSaveAlone{50};
  // Shorter sequences are computed again faster than it is worth to keep them.
  static constexpr std::size_t kLeastTokens = 4 * kBlockTokens;
  static constexpr std::size_t kMostWaiting = 64;

  // What a prompt remembers between steps.
  struct Prompt {
    std::vector<BlockKey> keys;
    bool exhausted = false;  // there is nothing more for it
  };
  struct Counters {
    std::uint64_t tokens_from_memory = 0;
    std::uint64_t tokens_from_disk = 0;
  };

  // `store` may be null: then nothing is moved. The cells outlive the mover.
  BlockMover(CellCache& cells, std::unique_ptr<KvBlockStore> store, std::function<Clock::time_point()> now);

  // What the saves of a step may take counts from here.
  void begin_step(bool beside_running);
  // These tokens have cells now, and their sequence is about to lose them: it has ended, or was preempted.
  enum class Why { kEnded, kPreempted };
  void sequence_ends(std::span<const std::int32_t> tokens, Why why = Why::kEnded);
  bool has_saves() const { return !saves_.empty(); }
  // At most one block. Beside running predictions only where that is quick.
  void save_one(bool beside_running);
  // Saves what is not saved yet of an idle sequence whose cells from `from` on are its own, as far as this step's time
  // for saves goes. Stays where there is no memory for it.
  CellCache::Idle put_beside(std::span<const std::int32_t> tokens, std::size_t from);

  // Gives the running sequence more of `tokens` (never the last one: its logits are wanted) and returns its length then.
  // prompt.exhausted tells whether there could be more.
  std::size_t restore(SequenceId id, std::size_t length, std::span<const std::int32_t> tokens, Prompt& prompt,
                      Clock::time_point deadline);

  const Counters& counters() const { return counters_; }
  const KvBlockStore* store() const { return store_.get(); }

 private:
  struct Save {
    std::vector<std::int32_t> tokens;
    std::vector<BlockKey> keys;
    Why why = Why::kEnded;
    std::size_t next = 0;
  };

  void save_before_giving_up(std::span<const std::int32_t> tokens, std::size_t from);
  bool may_save() const { return time_saving_ + usual_save_ <= time_for_saves_; }
  // The cells from `from` to the end of `tokens`, as one block. False where the cells have not got them any more.
  bool save_block(std::span<const std::int32_t> tokens, std::size_t from, const KvBlockStore::Name& name,
                  KvBlockStore::Keep keep);
  KvBlockStore::Name name(const std::vector<BlockKey>& keys, std::size_t block) const {
    return {keys[block], before(keys, block)};
  }
  const BlockKey& before(const std::vector<BlockKey>& keys, std::size_t block) const {
    return block == 0 ? store_->root() : keys[block - 1];
  }
  // The cells from `from` to the end of `tokens`. False where nothing was gained.
  bool restore_block(SequenceId id, std::span<const std::int32_t> tokens, std::size_t from,
                     const KvBlockStore::Name& name);
  std::size_t restore_end(SequenceId id, std::size_t length, std::span<const std::int32_t> tokens,
                          const Prompt& prompt);

  CellCache& cells_;
  std::unique_ptr<KvBlockStore> store_;
  std::function<Clock::time_point()> now_;
  std::deque<Save> saves_;
  std::uint64_t block_bytes_ = 0;
  Clock::duration usual_save_{};   // what a block takes
  Clock::duration time_saving_{};  // in this step
  Clock::duration time_for_saves_{kLongestSaveAlone};
  Counters counters_;
};

}  // namespace atelier::engine
