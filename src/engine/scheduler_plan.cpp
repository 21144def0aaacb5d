// What each step of the scheduler computes: which prompts, how much of them, what is guessed, and who makes room.
#include <llama.h>

#include <algorithm>
#include <utility>

#include "engine/invariant.h"
#include "engine/scheduler.h"

namespace atelier::engine {

namespace {

// Guesses from the text that are right so often need no second model.
constexpr double kSure = 0.85;

// A shared beginning that somebody is computing is waited for where it saves at least so many tokens: waiting
// costs a step or more.
constexpr std::size_t kWorthWaiting = 32;

// How long parts of the KV cache may be read in a step that others wait for, and in one that nobody waits for but
// those who want to cancel.
constexpr std::chrono::milliseconds kRestoreBesideRunning{20};
constexpr std::chrono::milliseconds kRestoreAlone{200};

// On processors every row that is computed looks past all cells that are not its own (docs/benchmarks.md), so cells that
// nobody uses for so many rows leave for the store. Twelve conversations, twice, took 165 s with 256, 161 with 32 and 158
// with 8; a long conversation beside a short one 132 s with 256 and 138 with 8: what is over in a few rows (a short question
// whose answer may have few tokens) drives nobody out.
constexpr std::size_t kIdleRows = 64;

// An answer is expected to have so many tokens, unless it must end before. Answers in conversations mostly have more.
constexpr std::size_t kUsualAnswer = 64;

// And the library takes 64 rows together: when one of them looks at a cell, all do, which for 64 rows takes 0.25 ms each.
// So beside running sequences with so many cells a step of their own (0.1 to 0.2 s) is cheaper than rows among a prompt's.
// And cells of several that were computed together lie between each other for as long as they live, so that later there are no
// 64 in a row to leave out (twelve conversations took 1.12 times as long with 1,024 here).
constexpr std::size_t kFarCells = 256;

// Fewer than 64 rows it takes one by one, which costs each of them some four times as much: 38 rows behind 1,500 tokens took
// 1.9 s where 64 took 1.0.
constexpr std::size_t kLeastSlowEnd = 20;
constexpr std::size_t kDeepEnd = 512;

// So a batch of fewer is filled up to 64 where that is cheaper. What a row costs besides attention is as much as attention
// one by one to so many cells (measured at depth 3,000: 10 ms a row, 7 us a cell), together a cell costs 0.4 times as much.
constexpr double kRowInCells = 1500;
constexpr double kCellTogether = 0.4;

// Of those that are as urgent as the first.
std::size_t shortest_of(const std::vector<Prediction*>& prompts) {
  std::size_t shortest = 0;
  for (std::size_t i = 1; i < prompts.size() && prompts[i]->priority() == prompts[0]->priority(); ++i) {
    if (prompts[i]->pending() < prompts[shortest]->pending()) shortest = i;
  }
  return shortest;
}

}  // namespace

// ---------------------------------------------------------------- prompts

// Takes up what lies beside the cells. False where there may be more of it when the deadline has come.
bool Scheduler::restore(Prediction& prediction, Clock::time_point deadline) {
  if (!prediction.may_adopt()) return true;
  const std::size_t length =
      blocks_.restore(prediction.sequence, prediction.computed(), prediction.tokens(), prediction.in_store, deadline);
  if (length > prediction.computed()) {
    const std::size_t reused_before = prediction.reused();
    prediction.note_adopted(length);
    prompt_tokens_reused_ += prediction.reused() - reused_before;
  }
  return prediction.in_store.exhausted;
}

// How much of `later` will be there when `earlier`, which is ahead of it in line, has computed it; 0 where there is
// nothing to wait for. Of a model that cannot be cut `earlier` is made to keep a copy there.
std::size_t Scheduler::worth_awaiting(const Prediction& later, Prediction& earlier) {
  if (cells_.reuse() == Reuse::kOff || !later.may_adopt()) return 0;
  const std::size_t shared = shared_tokens(later, earlier);
  const std::size_t least = later.computed() + kWorthWaiting;
  if (shared <= earlier.computed() || shared < least) return 0;
  if (cells_.reuse() == Reuse::kAnywhere) return shared;
  return earlier.checkpoints.branch(shared, std::max(least, earlier.computed() + 1));
}

// Prompts that are to be computed in this step, first in line first: all but those that wait for another's part.
std::vector<Prediction*> Scheduler::pending_prompts(Clock::time_point restore_until) {
  std::vector<Prediction*> in_line;
  for (const auto& prediction : active_) {
    if (!prediction->paused && !prediction->is_decoding()) in_line.push_back(prediction.get());
  }
  std::sort(in_line.begin(), in_line.end(), [](const Prediction* a, const Prediction* b) {
    return a->priority() != b->priority() ? a->priority() > b->priority() : a->admitted_as < b->admitted_as;
  });
  std::vector<Prediction*> prompts;
  for (std::size_t i = 0; i < in_line.size(); ++i) {
    Prediction& prediction = *in_line[i];
    prediction.awaited = 0;
    for (std::size_t j = 0; j < i; ++j) {
      prediction.awaited = std::max(prediction.awaited, worth_awaiting(prediction, *in_line[j]));
    }
    // Behind a sliding window what is waited for would be gone at the end: it is followed step by step.
    if (prediction.awaited == 0 || cells_.window() > 0) adopt(prediction);
    // One that was preempted may have found all that it had: it is past its prompt then.
    if (prediction.awaited == 0 && restore(prediction, restore_until) && !prediction.is_decoding())
      prompts.push_back(&prediction);
  }
  return prompts;
}

// Whether so few rows of a deep prompt would be left that attention goes through them one by one, and nobody waits for
// the step or it cannot be filled up (padding_for): then they take no longer by themselves, and a gap is half as long.
bool Scheduler::ends_slowly(const Prediction& prompt, std::size_t left) const {
  if (beside_running() && cells_.can_pad()) return false;
  return model_.attends_in_tiles() && left >= kLeastSlowEnd && left < StepPacer::kTile && prompt.computed() >= kDeepEnd;
}

// Half of a step's prompt tokens are for the shortest prompt of those that are as urgent as the first in line, so that
// a short question does not wait behind a long document; the first in line has the other half, so that it is never
// held up by more than as much again. `room` is the most rows that the batch has for them: the end of a deep prompt goes with
// what is before it, where it would take longer by itself.
std::vector<std::size_t> Scheduler::share_out(const std::vector<Prediction*>& prompts, std::size_t budget,
                                              std::size_t room) const {
  std::vector<std::size_t> counts(prompts.size(), 0);
  if (prompts.empty()) return counts;
  std::size_t output_rows = model_.max_outputs() - model_.max_sequences();
  const auto give = [&](std::size_t i, std::size_t most) {
    const std::size_t left = prompts[i]->pending() - counts[i];
    std::size_t count = std::min({left, budget, most});
    if (count > 0 && ends_slowly(*prompts[i], left - count) && room >= left) count = left;
    // A slice ends where a copy is to be kept.
    const std::size_t place = prompts[i]->checkpoints.next(prompts[i]->computed());
    if (place > 0) count = std::min(count, place - prompts[i]->computed() - counts[i]);
    if (prompts[i]->wants_prompt_logprobs()) {
      count = std::min(count, output_rows);
      output_rows -= count;
    }
    counts[i] += count;
    budget -= std::min(count, budget);
    room -= count;
  };
  const std::size_t shortest = shortest_of(prompts);
  if (shortest != 0) give(shortest, (budget + 1) / 2);
  for (std::size_t i = 0; i < prompts.size(); ++i) give(i, budget);
  return counts;
}

std::vector<Scheduler::Slice> Scheduler::plan_step() {
  const std::vector<Prediction*> prompts =
      pending_prompts(seams_.now() + (beside_running() ? kRestoreBesideRunning : kRestoreAlone));
  std::vector<Slice> slices;
  for (const auto& prediction : active_) {
    if (!prediction->paused && prediction->is_decoding()) slices.push_back({prediction.get(), 1});
  }
  if (prompts.empty()) {
    take_turns(slices);
    add_drafts(slices);
    return slices;
  }
  if (looks_far(slices, *prompts.front())) return plan_apart(std::move(slices), prompts);
  // The batch has room for a token of every sequence and more (ModelLoader::check_settings).
  const std::size_t decoding = slices.size();
  const std::size_t wanted = pacer_.prompt_tokens(decoding, prompts.front()->computed());
  const std::vector<std::size_t> counts =
      share_out(prompts, std::min(wanted, model_.batch_size() - decoding), model_.batch_size() - decoding);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (counts[i] > 0) slices.push_back({prompts[i], counts[i]});
  }
  return slices;
}

