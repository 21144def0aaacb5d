#include "engine/scheduler.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <utility>

#include "engine/invariant.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

namespace {

// Prompt tokens of a step where nobody waits for it: on a processor the throughput hardly rises beyond these.
constexpr std::size_t kAloneOnCpu = 256;

// Cells that an admitted prediction should find beyond its prompt. Less only delays the latest when cells run out.
constexpr std::size_t kGrowthRoom = 128;

Scheduler::Seams with_defaults(Scheduler::Seams seams) {
  if (!seams.now) seams.now = [] { return Clock::now(); };
  if (!seams.decode) {
    seams.decode = [](llama_context* context, const llama_batch& batch) { return llama_decode(context, batch); };
  }
  return seams;
}

void fill_histogram(const metrics::Histogram& histogram, wire::Histogram& out) {
  out.mutable_bounds()->Add(histogram.bounds().begin(), histogram.bounds().end());
  out.mutable_counts()->Add(histogram.counts().begin(), histogram.counts().end());
  out.set_sum(histogram.sum());
}

StepPacer::Limits pacing(const Model& model) {
  StepPacer::Limits limits;
  limits.most = model.batch_size();
  limits.alone = model.runs_on_cpu() ? kAloneOnCpu : limits.most;
  limits.first = model.runs_on_cpu() ? 64 : 512;
  limits.target = model.token_gap();
  return limits;
}

}  // namespace

void Scheduler::BatchDeleter::operator()(llama_batch* batch) const {
  llama_batch_free(*batch);
  delete batch;
}

Scheduler::Scheduler(Model& model, Send send, Seams seams, std::unique_ptr<KvBlockStore> store)
    : model_(model),
      send_(std::move(send)),
      seams_(with_defaults(std::move(seams))),
      dry_(model.vocabulary().library_vocab()),
      cells_(model.context(), model.cell_limits()),
      blocks_(cells_, std::move(store), seams_.now),
      pacer_(pacing(model)),
      batch_(new llama_batch(llama_batch_init(static_cast<std::int32_t>(model.batch_size()), 0, 1))) {
  ENGINE_INVARIANT(model_.context() != nullptr);
}

Scheduler::~Scheduler() = default;

// ---------------------------------------------------------------- requests

void Scheduler::submit(GenerateRequest request) {
  wire::FromEngine answer;
  answer.set_id(request.id);
  const auto refuse = [&](wire::ErrorKind kind, std::string message) {
    wire::Error& error = *answer.mutable_error();
    error.set_kind(kind);
    error.set_message(std::move(message));
    error.set_param("prompt");
    error.set_prompt_tokens(request.prompt.size());
    error.set_context_length(model_.context_length());
    send_(answer);
  };
  if (request.prompt.empty()) {
    refuse(wire::ERROR_INVALID_REQUEST, "The prompt is empty: it has no tokens to go on from");
    return;
  }
  if (request.prompt.size() >= model_.context_length()) {
    refuse(wire::ERROR_CONTEXT_LENGTH_EXCEEDED,
           fmt::format("The prompt has {} tokens, but the context holds {}, one of which is for the answer. Shorten "
                       "it, or load the model with a longer context",
                       request.prompt.size(), model_.context_length()));
    return;
  }
  if (waiting_.size() >= kMaxWaiting) {
    refuse(wire::ERROR_INTERNAL, fmt::format("{} requests wait already; try again later", waiting_.size()));
    return;
  }
  std::unique_ptr<DryPenalty> dry;
  if (request.sampling.dry.multiplier > 0) dry = dry_.make(request.sampling.dry, model_.context_length());
  auto prediction = std::make_unique<Prediction>(std::move(request), model_.vocabulary(), std::move(dry),
                                                 model_.context_length(), draft_record_);
  Prediction& added = *prediction;
  enqueue(std::move(prediction), false);
  const auto place = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& p) { return p.get() == &added; });
  answer.mutable_accepted()->set_prompt_tokens(added.prompt_tokens());
  answer.mutable_accepted()->set_queue_position(static_cast<std::uint32_t>(place - waiting_.begin()));
  send_(answer);
}

