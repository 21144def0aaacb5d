#include "engine/token_window.h"

#include <bit>
#include <utility>

namespace atelier::engine {

// Fibonacci hashing; collisions go to the next free slot (linear probing).
std::size_t TokenWindow::home(std::int32_t token) const {
  const std::uint32_t hash = static_cast<std::uint32_t>(token) * 2654435769U;
  return hash >> (32 - std::countr_zero(slots_.size()));
}

// The slot of the token, or the free one where it belongs.
std::size_t TokenWindow::find(std::int32_t token) const {
  std::size_t slot = home(token);
  while (slots_[slot] != kFree && counts_[slots_[slot]].token != token) slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void TokenWindow::grow() {
  constexpr std::size_t kFirst = 32;
  slots_.assign(slots_.empty() ? kFirst : 2 * slots_.size(), kFree);
  for (std::size_t i = 0; i < counts_.size(); ++i) slots_[find(counts_[i].token)] = static_cast<std::uint32_t>(i);
}

void TokenWindow::add(std::int32_t token) {
  if (2 * (counts_.size() + 1) > slots_.size()) grow();
  const std::size_t slot = find(token);
  if (slots_[slot] == kFree) {
    slots_[slot] = static_cast<std::uint32_t>(counts_.size());
    counts_.push_back({token, 0});
  }
  ++counts_[slots_[slot]].count;
}

void TokenWindow::remove(std::int32_t token) {
  const std::size_t slot = find(token);
  const std::uint32_t index = slots_[slot];
  if (--counts_[index].count > 0) return;
  // The last of the list takes its place.
  slots_[find(counts_.back().token)] = index;
  counts_[index] = counts_.back();
  counts_.pop_back();
  free_slot(slot);
}

// What stood behind it because its own place was taken moves up, so that no search ends too early.
void TokenWindow::free_slot(std::size_t slot) {
  const std::size_t mask = slots_.size() - 1;
  slots_[slot] = kFree;
  for (std::size_t next = (slot + 1) & mask; slots_[next] != kFree; next = (next + 1) & mask) {
    const std::size_t from_home = (next - home(counts_[slots_[next]].token)) & mask;
    if (from_home < ((next - slot) & mask)) continue;
    slots_[slot] = std::exchange(slots_[next], kFree);
    slot = next;
  }
}

void TokenWindow::push(std::int32_t token) {
  if (length_ == 0) return;
  if (tokens_.size() < length_) {
    tokens_.push_back(token);
  } else {
    remove(tokens_[next_]);
    tokens_[next_] = token;
    next_ = next_ + 1 == length_ ? 0 : next_ + 1;
  }
  add(token);
}

}  // namespace atelier::engine