// Whether the prompt's rows would look past so many cells of running sequences that those are better computed apart.
bool Scheduler::looks_far(const std::vector<Slice>& decoding, const Prediction& prompt) const {
  return model_.attends_in_tiles() && !decoding.empty() && cells_.held_cells() >= prompt.computed() + kFarCells;
}

// Running sequences and prompts in turn, and of prompts one at a time: the first in line and the shortest in turn.
std::vector<Scheduler::Slice> Scheduler::plan_apart(std::vector<Slice> decoding,
                                                    const std::vector<Prediction*>& prompts) {
  prompts_turn_ = !prompts_turn_;
  if (!prompts_turn_) {
    // All of them: the next turn is a prompt's again.
    add_drafts(decoding);
    return decoding;
  }
  shortest_turn_ = !shortest_turn_;
  Prediction* prompt = prompts[shortest_turn_ ? shortest_of(prompts) : 0];
  // A turn of the running sequences is a part of everyone's wait: fewer turns, with whole tiles, are shorter in all.
  const std::size_t wanted = pacer_.prompt_tokens_apart(cells_.held_cells());
  const std::size_t count =
      share_out({prompt}, std::min<std::size_t>(wanted, model_.batch_size()), model_.batch_size()).front();
  return {{prompt, count}};
}

