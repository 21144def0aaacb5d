#include "engine/cell_cache.h"

#include <llama.h>

#include <algorithm>
#include <utility>

#include "engine/invariant.h"

namespace atelier::engine {

namespace {

// Cells are given up at least so many at a time: each time costs a walk over all cells.
constexpr std::size_t kEvictAtOnce = 64;

}  // namespace

CellCache::CellCache(llama_context* context, const Limits& limits)
    : context_(context), memory_(llama_get_memory(context)), limits_(limits) {
  if (limits_.kept_sequences == 0) limits_.reuse = Reuse::kOff;
}

// ---------------------------------------------------------------- running sequences

SequenceId CellCache::open() {
  ENGINE_INVARIANT(running_ < limits_.running_sequences);
  const auto id = static_cast<SequenceId>(running_++);
  tree_.open(id, PrefixTree::Holder::kRunning);
  shifted_behind_.emplace_back();
  return id;
}

PrefixTree::Match CellCache::find(std::span<const std::int32_t> tokens) const {
  if (tokens.size() < 2 || limits_.reuse == Reuse::kOff) return {};
  const auto usable = tokens.first(tokens.size() - 1);
  if (limits_.reuse == Reuse::kWhole) return tree_.longest_whole(usable, usable.size());
  return tree_.longest(usable);
}

// The window of the token at `length` reaches back to `length` - window + 1.
bool CellCache::has_window_before(std::size_t length, SequenceId id) const {
  if (limits_.window == 0) return true;
  const llama_pos first = llama_memory_seq_pos_min(memory_, id);
  const std::size_t needed = length > limits_.window ? length - limits_.window : 0;
  return first >= 0 && static_cast<std::size_t>(first) <= needed;
}

std::size_t CellCache::adopt(SequenceId id, std::span<const std::int32_t> tokens) {
  const std::size_t has = tree_.length(id);
  if (shifted_behind_[static_cast<std::size_t>(id)]) return has;
  const PrefixTree::Match match = find(tokens);
  if (match.length <= has) return has;
  if (limits_.reuse == Reuse::kAnywhere && !has_window_before(match.length, match.sequence)) return has;
  // Others hold what is adopted, so nothing of it is freed between these.
  if (has > 0) {
    tree_.truncate(id, 0);
    llama_memory_seq_rm(memory_, id, -1, -1);
  }
  tree_.share(id, match.sequence, match.length);
  const bool whole = match.length == tree_.length(match.sequence);
  llama_memory_seq_cp(memory_, match.sequence, id, whole ? -1 : 0, whole ? -1 : static_cast<llama_pos>(match.length));
  if (limits_.reuse == Reuse::kWhole) note_use(id);
  return match.length;
}

void CellCache::note_unusable(std::span<const std::int32_t> tokens, std::size_t adopted) {
  if (tokens.size() < 2 || limits_.reuse == Reuse::kOff) return;
  const std::size_t there = tree_.longest(tokens.first(tokens.size() - 1)).length;
  if (there > adopted) counters_.unusable_tokens += there - adopted;
}

void CellCache::computed(SequenceId id, std::span<const std::int32_t> tokens) {
  if (shifted_behind_[static_cast<std::size_t>(id)])
    tree_.extend(id, std::vector<std::int32_t>(tokens.size(), kNoToken));
  else
    tree_.extend(id, tokens);
  ENGINE_INVARIANT(tree_.cells() <= limits_.cells);
}

void CellCache::take_back(SequenceId id) {
  const bool done = llama_memory_seq_rm(memory_, id, static_cast<llama_pos>(tree_.length(id)), -1);
  ENGINE_INVARIANT(done);
}

void CellCache::close(SequenceId id, Leave leave) {
  ENGINE_INVARIANT(id >= 0 && static_cast<std::size_t>(id) < running_);
  if (shifted_behind_[static_cast<std::size_t>(id)]) cut(id, genuine(id));
  if (leave == Leave::kForReuse && limits_.reuse != Reuse::kOff && tree_.length(id) > 0)
    keep(id);
  else
    give_up(id);
  const auto last = static_cast<SequenceId>(--running_);
  if (last != id) move(last, id);
  shifted_behind_[static_cast<std::size_t>(id)] = shifted_behind_.back();
  shifted_behind_.pop_back();
}

void CellCache::set_aside(SequenceId id, bool aside) {
  tree_.set_holder(id, aside ? PrefixTree::Holder::kKept : PrefixTree::Holder::kRunning);
}

// ---------------------------------------------------------------- full contexts

bool CellCache::can_shift(SequenceId id, std::size_t head) const {
  if (!limits_.can_shift) return false;
  const std::vector<SequenceId> sharers = tree_.sharers(id, head);
  return std::all_of(sharers.begin(), sharers.end(),
                     [&](SequenceId other) { return static_cast<std::size_t>(other) >= limits_.running_sequences; });
}

void CellCache::shift(SequenceId id, std::size_t head, std::size_t count) {
  const std::size_t length = tree_.length(id);
  ENGINE_INVARIANT(can_shift(id, head) && head + count <= length && head <= genuine(id));
  for (const SequenceId kept : tree_.sharers(id, head)) cut_kept(kept, head);
  const auto from = static_cast<llama_pos>(head + count);
  const bool removed = llama_memory_seq_rm(memory_, id, static_cast<llama_pos>(head), from);
  ENGINE_INVARIANT(removed);
  llama_memory_seq_add(memory_, id, from, -1, -static_cast<llama_pos>(count));
  tree_.truncate(id, head);
  tree_.extend(id, std::vector<std::int32_t>(length - count - head, kNoToken));
  shifted_behind_[static_cast<std::size_t>(id)] = head;
}

std::size_t CellCache::cut(SequenceId id, std::size_t length) {
  ENGINE_INVARIANT(length <= tree_.length(id));
  // Of a sliding window the cells before the cut may be gone.
  if (limits_.window > 0 || !llama_memory_seq_rm(memory_, id, static_cast<llama_pos>(length), -1)) {
    length = 0;
    llama_memory_seq_rm(memory_, id, -1, -1);
  }
  tree_.truncate(id, length);
  if (length <= genuine(id)) shifted_behind_[static_cast<std::size_t>(id)].reset();
  return length;
}

std::size_t CellCache::genuine(SequenceId id) const {
  return shifted_behind_[static_cast<std::size_t>(id)].value_or(tree_.length(id));
}

// ---------------------------------------------------------------- pieces

bool CellCache::can_move_pieces() const {
  return limits_.spare_sequence && limits_.reuse == Reuse::kAnywhere && limits_.window == 0;
}

SequenceId CellCache::spare() const {
  return static_cast<SequenceId>(limits_.running_sequences + limits_.kept_sequences);
}

std::vector<std::uint8_t> CellCache::save(std::span<const std::int32_t> tokens, std::size_t from) {
  ENGINE_INVARIANT(can_move_pieces() && from < tokens.size());
  const PrefixTree::Match match = tree_.longest(tokens);
  if (match.length < tokens.size()) return {};
  llama_memory_seq_cp(memory_, match.sequence, spare(), static_cast<llama_pos>(from),
                      static_cast<llama_pos>(tokens.size()));
  std::vector<std::uint8_t> state(llama_state_seq_get_size(context_, spare()));
  state.resize(llama_state_seq_get_data(context_, state.data(), state.size(), spare()));
  llama_memory_seq_rm(memory_, spare(), -1, -1);
  return state;
}

bool CellCache::restore(SequenceId id, std::span<const std::int32_t> tokens, std::size_t from, std::size_t count,
                        std::span<const std::uint8_t> state) {
  const std::size_t has = tree_.length(id);
  ENGINE_INVARIANT(can_move_pieces() && from <= has && has < tokens.size() && tokens.size() <= from + count &&
                   free_cells() >= count);
  const std::size_t taken = llama_state_seq_set_data(context_, state.data(), state.size(), spare());
  const bool fits = taken == state.size() &&
                    llama_memory_seq_pos_min(memory_, spare()) == static_cast<llama_pos>(from) &&
                    llama_memory_seq_pos_max(memory_, spare()) == static_cast<llama_pos>(from + count) - 1;
  if (fits) {
    llama_memory_seq_cp(memory_, spare(), id, static_cast<llama_pos>(has), static_cast<llama_pos>(tokens.size()));
    tree_.extend(id, tokens.subspan(has));
  }
  llama_memory_seq_rm(memory_, spare(), -1, -1);
  return fits;
}

void CellCache::drop_padding() { llama_memory_seq_rm(memory_, padding(), -1, -1); }

// ---------------------------------------------------------------- kept sequences

void CellCache::give_up(SequenceId id) {
  tree_.close(id);
  llama_memory_seq_rm(memory_, id, -1, -1);
}

void CellCache::tell_before_giving_up(SequenceId id, std::size_t from) {
  if (before_giving_up_) before_giving_up_(tree_.tokens(id), from);
}

void CellCache::cut_kept(SequenceId id, std::size_t length) {
  tell_before_giving_up(id, length);
  counters_.evicted_cells += tree_.truncate(id, length);
  llama_memory_seq_rm(memory_, id, static_cast<llama_pos>(length), -1);
  if (length > 0) return;
  std::erase_if(kept_, [=](const Kept& kept) { return kept.id == id; });
  give_up(id);
}

void CellCache::move(SequenceId from, SequenceId to) {
  tree_.rename(from, to);
  llama_memory_seq_cp(memory_, from, to, -1, -1);
  llama_memory_seq_rm(memory_, from, -1, -1);
}

SequenceId CellCache::free_kept_id() const {
  auto id = static_cast<SequenceId>(limits_.running_sequences);
  while (tree_.contains(id)) ++id;
  return id;
}

// Its first cells are the same tokens as those of another: it takes those and frees its own.
void CellCache::take_over_shared_cells(SequenceId id, const PrefixTree::Match& match) {
  if (tree_.length(id) - tree_.exclusive(id) >= match.length) return;
  const std::vector<std::int32_t> tokens = tree_.tokens(id);
  const auto length = static_cast<llama_pos>(match.length);
  // The tree has no cutting at the front: it learns the same in three words.
  tree_.truncate(id, 0);
  tree_.share(id, match.sequence, match.length);
  tree_.extend(id, std::span(tokens).subspan(match.length));
  llama_memory_seq_rm(memory_, id, 0, length);
  llama_memory_seq_cp(memory_, match.sequence, id, 0, length);
}

void CellCache::keep(SequenceId id) {
  Origin origin = Origin::kEnded;
  // With a sliding window, equal tokens need not mean equal cells: the window's may be gone in one of two.
  if (limits_.reuse == Reuse::kAnywhere && limits_.window == 0) {
    take_over_shared_cells(id, tree_.longest_of_others(id));
    for (const SequenceId within : tree_.kept_within(id)) {
      std::erase_if(kept_, [=](const Kept& kept) { return kept.id == within; });
      give_up(within);
    }
  } else if (const auto equal = find_equal(id); equal != kept_.end()) {
    // The newer of two counts as used last.
    origin = equal->origin;
    give_up(equal->id);
    kept_.erase(equal);
  }
  if (kept_.size() == limits_.kept_sequences) give_up_place();
  const SequenceId place = free_kept_id();
  move(id, place);
  tree_.set_holder(place, PrefixTree::Holder::kKept);
  kept_.push_back({place, origin, rows_});
}

std::vector<CellCache::Kept>::iterator CellCache::find_equal(SequenceId id) {
  const std::vector<std::int32_t> tokens = tree_.tokens(id);
  return std::ranges::find_if(kept_, [&](const Kept& other) {
    return tree_.length(other.id) == tokens.size() && tree_.tokens(other.id) == tokens;
  });
}

// ---------------------------------------------------------------- copies of running sequences

void CellCache::keep_copy(SequenceId id, bool opens) {
  if (limits_.reuse != Reuse::kWhole || tree_.length(id) == 0) return;
  const Origin origin = opens ? Origin::kOpeningCopy : Origin::kCopy;
  if (const auto equal = find_equal(id); equal != kept_.end()) {
    equal->origin = std::max(equal->origin, origin);
    std::rotate(equal, equal + 1, kept_.end());
    return;
  }
  if (kept_.size() == limits_.kept_sequences) give_up_place();
  const SequenceId place = free_kept_id();
  tree_.open(place, PrefixTree::Holder::kKept);
  tree_.share(place, id, tree_.length(id));
  llama_memory_seq_cp(memory_, id, place, -1, -1);
  kept_.push_back({place, origin, rows_});
  ++counters_.copies_kept;
}

// A running sequence has just begun with these: the one that it went on from, and the openings on the way, which
// outlive what comes behind them.
void CellCache::note_use(SequenceId id) {
  const std::size_t length = tree_.length(id);
  for (const SequenceId within : tree_.kept_within(id)) {
    const auto kept = std::ranges::find(kept_, within, &Kept::id);
    const bool is_whole = tree_.length(within) == length;
    if (is_whole && kept->origin != Origin::kEnded) ++counters_.copies_used;
    if (is_whole || kept->origin == Origin::kOpeningCopy) std::rotate(kept, kept + 1, kept_.end());
  }
}

// Those that a longer copy begins with: the conversation has gone on behind them in the words of its own prompt.
std::vector<SequenceId> CellCache::passed_by_copies() const {
  std::vector<SequenceId> passed;
  for (const Kept& copy : kept_) {
    if (copy.origin == Origin::kEnded) continue;
    for (const SequenceId within : tree_.kept_within(copy.id)) {
      if (tree_.length(within) < tree_.length(copy.id)) passed.push_back(within);
    }
  }
  return passed;
}

std::size_t CellCache::least_missed() const {
  const std::vector<SequenceId> passed = passed_by_copies();
  std::size_t goes = 0;
  std::size_t least_lost = SIZE_MAX;
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    const SequenceId id = kept_[i].id;
    if (kept_[i].origin == Origin::kOpeningCopy || tree_.continuations(id) != 1) continue;
    if (std::ranges::find(passed, id) == passed.end()) continue;
    std::size_t before = 0;
    for (const SequenceId within : tree_.kept_within(id)) {
      if (tree_.length(within) < tree_.length(id)) before = std::max(before, tree_.length(within));
    }
    if (tree_.length(id) - before < least_lost) {
      least_lost = tree_.length(id) - before;
      goes = i;
    }
  }
  return goes;
}

