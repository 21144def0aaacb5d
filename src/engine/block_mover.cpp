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

bool BlockMover::save_block(std::span<const std::int32_t> tokens, std::size_t from, const KvBlockStore::Name& name,
                            KvBlockStore::Keep keep) {
  const Clock::time_point begun = now_();
  KvBlockStore::State state = cells_.save(tokens, from);
  if (state.empty()) return false;
  block_bytes_ = std::max<std::uint64_t>(block_bytes_, state.size());
  store_->put(name, tokens.subspan(from), std::move(state), keep);
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
    if (!save_block(std::span(save.tokens).first(end), end - kBlockTokens, name(save.keys, save.next),
                    KvBlockStore::Keep::kOnDiskToo)) {
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
    if (!store_->contains(keys[block]))
      save_block(tokens.first((block + 1) * kBlockTokens), block * kBlockTokens, name(keys, block),
                 KvBlockStore::Keep::kOnDiskToo);
  }
}

CellCache::Idle BlockMover::put_beside(std::span<const std::int32_t> tokens, std::size_t from) {
  using Idle = CellCache::Idle;
  if (store_ == nullptr) return Idle::kStays;
  const std::size_t first = from / kBlockTokens;
  const std::size_t blocks = tokens.size() / kBlockTokens;
  // So much of the memory that the others in it would have to go, or these before they are all there.
  if ((blocks - first + 1) * block_bytes_ > store_->memory_limit() / 2) return Idle::kStays;
  const std::vector<BlockKey> keys = block_keys(store_->root(), tokens);
  // Short ones are not worth a file.
  const auto keep = tokens.size() < kLeastTokens ? KvBlockStore::Keep::kInMemory : KvBlockStore::Keep::kOnDiskToo;
  const auto have = [&](std::size_t begin, std::size_t end, const KvBlockStore::Name& name, KvBlockStore::Keep where) {
    if (store_->contains(name.key)) return Idle::kGoes;
    if (!may_save()) return Idle::kStaysNow;
    const bool saved = save_block(tokens.first(end), begin, name, where) && store_->contains(name.key);
    return saved ? Idle::kGoes : Idle::kStays;
  };
  for (std::size_t block = first; block < blocks; ++block) {
    const std::size_t begin = block * kBlockTokens;
    if (const Idle idle = have(begin, begin + kBlockTokens, name(keys, block), keep); idle != Idle::kGoes) return idle;
  }
  const std::size_t whole = blocks * kBlockTokens;
  if (whole == tokens.size()) return Idle::kGoes;
  const BlockKey& in_front = before(keys, blocks);
  return have(whole, tokens.size(), {block_key(in_front, tokens.subspan(whole)), in_front},
              KvBlockStore::Keep::kInMemory);
}

std::size_t BlockMover::restore(SequenceId id, std::size_t length, std::span<const std::int32_t> tokens, Prompt& prompt,
                                Clock::time_point deadline) {
  if (store_ == nullptr || prompt.exhausted || tokens.empty()) {
    prompt.exhausted = true;
    return length;
  }
  const auto usable = tokens.first(tokens.size() - 1);
  if (prompt.keys.empty()) prompt.keys = block_keys(store_->root(), usable);
  while (length / kBlockTokens < prompt.keys.size()) {
    const std::size_t block = length / kBlockTokens;
    if (!store_->contains(prompt.keys[block])) break;
    if (now_() >= deadline) return length;
    const std::size_t from = block * kBlockTokens;
    if (!restore_block(id, usable.first(from + kBlockTokens), from, name(prompt.keys, block))) break;
    length = from + kBlockTokens;
  }
  prompt.exhausted = true;
  return restore_end(id, length, usable, prompt);
}

bool BlockMover::restore_block(SequenceId id, std::span<const std::int32_t> tokens, std::size_t from,
                               const KvBlockStore::Name& name) {
  const KvBlockStore::Found found = store_->find(name, tokens.subspan(from));
  if (found.state == nullptr || !cells_.make_room(kBlockTokens)) return false;
  const std::size_t length = cells_.tree().length(id);
  if (!cells_.restore(id, tokens, from, kBlockTokens, *found.state)) {
    store_->remove(name.key);
    return false;
  }
  (found.tier == KvBlockStore::Tier::kMemory ? counters_.tokens_from_memory : counters_.tokens_from_disk) +=
      tokens.size() - length;
  return true;
}

// Behind the last whole block that is there: the end of a sequence that was put beside, or a block that goes on otherwise.
std::size_t BlockMover::restore_end(SequenceId id, std::size_t length, std::span<const std::int32_t> tokens,
                                    const Prompt& prompt) {
  const std::size_t block = length / kBlockTokens;
  const std::size_t from = block * kBlockTokens;
  const KvBlockStore::Beginning found = store_->find_beginning(before(prompt.keys, block), tokens.subspan(from));
  const std::size_t end = from + found.common;
  if (end <= length || !cells_.make_room(found.tokens)) return length;
  if (!cells_.restore(id, tokens.first(end), from, found.tokens, *found.state)) {
    store_->remove(found.key);
    return length;
  }
  counters_.tokens_from_memory += end - length;
  return end;
}

}  // namespace atelier::engine