void Scheduler::enqueue(std::unique_ptr<Prediction> prediction, bool at_front) {
  const std::int32_t priority = prediction->priority();
  const auto place = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& other) {
    return at_front ? other->priority() <= priority : other->priority() < priority;
  });
  waiting_.insert(place, std::move(prediction));
}

void Scheduler::set_paused(std::uint64_t id, bool paused) {
  for (Predictions* list : {&active_, &waiting_}) {
    for (auto& prediction : *list) {
      if (prediction->id() != id) continue;
      prediction->paused = paused;
      prediction->awaited = 0;
    }
  }
}

bool Scheduler::cancel(std::uint64_t id) {
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if ((*it)->id() != id) continue;
    const std::unique_ptr<Prediction> prediction = std::move(*it);
    waiting_.erase(it);
    wire::FromEngine message;
    message.set_id(id);
    prediction->fill_done(EndReason::kCancelled, seams_.now(), *message.mutable_done());
    send_(message);
    return true;
  }
  for (auto& prediction : active_) {
    if (prediction->id() != id) continue;
    finish(*prediction, EndReason::kCancelled);
    return true;
  }
  return false;
}

void Scheduler::cancel_all() {
  while (!waiting_.empty()) cancel(waiting_.back()->id());
  while (!active_.empty()) cancel(active_.back()->id());
}

// ---------------------------------------------------------------- admission

std::size_t Scheduler::running() const {
  return static_cast<std::size_t>(
      std::count_if(active_.begin(), active_.end(), [](const auto& p) { return !p->paused; }));
}

std::size_t Scheduler::reservation(const Prediction& prediction) {
  return prediction.tokens().size() + std::min(prediction.room(), kGrowthRoom);
}

// Tokens that it could take over from prompts that are being computed.
std::size_t Scheduler::in_flight_for(const Prediction& candidate) const {
  std::size_t most = 0;
  if (cells_.reuse() == Reuse::kOff || !candidate.may_adopt()) return most;
  for (const auto& prediction : active_) {
    if (prediction->paused || prediction->is_decoding()) continue;
    const std::size_t shared = shared_tokens(candidate, *prediction);
    // What has been computed of a state is there (cells_.find) or is no use.
    if (cells_.reuse() == Reuse::kAnywhere || shared > prediction->computed()) most = std::max(most, shared);
  }
  return most;
}

bool Scheduler::fits(const Prediction& candidate, Beside beside) {
  if (beside == Beside::kAll) return fits_now(candidate, beside);
  // As if the paused ones had given their cells back.
  for (const auto& prediction : active_) {
    if (prediction->paused) cells_.set_aside(prediction->sequence, true);
  }
  const bool result = fits_now(candidate, beside);
  for (const auto& prediction : active_) {
    if (prediction->paused) cells_.set_aside(prediction->sequence, false);
  }
  return result;
}

bool Scheduler::fits_now(const Prediction& candidate, Beside beside) const {
  std::size_t sequences = 0;
  std::size_t needed = cells_.held_cells();
  for (const auto& prediction : active_) {
    if (beside == Beside::kRunning && prediction->paused) continue;
    const std::size_t has = std::max(prediction->computed(), prediction->awaited);
    needed += reservation(*prediction) - std::min(reservation(*prediction), has);
    ++sequences;
  }
  // The first always fits: the cache holds at least one context.
  if (sequences == 0) return true;
  if (sequences >= model_.max_sequences()) return false;
  const PrefixTree::Match found = candidate.may_adopt() ? cells_.find(candidate.tokens()) : PrefixTree::Match{};
  const std::size_t has = std::max(found.length, in_flight_for(candidate));
  needed += (found.length - found.held) + (reservation(candidate) - has);
  return needed <= model_.kv_cells();
}