// Where fewer sequences in a step are cheaper for each, those go on that have waited longest.
void Scheduler::take_turns(std::vector<Slice>& slices) {
  const std::size_t width = width_.next(slices.size(), costs_);
  if (width >= slices.size()) return;
  std::stable_sort(slices.begin(), slices.end(),
                   [](const Slice& a, const Slice& b) { return a.prediction->decoded_in < b.prediction->decoded_in; });
  slices.resize(width);
}

// ---------------------------------------------------------------- guesses

void Scheduler::add_drafts(std::vector<Slice>& slices) {
  if (!model_.can_take_back()) return;
  std::size_t rows = slices.size();
  const std::size_t most_rows = std::min<std::size_t>(model_.batch_size(), model_.max_outputs());
  std::vector<Draft> drafts(slices.size());
  for (std::size_t i = 0; i < slices.size() && model_.guesses_from_text(); ++i) {
    Prediction& prediction = *slices[i].prediction;
    drafts[i] = prediction.guess_from_text(std::min(prediction.most_guesses(), most_rows - rows));
  }
  ask_draft_models(slices, drafts);
  auto tokens = static_cast<double>(rows);
  for (std::size_t i = 0; i < slices.size(); ++i) {
    drafts[i].cut(std::min(drafts[i].tokens.size(), most_rows - rows));
    double expected = 1;
    slices[i].draft = slices[i].prediction->take_draft(std::move(drafts[i]), rows - 1, tokens - 1, costs_, expected);
    slices[i].count += slices[i].draft.size();
    rows += slices[i].draft.size();
    tokens += expected - 1;
  }
}

// A second model guesses where the text itself is not sure of what comes.
void Scheduler::ask_draft_models(const std::vector<Slice>& slices, std::vector<Draft>& drafts) {
  std::vector<DraftModel::Ask> asks;
  std::vector<std::size_t> asked;
  std::vector<DraftModel*> models;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    Prediction& prediction = *slices[i].prediction;
    DraftModel* draft_model = prediction.draft_model();
    if (draft_model == nullptr || prediction.most_guesses() == 0) continue;
    if (!drafts[i].classes.empty() && prediction.draft_control().chance(drafts[i].classes[0]) > kSure) continue;
    if (!prediction.draft_sequence) prediction.draft_sequence = draft_model->open();
    if (!prediction.draft_sequence) continue;
    if (std::find(models.begin(), models.end(), draft_model) == models.end()) models.push_back(draft_model);
    asks.push_back({prediction.draft_sequence.get(),
                    prediction.tokens(),
                    prediction.most_guesses(),
                    &prediction.draft_control(),
                    {}});
    asked.push_back(i);
  }
  for (DraftModel* draft_model : models) draft_model->propose(asks, slices.size(), costs_);
  for (std::size_t n = 0; n < asks.size(); ++n) {
    Draft& draft = drafts[asked[n]];
    if (asks[n].draft.tokens.empty()) {
      draft.time = asks[n].draft.time;
      continue;
    }
    draft = std::move(asks[n].draft);
  }
}

