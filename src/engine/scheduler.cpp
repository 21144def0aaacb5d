#include "engine/scheduler.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <utility>

#include "engine/invariant.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

namespace {

// Prompt tokens computed in one step. On a processor the throughput hardly rises beyond these, and a step
// is what a cancelled request and a running stream wait for.
constexpr std::size_t kAloneOnCpu = 256;
constexpr std::size_t kBesideRunningOnCpu = 64;
constexpr std::size_t kBesideRunningOnGpu = 512;

// Cells that an admitted prediction should find beyond its prompt. Less only delays the latest when cells run out.
constexpr std::size_t kGrowthRoom = 128;

}  // namespace

void Scheduler::BatchDeleter::operator()(llama_batch* batch) const {
  llama_batch_free(*batch);
  delete batch;
}

Scheduler::Scheduler(Model& model, Send send)
    : model_(model),
      send_(std::move(send)),
      dry_(model.vocabulary().library_vocab()),
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
  auto prediction =
      std::make_unique<Prediction>(std::move(request), model_.vocabulary(), std::move(dry), model_.context_length());
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
      if (prediction->id() == id) prediction->paused = paused;
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
    prediction->fill_done(EndReason::kCancelled, *message.mutable_done());
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

std::size_t Scheduler::used_cells() const {
  std::size_t used = 0;
  for (const auto& prediction : active_) used += prediction->computed();
  return used;
}

std::size_t Scheduler::running() const {
  return static_cast<std::size_t>(
      std::count_if(active_.begin(), active_.end(), [](const auto& p) { return !p->paused; }));
}

std::size_t Scheduler::reservation(const Prediction& prediction) {
  return prediction.tokens().size() + std::min(prediction.room(), kGrowthRoom);
}

bool Scheduler::fits(const Prediction& candidate, Beside beside) const {
  std::size_t reserved = reservation(candidate);
  std::size_t sequences = 0;
  for (const auto& prediction : active_) {
    if (beside == Beside::kRunning && prediction->paused) continue;
    reserved += reservation(*prediction);
    ++sequences;
  }
  // The first always fits: the cache holds at least one context.
  return sequences == 0 || (reserved <= model_.kv_cells() && sequences < model_.max_sequences());
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
  prediction->sequence = static_cast<std::int32_t>(active_.size());
  prediction->admitted_as = ++admissions_;
  if (!prediction->has_started()) {
    prediction->note_started(Clock::now());
    wire::FromEngine message;
    message.set_id(prediction->id());
    message.mutable_started()->set_cached_tokens(0);
    send_(message);
  }
  active_.push_back(std::move(prediction));
}

// ---------------------------------------------------------------- one step

bool Scheduler::has_work() const {
  const auto unpaused = [](const auto& p) { return !p->paused; };
  return std::any_of(active_.begin(), active_.end(), unpaused) ||
         std::any_of(waiting_.begin(), waiting_.end(), unpaused);
}

void Scheduler::step() {
  admit();
  std::vector<Slice> slices = plan_step();
  make_room(slices);
  if (slices.empty()) return;
  fill_batch(slices);
  const std::int32_t result = llama_decode(model_.context(), *batch_);
  ++decode_steps_;
  // No free cells: the reservation is wrong.
  ENGINE_INVARIANT(result != 1);
  if (result != 0) {
    fail_step(slices, result);
    return;
  }
  finish_step(slices);
}

std::size_t Scheduler::slice_budget(bool beside_running) const {
  const std::size_t batch = model_.batch_size();
  if (model_.runs_on_cpu()) return std::min(batch, beside_running ? kBesideRunningOnCpu : kAloneOnCpu);
  return std::min(batch, beside_running ? kBesideRunningOnGpu : batch);
}

std::vector<Scheduler::Slice> Scheduler::plan_step() const {
  std::vector<Slice> slices;
  std::vector<Prediction*> prompts;
  for (const auto& prediction : active_) {
    if (prediction->paused) continue;
    if (prediction->is_decoding())
      slices.push_back({prediction.get(), 1});
    else
      prompts.push_back(prediction.get());
  }
  // The batch has room for a token of every sequence and more (ModelLoader::check_settings).
  const std::size_t decoding = slices.size();
  std::size_t budget = std::min(slice_budget(decoding > 0), model_.batch_size() - decoding);
  std::size_t output_rows = model_.max_outputs() - model_.max_sequences();
  std::sort(prompts.begin(), prompts.end(), [](const Prediction* a, const Prediction* b) {
    return a->priority() != b->priority() ? a->priority() > b->priority() : a->admitted_as < b->admitted_as;
  });
  for (Prediction* prediction : prompts) {
    std::size_t count = std::min(prediction->pending(), budget);
    if (prediction->wants_prompt_logprobs()) {
      count = std::min(count, output_rows);
      output_rows -= count;
    }
    if (count == 0) continue;
    slices.push_back({prediction, count});
    budget -= count;
  }
  return slices;
}

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
    std::size_t need = used_cells();
    for (const Slice& slice : slices) need += slice.count;
    if (need <= model_.kv_cells()) return;
    ENGINE_INVARIANT(active_.size() > 1);
    Prediction* victim = first_to_preempt();
    std::erase_if(slices, [&](const Slice& slice) { return slice.prediction == victim; });
    preempt(*victim);
  }
}