void Scheduler::admit() {
  std::size_t place = 0;
  while (place < waiting_.size() && running() < model_.parallel()) {
    // One that was paused while it waited starts when it is resumed; others need not wait for that.
    if (waiting_[place]->paused) {
      ++place;
      continue;
    }
    if (!fits(*waiting_[place], Beside::kAll)) {
      // Strictly in order: a small request does not overtake a large one, which might else wait for ever.
      if (!fits(*waiting_[place], Beside::kRunning)) return;
      // Paused ones keep their cells for as long as nobody else needs them.
      preempt(*first_to_preempt());
      place = 0;
      continue;
    }
    std::unique_ptr<Prediction> prediction = std::move(waiting_[place]);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(place));
    start(std::move(prediction));
  }
}

void Scheduler::start(std::unique_ptr<Prediction> prediction) {
  prediction->sequence = cells_.open();
  ENGINE_INVARIANT(static_cast<std::size_t>(prediction->sequence) == active_.size());
  prediction->admitted_as = ++admissions_;
  prediction->awaited = 0;
  active_.push_back(std::move(prediction));
  Prediction& started = *active_.back();
  // At once, so that what is there stays there.
  adopt(started);
  if (cells_.reuse() == Reuse::kWhole) plan_checkpoints(started);
}

void Scheduler::plan_checkpoints(Prediction& prediction) {
  prediction.checkpoints = {};
  // What of a prompt is computed once more was left where it ought to be, and a full context may have lost parts of it.
  if (prediction.has_answered()) return;
  const Vocabulary& vocabulary = model_.vocabulary();
  const CheckpointPlan::Marks marks{[&](std::int32_t token) { return vocabulary.ends_turn(token); },
                                    [&](std::int32_t token) { return vocabulary.ends_line(token); }};
  const auto prompt = std::span(prediction.tokens()).first(prediction.prompt_tokens());
  prediction.checkpoints = CheckpointPlan(prompt, prediction.computed(), marks);
  // Another prompt has parted from this one there. Who comes third shall find it.
  prediction.checkpoints.branch(cells_.tree().longest(prompt).length,
                                prediction.computed() + CheckpointPlan::kLeastDistance);
}

void Scheduler::adopt(Prediction& prediction) {
  if (!prediction.may_adopt()) return;
  const std::size_t length = cells_.adopt(prediction.sequence, prediction.tokens());
  if (length <= prediction.computed()) return;
  const std::size_t reused_before = prediction.reused();
  prediction.note_adopted(length);
  prompt_tokens_reused_ += prediction.reused() - reused_before;
}

// Its first work begins.
void Scheduler::announce(Prediction& prediction) {
  if (prediction.has_started()) return;
  prediction.note_started(seams_.now());
  if (prediction.may_adopt()) cells_.note_unusable(prediction.tokens(), prediction.computed());
  wire::FromEngine message;
  message.set_id(prediction.id());
  message.mutable_started()->set_cached_tokens(prediction.reused());
  send_(message);
}

// ---------------------------------------------------------------- one step

bool Scheduler::beside_running() const {
  return std::any_of(active_.begin(), active_.end(), [](const auto& p) { return !p->paused && p->is_decoding(); });
}

bool Scheduler::has_work() const {
  const auto unpaused = [](const auto& p) { return !p->paused; };
  return blocks_.has_saves() || std::any_of(active_.begin(), active_.end(), unpaused) ||
         std::any_of(waiting_.begin(), waiting_.end(), unpaused);
}

void Scheduler::step() {
  blocks_.begin_step(beside_running());
  admit();
  std::vector<Slice> slices = plan_step();
  make_room(slices);
  if (slices.empty()) {
    blocks_.save_one(false);
    return;
  }
  for (const Slice& slice : slices) announce(*slice.prediction);
  put_idle_beside(slices);
  const std::size_t padding = padding_for(slices);
  fill_batch(slices, padding);
  const Clock::time_point begun = seams_.now();
  const std::int32_t result = seams_.decode(model_.context(), *batch_);
  // Where the library computes beside us (a GPU), the results are what has to be waited for.
  llama_synchronize(model_.context());
  note_step(slices, seams_.now() - begun);
  if (padding > 0) cells_.drop_padding();
  ++decode_steps_;
  // No free cells: the reservation is wrong.
  ENGINE_INVARIANT(result != 1);
  if (result != 0) {
    fail_step(slices, result);
    return;
  }
  finish_step(slices);
  blocks_.save_one(!active_.empty());
}

