// Moves blocks between the cells of a context and the store beside them (kv_block_store.h).
//
// Out: what ended sequences leave is saved block by block between steps, while its cells are still there; a block at
// a time, and beside running predictions only while one takes no longer than kLongestSave.
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

  // These tokens have cells now, and their sequence is about to end.
  void sequence_ends(std::span<const std::int32_t> tokens);
  bool has_saves() const { return !saves_.empty(); }
  // At most one block. Beside running predictions only where that is quick.
  void save_one(bool beside_running);

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
    std::size_t next = 0;
  };

  CellCache& cells_;
  std::unique_ptr<KvBlockStore> store_;
  std::function<Clock::time_point()> now_;
  std::deque<Save> saves_;
  Clock::duration last_save_{};
  Counters counters_;
};

}  // namespace atelier::engine