void Scheduler::preempt(Prediction& prediction) {
  std::unique_ptr<Prediction> taken = release(prediction);
  taken->lose_cells();
  enqueue(std::move(taken), true);
}

void Scheduler::fill_batch(std::vector<Slice>& slices) {
  // Recurrent and split caches want the tokens of a batch sorted by sequence.
  std::sort(slices.begin(), slices.end(),
            [](const Slice& a, const Slice& b) { return a.prediction->sequence < b.prediction->sequence; });
  llama_batch& batch = *batch_;
  batch.n_tokens = 0;
  for (Slice& slice : slices) {
    const Prediction& prediction = *slice.prediction;
    slice.first_row = batch.n_tokens;
    const bool all_rows = prediction.wants_prompt_logprobs();
    for (std::size_t i = 0; i < slice.count; ++i) {
      ENGINE_INVARIANT(batch.n_tokens < static_cast<std::int32_t>(model_.batch_size()));
      const std::size_t position = prediction.computed() + i;
      const auto row = batch.n_tokens++;
      batch.token[row] = prediction.tokens()[position];
      batch.pos[row] = static_cast<llama_pos>(position);
      batch.n_seq_id[row] = 1;
      batch.seq_id[row][0] = prediction.sequence;
      batch.logits[row] = static_cast<std::int8_t>(all_rows || position + 1 == prediction.tokens().size());
    }
  }
}

// ---------------------------------------------------------------- results

void Scheduler::finish_step(const std::vector<Slice>& slices) {
  const auto vocabulary_size = static_cast<std::size_t>(model_.vocabulary().size());
  for (const Slice& slice : slices) {
    Prediction& prediction = *slice.prediction;
    const bool was_decoding = prediction.is_decoding();
    if (prediction.wants_prompt_logprobs()) report_prompt_rows(slice);
    prediction.add_computed(slice.count);
    if (!was_decoding) prompt_tokens_computed_ += slice.count;
    // What is computed a second time after a preemption is nobody's progress.
    if (!was_decoding && !prediction.has_answered()) {
      wire::FromEngine message;
      message.set_id(prediction.id());
      const std::size_t total = prediction.prompt_tokens();
      message.mutable_prompt_progress()->set_processed_tokens(std::min(prediction.computed(), total));
      message.mutable_prompt_progress()->set_total_tokens(total);
      send_(message);
    }
    if (prediction.pending() > 0) continue;

    const auto row = slice.first_row + static_cast<std::int32_t>(slice.count) - 1;
    float* logits = llama_get_logits_ith(model_.context(), row);
    ENGINE_INVARIANT(logits != nullptr);
    if (!prediction.sample({logits, vocabulary_size})) {
      fail(prediction, "The model gave no token that can come: its numbers are not finite, or every token is banned");
      continue;
    }
    ++tokens_predicted_;
    wire::FromEngine message;
    message.set_id(prediction.id());
    const auto ended = prediction.absorb(*message.mutable_delta());
    if (message.delta().pieces_size() > 0) send_(message);
    if (ended) finish(prediction, *ended);
  }
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
}

std::unique_ptr<Prediction> Scheduler::release(Prediction& prediction) {
  const auto place = static_cast<std::size_t>(prediction.sequence);
  ENGINE_INVARIANT(place < active_.size() && active_[place].get() == &prediction);
  llama_memory_t memory = llama_get_memory(model_.context());
  llama_memory_seq_rm(memory, prediction.sequence, -1, -1);
  std::unique_ptr<Prediction> taken = std::move(active_[place]);
  const std::size_t last = active_.size() - 1;
  if (place != last) {
    // No gaps: the last one takes the id over.
    const auto from = static_cast<llama_seq_id>(last);
    const auto to = static_cast<llama_seq_id>(place);
    llama_memory_seq_cp(memory, from, to, -1, -1);
    llama_memory_seq_rm(memory, from, -1, -1);
    active_[place] = std::move(active_[last]);
    active_[place]->sequence = to;
  }
  active_.pop_back();
  taken->sequence = Prediction::kNoSequence;
  return taken;
}

void Scheduler::finish(Prediction& prediction, EndReason reason) {
  const std::unique_ptr<Prediction> taken = release(prediction);
  wire::FromEngine message;
  message.set_id(taken->id());
  taken->fill_done(reason, *message.mutable_done());
  send_(message);
}

void Scheduler::fail(Prediction& prediction, const std::string& what) {
  const std::unique_ptr<Prediction> taken = release(prediction);
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
  info.set_cells_used(used_cells());
  info.set_cells_total(model_.kv_cells());
  info.set_decode_steps(decode_steps_);
  info.set_prompt_tokens_computed(prompt_tokens_computed_);
  info.set_tokens_predicted(tokens_predicted_);
}

}  // namespace atelier::engine