void Scheduler::note_step(const std::vector<Slice>& slices, Clock::duration time) {
  std::size_t rows = 0;
  std::size_t prompt_tokens = 0;
  for (const Slice& slice : slices) {
    rows += slice.count;
    if (!slice.prediction->is_decoding()) prompt_tokens += slice.count;
  }
  step_seconds_.observe(std::chrono::duration<double>(time).count());
  step_tokens_.observe(static_cast<double>(rows));
  // Who waits for a step of prompts alone waits for one of his own after it.
  const bool is_waited_for = prompt_tokens == rows && beside_running();
  pacer_.note_step(prompt_tokens, is_waited_for ? time + last_decoding_ : time);
  if (prompt_tokens == 0) last_decoding_ = time;
  cells_.note_rows(rows);
  if (prompt_tokens == 0 && !cells_move_) costs_.note(rows, time);
  cells_move_ = false;
}

void Scheduler::fill_batch(std::vector<Slice>& slices, std::size_t padding) {
  // Recurrent and split caches want the tokens of a batch sorted by sequence.
  std::sort(slices.begin(), slices.end(),
            [](const Slice& a, const Slice& b) { return a.prediction->sequence < b.prediction->sequence; });
  llama_batch& batch = *batch_;
  batch.n_tokens = 0;
  for (Slice& slice : slices) {
    const Prediction& prediction = *slice.prediction;
    slice.first_row = batch.n_tokens;
    const bool all_rows = prediction.wants_prompt_logprobs() || !slice.draft.empty();
    const std::size_t own = slice.count - slice.draft.size();
    for (std::size_t i = 0; i < slice.count; ++i) {
      ENGINE_INVARIANT(batch.n_tokens < static_cast<std::int32_t>(model_.batch_size()));
      const std::size_t position = prediction.computed() + i;
      const auto row = batch.n_tokens++;
      batch.token[row] = i < own ? prediction.tokens()[position] : slice.draft[i - own];
      batch.pos[row] = static_cast<llama_pos>(position);
      batch.n_seq_id[row] = 1;
      batch.seq_id[row][0] = prediction.sequence;
      batch.logits[row] = static_cast<std::int8_t>(all_rows || position + 1 == prediction.tokens().size());
    }
  }
  for (std::size_t i = 0; i < padding; ++i) {
    const auto row = batch.n_tokens++;
    batch.token[row] = batch.token[0];
    batch.pos[row] = static_cast<llama_pos>(i);
    batch.n_seq_id[row] = 1;
    batch.seq_id[row][0] = cells_.padding();
    batch.logits[row] = 0;
  }
}

// ---------------------------------------------------------------- results

void Scheduler::finish_step(const std::vector<Slice>& slices) {
  const Clock::time_point now = seams_.now();
  for (const Slice& slice : slices) {
    if (slice.prediction->is_decoding())
      finish_decoding_slice(slice, now);
    else
      finish_prompt_slice(slice, now);
  }
}

void Scheduler::finish_prompt_slice(const Slice& slice, Clock::time_point now) {
  Prediction& prediction = *slice.prediction;
  if (prediction.wants_prompt_logprobs()) report_prompt_rows(slice);
  cells_.computed(prediction.sequence, std::span(prediction.tokens()).subspan(prediction.computed(), slice.count));
  prediction.add_computed(slice.count);
  prompt_tokens_computed_ += slice.count;
  if (const auto place = prediction.checkpoints.at(prediction.computed())) {
    cells_.keep_copy(prediction.sequence, place->opens);
  }
  wire::FromEngine message;
  message.set_id(prediction.id());
  // What is computed a second time after a preemption is nobody's progress.
  if (!prediction.has_answered()) {
    const std::size_t total = prediction.prompt_tokens();
    message.mutable_prompt_progress()->set_processed_tokens(std::min(prediction.computed(), total));
    message.mutable_prompt_progress()->set_total_tokens(total);
    send_(message);
  }
  if (prediction.pending() > 0) return;
  const auto last_row = slice.first_row + static_cast<std::int32_t>(slice.count) - 1;
  std::optional<EndReason> ended;
  if (!take_token(prediction, last_row, now, message, ended)) return;
  if (message.delta().pieces_size() > 0) send_(message);
  if (ended) return finish(prediction, *ended);
  if (prediction.is_full()) shift(prediction);
}

