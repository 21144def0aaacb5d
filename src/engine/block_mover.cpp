#include "engine/block_mover.h"

#include <algorithm>
#include <utility>

namespace atelier::engine {

BlockMover::BlockMover(CellCache& cells, std::unique_ptr<KvBlockStore> store, std::function<Clock::time_point()> now)
    : cells_(cells), store_(cells.can_move_pieces() ? std::move(store) : nullptr), now_(std::move(now)) {
  if (store_ == nullptr) return;
  cells_.before_giving_up(
      [this](std::span<const std::int32_t> tokens, std::size_t from) { save_before_giving_up(tokens, from); });
}

void BlockMover::begin_step(bool beside_running) {
  time_saving_ = {};
  time_for_saves_ = beside_running ? kLongestSave : kLongestSaveAlone;
}

void BlockMover::sequence_ends(std::span<const std::int32_t> tokens, Why why) {
  if (store_ == nullptr || tokens.size() < kLeastTokens) return;
  if (saves_.size() == kMostWaiting) {
    const auto oldest = std::find_if(saves_.begin(), saves_.end(), [](const Save& s) { return s.why == Why::kEnded; });
    saves_.erase(oldest == saves_.end() ? saves_.begin() : oldest);
  }
  tokens = tokens.first(tokens.size() / kBlockTokens * kBlockTokens);
  Save save{{tokens.begin(), tokens.end()}, block_keys(store_->root(), tokens), why};
  if (why == Why::kPreempted)
    saves_.push_front(std::move(save));
  else
    saves_.push_back(std::move(save));
}

bool BlockMover::save_block(std::span<const std::int32_t> tokens, const BlockKey& key) {
  const Clock::time_point begun = now_();
  KvBlockStore::State state = cells_.save(tokens, tokens.size() - kBlockTokens);
  if (state.empty()) return false;
  store_->put(key, tokens.last(kBlockTokens), std::move(state));
  const Clock::duration time = now_() - begun;
  time_saving_ += time;
  // One that was interrupted is not what they usually take.
  usual_save_ = time < usual_save_ || usual_save_ == Clock::duration{} ? time : usual_save_ + (time - usual_save_) / 4;
  return true;
}

void BlockMover::save_one(bool beside_running) {
  // Where nobody waits, a block may take as long as it does.
  if (beside_running && !may_save()) return;
  while (!saves_.empty()) {
    Save& save = saves_.front();
    while (save.next < save.keys.size() && store_->contains(save.keys[save.next])) ++save.next;
    if (save.next == save.keys.size()) {
      saves_.pop_front();
      continue;
    }
    const std::size_t end = (save.next + 1) * kBlockTokens;
    if (!save_block(std::span(save.tokens).first(end), save.keys[save.next])) {
      // Its cells were needed before it was its turn.
      saves_.pop_front();
      continue;
    }
    ++save.next;
    return;
  }
}

void BlockMover::save_before_giving_up(std::span<const std::int32_t> tokens, std::size_t from) {
  if (tokens.size() < kLeastTokens || !may_save()) return;
  tokens = tokens.first(tokens.size() / kBlockTokens * kBlockTokens);
  if (from >= tokens.size()) return;
  const Clock::time_point begun = now_();
  const std::vector<BlockKey> keys = block_keys(store_->root(), tokens);
  time_saving_ += now_() - begun;
  // Those in front first: a block is of use only behind all before it.
  for (std::size_t block = from / kBlockTokens; block < keys.size() && may_save(); ++block) {
    if (!store_->contains(keys[block])) save_block(tokens.first((block + 1) * kBlockTokens), keys[block]);
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