// ---------------------------------------------------------------- what goes

// One whose cells others have too, else the one kept first; of models that cannot be cut, the least missed.
void CellCache::give_up_place() {
  auto goes = kept_.begin();
  if (limits_.reuse == Reuse::kWhole) {
    goes += static_cast<std::ptrdiff_t>(least_missed());
  } else if (const auto shared = std::ranges::find_if(kept_, [&](const Kept& k) { return tree_.exclusive(k.id) == 0; });
             shared != kept_.end()) {
    goes = shared;
  }
  const std::size_t exclusive = tree_.exclusive(goes->id);
  if (exclusive > 0) tell_before_giving_up(goes->id, tree_.length(goes->id) - exclusive);
  counters_.evicted_cells += exclusive;
  give_up(goes->id);
  kept_.erase(goes);
}

void CellCache::forget_kept() {
  for (const Kept& kept : kept_) give_up(kept.id);
  kept_.clear();
}

bool CellCache::make_room(std::size_t wanted) {
  std::size_t place = 0;
  while (free_cells() < wanted && place < kept_.size()) {
    const SequenceId id = kept_[place].id;
    const std::size_t exclusive = tree_.exclusive(id);
    // All of its cells are others' too: it frees nothing. What came after it may.
    if (exclusive == 0) {
      ++place;
      continue;
    }
    const std::size_t missing = std::max(wanted - free_cells(), kEvictAtOnce);
    if (limits_.reuse == Reuse::kAnywhere && missing < exclusive) {
      const std::size_t length = tree_.length(id) - missing;
      tell_before_giving_up(id, length);
      counters_.evicted_cells += tree_.truncate(id, length);
      llama_memory_seq_rm(memory_, id, static_cast<llama_pos>(length), -1);
    } else {
      tell_before_giving_up(id, tree_.length(id) - exclusive);
      counters_.evicted_cells += exclusive;
      kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(place));
      give_up(id);
    }
    // What it shared with another kept one may be that one's alone now.
    place = 0;
  }
  return free_cells() >= wanted;
}

void CellCache::give_up_idle(std::size_t rows, std::size_t coming, const PutBeside& put_beside) {
  for (std::size_t place = 0; place < kept_.size();) {
    Kept& kept = kept_[place];
    // What has no cells of its own costs nobody anything.
    const std::size_t exclusive = kept.since + rows > rows_ + coming ? 0 : tree_.exclusive(kept.id);
    if (exclusive == 0) {
      ++place;
      continue;
    }
    const Idle idle = put_beside(tree_.tokens(kept.id), tree_.length(kept.id) - exclusive);
    if (idle == Idle::kStaysNow) return;
    if (idle == Idle::kStays) {
      kept.since = rows_ + coming;
      continue;
    }
    counters_.evicted_cells += exclusive;
    give_up(kept.id);
    kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(place));
    // What it shared with another kept one may be that one's alone now.
    place = 0;
  }
}

}  // namespace atelier::engine