void Scheduler::finish_decoding_slice(const Slice& slice, Clock::time_point now) {
  Prediction& prediction = *slice.prediction;
  prediction.decoded_in = decode_steps_;
  wire::FromEngine message;
  message.set_id(prediction.id());
  std::size_t rows_used = 0;
  std::optional<EndReason> ended;
  while (true) {
    cells_.computed(prediction.sequence, std::span(prediction.tokens()).subspan(prediction.computed(), 1));
    prediction.add_computed(1);
    const auto row = slice.first_row + static_cast<std::int32_t>(rows_used++);
    if (!take_token(prediction, row, now, message, ended)) return;
    if (ended || rows_used == slice.count) break;
    if (prediction.tokens().back() != slice.draft[rows_used - 1]) break;
  }
  const std::size_t accepted = rows_used - 1;
  if (rows_used < slice.count) cells_.take_back(prediction.sequence);
  prediction.note_verified(accepted, !ended, static_cast<std::size_t>(batch_->n_tokens) - slice.count, costs_);
  draft_tokens_ += slice.draft.size();
  draft_tokens_accepted_ += accepted;
  if (message.delta().pieces_size() > 0) send_(message);
  if (ended) return finish(prediction, *ended);
  if (prediction.is_full()) shift(prediction);
}

void Scheduler::shift(Prediction& prediction) {
  const auto dropping = prediction.dropping();
  ENGINE_INVARIANT(dropping && prediction.is_decoding());
  ++shifts_;
  if (cells_.can_shift(prediction.sequence, dropping->head) && model_.shifts_exactly()) {
    cells_.shift(prediction.sequence, dropping->head, dropping->count);
    cells_move_ = true;
    prediction.drop(*dropping, prediction.computed() - dropping->count);
  } else {
    ++shifts_computed_;
    prediction.checkpoints = {};
    prediction.drop(*dropping, cells_.cut(prediction.sequence, dropping->head));
  }
}

bool Scheduler::take_token(Prediction& prediction, std::int32_t row, Clock::time_point now, wire::FromEngine& message,
                           std::optional<EndReason>& ended) {
  const auto vocabulary_size = static_cast<std::size_t>(model_.vocabulary().size());
  float* logits = llama_get_logits_ith(model_.context(), row);
  ENGINE_INVARIANT(logits != nullptr);
  if (!prediction.sample({logits, vocabulary_size})) {
    if (message.delta().pieces_size() > 0) send_(message);
    fail(prediction, "The model gave no token that can come: its numbers are not finite, or every token is banned");
    return false;
  }
  ++tokens_predicted_;
  ended = prediction.absorb(now, *message.mutable_delta());
  return true;
}

void Scheduler::report_prompt_rows(const Slice& slice) {
  wire::FromEngine message;
  message.set_id(slice.prediction->id());
  const auto vocabulary_size = static_cast<std::size_t>(model_.vocabulary().size());
  for (std::size_t i = 0; i < slice.count; ++i) {
    const float* logits = llama_get_logits_ith(model_.context(), slice.first_row + static_cast<std::int32_t>(i));
    ENGINE_INVARIANT(logits != nullptr);
    slice.prediction->report_prompt(slice.prediction->computed() + i, {logits, vocabulary_size},
                                    *message.mutable_delta());
  }
  if (message.delta().pieces_size() > 0) send_(message);
}

// The library could not compute the batch, and what it left in the cache is not known. Its requests fail, the
// others go on.
void Scheduler::fail_step(const std::vector<Slice>& slices, std::int32_t result) {
  for (const Slice& slice : slices) {
    fail(*slice.prediction, fmt::format("The inference library failed with {} while computing", result));
  }
  if (!model_.moves_states()) return;
  // To compute some states the library changes the places of others, and has perhaps not come to move them.
  cells_.forget_kept();
  while (!active_.empty()) preempt(*active_.back(), CellCache::Leave::kNothing);
}