// ---------------------------------------------------------------- room

// Paused before running, low priority before high, late before early; null where nothing is active.
Prediction* Scheduler::first_to_preempt() const {
  const auto sooner = [](const Prediction& a, const Prediction& b) {
    if (a.paused != b.paused) return a.paused;
    if (a.priority() != b.priority()) return a.priority() < b.priority();
    return a.admitted_as > b.admitted_as;
  };
  Prediction* first = nullptr;
  for (const auto& prediction : active_) {
    if (first == nullptr || sooner(*prediction, *first)) first = prediction.get();
  }
  return first;
}

void Scheduler::make_room(std::vector<Slice>& slices) {
  while (true) {
    std::size_t need = 0;
    for (const Slice& slice : slices) need += slice.count;
    if (cells_.make_room(need)) return;
    // Nobody is delayed for the sake of guesses.
    const bool had_drafts = std::any_of(slices.begin(), slices.end(), [](const Slice& s) { return !s.draft.empty(); });
    for (Slice& slice : slices) {
      slice.count -= slice.draft.size();
      slice.draft.clear();
      slice.prediction->drop_draft();
    }
    if (had_drafts) continue;
    ENGINE_INVARIANT(active_.size() > 1);
    Prediction* victim = first_to_preempt();
    std::erase_if(slices, [&](const Slice& slice) { return slice.prediction == victim; });
    preempt(*victim);
  }
}

// Rows that are nobody's, to be computed with these: 0, or as many as are missing for a tile.
std::size_t Scheduler::padding_for(const std::vector<Slice>& slices) const {
  if (!model_.attends_in_tiles() || !cells_.can_pad()) return 0;
  bool has_prompt = false;
  std::size_t rows = 0;
  std::size_t looks = 0;
  std::size_t cells = 0;
  for (const Slice& slice : slices) {
    has_prompt |= !slice.prediction->is_decoding();
    rows += slice.count;
    looks += slice.count * slice.prediction->computed();
    cells += slice.prediction->computed();
  }
  if (!has_prompt || rows >= StepPacer::kTile || cells_.free_cells() < StepPacer::kTile) return 0;
  constexpr auto kTile = static_cast<double>(StepPacer::kTile);
  const auto apart = static_cast<double>(rows) * kRowInCells + static_cast<double>(looks);
  const auto together =
      kTile * (kRowInCells + kCellTogether * static_cast<double>(std::min(cells, cells_.held_cells())));
  return together < apart ? StepPacer::kTile - rows : 0;
}

// What is left of a prompt will be computed, and in all likelihood an answer. So before most questions of somebody else the
// idle leave at once, and its cells come where theirs were: where 512 cells and more are looked past, each thread takes as
// many of them in a row, and cells that are all in one thread's part keep the others waiting (one stream of 256 tokens took
// 1.03 times as long where the idle left after 64 of them).
void Scheduler::put_idle_beside(const std::vector<Slice>& slices) {
  if (!model_.runs_on_cpu()) return;
  std::size_t coming = 0;
  for (const Slice& slice : slices) {
    const Prediction& prediction = *slice.prediction;
    coming += prediction.is_decoding() ? 1 : prediction.pending() + std::min(prediction.room(), kUsualAnswer);
  }
  cells_.give_up_idle(kIdleRows, coming, [this](std::span<const std::int32_t> tokens, std::size_t from) {
    return blocks_.put_beside(tokens, from);
  });
}

void Scheduler::preempt(Prediction& prediction, CellCache::Leave leave) {
  ++preemptions_;
  std::unique_ptr<Prediction> taken = release(prediction, leave, BlockMover::Why::kPreempted);
  taken->lose_cells();
  enqueue(std::move(taken), true);
}

}  // namespace atelier::engine
