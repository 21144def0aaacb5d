#include "engine/block_mover.h"

#include <algorithm>
#include <utility>

namespace atelier::engine {

BlockMover::BlockMover(CellCache& cells, std::unique_ptr<KvBlockStore> store, std::function<Clock::time_point()> now)
    : cells_(cells), store_(cells.can_move_pieces() ? std::move(store) : nullptr), now_(std::move(now)) {}

void BlockMover::sequence_ends(std::span<const std::int32_t> tokens) {
  if (store_ == nullptr || tokens.size() < kLeastTokens) return;
  if (saves_.size() == kMostWaiting) saves_.pop_front();
  tokens = tokens.first(tokens.size() / kBlockTokens * kBlockTokens);
  saves_.push_back({{tokens.begin(), tokens.end()}, block_keys(store_->root(), tokens)});
}

void BlockMover::save_one(bool beside_running) {
  if (beside_running && last_save_ > kLongestSave) return;
  while (!saves_.empty()) {
    Save& save = saves_.front();
    while (save.next < save.keys.size() && store_->contains(save.keys[save.next])) ++save.next;
    if (save.next == save.keys.size()) {
      saves_.pop_front();
      continue;
    }
    const Clock::time_point begun = now_();
    const std::size_t from = save.next * kBlockTokens;
    const auto tokens = std::span(save.tokens).first(from + kBlockTokens);
    KvBlockStore::State state = cells_.save(tokens, from);
    if (state.empty()) {
      // Its cells were needed before it was its turn.
      saves_.pop_front();
      continue;
    }
    store_->put(save.keys[save.next], tokens.last(kBlockTokens), std::move(state));
    ++save.next;
    last_save_ = now_() - begun;
    return;
  }
}

std::size_t BlockMover::restore(SequenceId id, std::size_t length, std::span<const std::int32_t> tokens, Prompt& prompt,
                                Clock::time_point deadline) {
  if (store_ == nullptr || prompt.exhausted || tokens.empty()) {
    prompt.exhausted = true;
    return length;
  }
  const auto usable = tokens.first((tokens.size() - 1) / kBlockTokens * kBlockTokens);
  if (prompt.keys.empty()) prompt.keys = block_keys(store_->root(), usable);
  while (length < usable.size()) {
    const std::size_t block = length / kBlockTokens;
    const std::size_t from = block * kBlockTokens;
    const BlockKey& key = prompt.keys[block];
    const auto upto = usable.first(from + kBlockTokens);
    if (!store_->contains(key)) break;
    if (now_() >= deadline) return length;
    const KvBlockStore::Found found = store_->find(key, upto.last(kBlockTokens));
    if (found.state == nullptr || !cells_.make_room(kBlockTokens)) break;
    if (!cells_.restore(id, upto, from, *found.state)) {
      store_->remove(key);
      break;
    }
    const std::uint64_t gained = upto.size() - length;
    (found.tier == KvBlockStore::Tier::kMemory ? counters_.tokens_from_memory : counters_.tokens_from_disk) += gained;
    length = upto.size();
  }
  prompt.exhausted = true;
  return length;
}

}  // namespace atelier::engine