std::unique_ptr<Prediction> Scheduler::release(Prediction& prediction, CellCache::Leave leave, BlockMover::Why why) {
  const auto place = static_cast<std::size_t>(prediction.sequence);
  ENGINE_INVARIANT(place < active_.size() && active_[place].get() == &prediction);
  if (leave == CellCache::Leave::kForReuse) {
    blocks_.sequence_ends(std::span(prediction.tokens()).first(cells_.genuine(prediction.sequence)), why);
  }
  cells_.close(prediction.sequence, leave);
  // The cache has given the last one's id to its place.
  std::unique_ptr<Prediction> taken = std::exchange(active_[place], std::move(active_.back()));
  active_.pop_back();
  if (place < active_.size()) active_[place]->sequence = static_cast<SequenceId>(place);
  taken->sequence = kNoSequence;
  taken->draft_sequence.reset();
  return taken;
}

void Scheduler::finish(Prediction& prediction, EndReason reason) {
  const std::unique_ptr<Prediction> taken = release(prediction, CellCache::Leave::kForReuse);
  taken->note_ended();
  wire::FromEngine message;
  message.set_id(taken->id());
  taken->fill_done(reason, seams_.now(), *message.mutable_done());
  send_(message);
}

// What a failed one has computed is nobody's to use.
void Scheduler::fail(Prediction& prediction, const std::string& what) {
  const std::unique_ptr<Prediction> taken = release(prediction, CellCache::Leave::kNothing);
  wire::FromEngine message;
  message.set_id(taken->id());
  message.mutable_error()->set_kind(wire::ERROR_INTERNAL);
  message.mutable_error()->set_message(what);
  send_(message);
}

void Scheduler::fill_info(wire::InfoResult& info) const {
  const auto paused = active_.size() - running();
  info.set_running(static_cast<std::uint32_t>(running()));
  info.set_waiting(static_cast<std::uint32_t>(waiting_.size()));
  info.set_paused(static_cast<std::uint32_t>(paused));
  info.set_cells_used(cells_.held_cells());
  info.set_cells_total(model_.kv_cells());
  info.set_decode_steps(decode_steps_);
  info.set_prompt_tokens_computed(prompt_tokens_computed_);
  info.set_prompt_tokens_reused(prompt_tokens_reused_);
  info.set_tokens_predicted(tokens_predicted_);
  info.set_cells_cached(cells_.used_cells() - cells_.held_cells());
  info.set_sequences_cached(static_cast<std::uint32_t>(cells_.kept()));
  info.set_cells_evicted(cells_.counters().evicted_cells);
  info.set_prompt_tokens_from_memory(blocks_.counters().tokens_from_memory);
  info.set_prompt_tokens_from_disk(blocks_.counters().tokens_from_disk);
  if (blocks_.store() != nullptr) {
    const KvBlockStore::Counters stored = blocks_.store()->counters();
    info.set_kv_memory_bytes(stored.memory_bytes);
    info.set_kv_disk_blocks(stored.disk_blocks);
  }
  info.set_draft_tokens(draft_tokens_);
  info.set_draft_tokens_accepted(draft_tokens_accepted_);
  info.set_context_shifts(shifts_);
  info.set_context_shifts_computed(shifts_computed_);
  info.set_prompt_tokens_unusable(cells_.counters().unusable_tokens);
  fill_histogram(step_seconds_, *info.mutable_step_seconds());
  fill_histogram(step_tokens_, *info.mutable_step_tokens());
  info.set_preemptions(preemptions_);
  info.set_checkpoints_kept(cells_.counters().copies_kept);
  info.set_checkpoints_used(cells_.counters().copies_used);
  switch (cells_.reuse()) {
    case Reuse::kOff: info.set_prefix_reuse("off"); break;
    case Reuse::kWhole: info.set_prefix_reuse("whole"); break;
    case Reuse::kAnywhere: info.set_prefix_reuse("anywhere"); break;
  }
}

}  // namespace atelier::engine
