#include "engine/checkpoints.h"

#include <algorithm>

namespace atelier::engine {

CheckpointPlan::CheckpointPlan(std::span<const std::int32_t> prompt, std::size_t has, const Marks& marks) {
  if (prompt.size() < 2) return;
  longest_ = prompt.size() - 1;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (!marks.ends_turn(prompt[i])) continue;
    const std::size_t end = std::min(i + 1, longest_);
    if (turn_ends_.empty() || turn_ends_.back() < end) turn_ends_.push_back(end);
  }
  const std::size_t least = has + kLeastDistance;
  add_turns(least);
  if (turn_ends_.empty() || prompt.size() - turn_ends_.back() > kNearEnd) add_tail(prompt, least, marks);
}

// The last one first: where two are too close, that is the one to have.
void CheckpointPlan::add_turns(std::size_t least) {
  if (turn_ends_.empty()) return;
  const std::size_t last = turn_ends_.back();
  const auto first = std::ranges::find_if(turn_ends_, [](std::size_t end) { return end >= kLeastDistance; });
  if (last >= least) add(last, false);
  if (first != turn_ends_.end() && *first >= least && *first < last) add(*first, true);
  for (auto end = turn_ends_.rbegin(); end != turn_ends_.rend() && *end >= least; ++end) {
    if (*end != last && add(*end, false)) return;
  }
}

void CheckpointPlan::add_tail(std::span<const std::int32_t> prompt, std::size_t least, const Marks& marks) {
  if (prompt.size() < least + kLeastTail) return;
  const std::size_t latest = prompt.size() - kLeastTail;
  const std::size_t earliest = std::max(least, prompt.size() - std::min(prompt.size(), kTail));
  for (std::size_t length = latest; length >= earliest; --length) {
    if (!marks.ends_line(prompt[length - 1])) continue;
    add(length, false);
    return;
  }
  add(latest, false);
}

bool CheckpointPlan::add(std::size_t length, bool opens) {
  const auto place = std::ranges::lower_bound(places_, length, {}, &Checkpoint::length);
  const bool near_next = place != places_.end() && place->length < length + kLeastDistance;
  const bool near_previous = place != places_.begin() && length < std::prev(place)->length + kLeastDistance;
  if (near_next || near_previous || places_.size() == kMost) return false;
  places_.insert(place, {length, opens});
  return true;
}

std::size_t CheckpointPlan::branch(std::size_t shared, std::size_t least) {
  shared = std::min(shared, longest_);
  if (shared < least) return 0;
  // What both begin with may go on into the next turn by chance; a third prompt shares the end of the turn.
  const auto behind = std::ranges::upper_bound(turn_ends_, shared);
  const std::size_t turn = behind == turn_ends_.begin() ? 0 : *std::prev(behind);
  const bool turn_is_near = turn >= least && shared - turn < kLeastDistance;
  const std::size_t wanted = turn_is_near ? turn : shared;
  // One close behind it is of no use to the other prompt.
  const auto next = std::ranges::upper_bound(places_, wanted, {}, &Checkpoint::length);
  const std::size_t before = next == places_.begin() ? 0 : std::prev(next)->length;
  const bool before_serves = before >= least && wanted - before < kLeastDistance;
  if (before_serves) return before;
  if (places_.size() == kMost) return before >= least ? before : 0;
  places_.insert(next, {wanted, true});
  return wanted;
}

std::size_t CheckpointPlan::next(std::size_t computed) const {
  const auto place = std::ranges::upper_bound(places_, computed, {}, &Checkpoint::length);
  return place == places_.end() ? 0 : place->length;
}

std::optional<Checkpoint> CheckpointPlan::at(std::size_t length) const {
  const auto place = std::ranges::lower_bound(places_, length, {}, &Checkpoint::length);
  if (place == places_.end() || place->length != length) return std::nullopt;
  return *place;
}

}  // namespace atelier::engine
