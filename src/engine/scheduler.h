// Who computes what in each step. Decode thread only.
//
// A step is one llama_decode: first the next token of every prediction that is past its prompt, then slices of
// prompts that are still to be computed, as many tokens as keep the running ones moving (step_pacer.h), shared between
// the prompt that came first and the shortest. All sequences share one cache of cells (cell_cache.h). Where running ones have
// many, prompts get steps of their own, in turn with theirs.
//
// Prefixes. A prompt begins from the longest beginning of it that is in cells, whoever computed it, running or
// ended. Where a prompt ahead of it in line is still computing a part that both begin with, it waits for that part
// and takes it over: requests that come together compute what they share once. Of a model that cannot be cut, slices
// of prompts end where a copy of the state is kept for others (checkpoints.h), those that wait included.
//
// Beside the cells. What ended and preempted predictions leave is saved, between steps or when its cells go, to memory and
// to disk, and taken from there when its cells are gone (block_mover.h).
//
// Speculation. In steps without prompts, a running prediction's next tokens may be guessed from its own text
// (ngram_lookup.h) or by a smaller model (draft_model.h), as many as pay (draft_control.h), and are computed in the same batch, a row each. Its sampler then
// goes through the rows in order and stops where it chooses otherwise, so the answer is what it would have been; what
// was computed too much is taken back.
//
// Padding. A library whose attention has a fast way for 64 rows and none for 60 gets four more, of a sequence that is nobody's.
//
// Cells. A prediction is admitted when its prompt and some room to grow fit beside everyone's present need; cells
// that nobody needs any more are cache and stand in nobody's way. If growth later outruns the cells, cache goes
// first; then the prediction that was admitted last (a paused one before a running one) gives its cells back, which
// makes them cache, and goes on from what is left of them, and from memory, when there is room: it is delayed, never failed, and
// llama_decode is never asked for cells that are not there. A paused one keeps its cells until a waiting one can
// only be admitted without them, so that slow readers never keep others out.
//
// Full contexts. An answer that may go on then loses the older half of what is behind its head. What stays moves down in
// its cells, where the library does that exactly (shift_probe.h) and no other running sequence holds them; else it is
// computed again as a prompt is, which is right for every model.
//
// Time and the library's decode are seams: tests put a clock of their own and faults there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/metrics.h"
#include "engine/block_mover.h"
#include "engine/cell_cache.h"
#include "engine/dry_penalty.h"
#include "engine/model.h"
#include "engine/prediction.h"
#include "engine/step_costs.h"
#include "engine/step_pacer.h"

struct llama_batch;
struct llama_context;

namespace atelier::wire {
class FromEngine;
class InfoResult;
}  // namespace atelier::wire

namespace atelier::engine {

using Send = std::function<void(const wire::FromEngine&)>;

class Scheduler {
 public:
  // Requests that may wait; a server has a shorter queue of its own.
  static constexpr std::size_t kMaxWaiting = 4096;

  struct Seams {
    std::function<Clock::time_point()> now;                                  // absent: the steady clock
    std::function<std::int32_t(llama_context*, const llama_batch&)> decode;  // absent: llama_decode
  };

  // The model has a context and outlives the scheduler. `send` must not block.
  // Without a store nothing is kept beside the cells.
  Scheduler(Model& model, Send send, Seams seams = {}, std::unique_ptr<KvBlockStore> store = nullptr);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Answers with Accepted, or with Error where the prompt is empty or does not fit.
  void submit(GenerateRequest request);
  // Unknown ids are ignored.
  void pause(std::uint64_t id) { set_paused(id, true); }
  void resume(std::uint64_t id) { set_paused(id, false); }
  // True where there was such a prediction; it has been answered with Done.
  bool cancel(std::uint64_t id);
  void cancel_all();

  // Whether step() has something to do. Paused predictions give nothing to do.
  bool has_work() const;
  // Admits, computes one batch, samples, sends.
  void step();

  void fill_info(wire::InfoResult& info) const;
  const CellCache& cells() const { return cells_; }
  const BlockMover& blocks() const { return blocks_; }

 private:
  using Predictions = std::vector<std::unique_ptr<Prediction>>;
  // What one prediction computes in this step, and the batch row of its first token.
  struct Slice {
    Prediction* prediction;
    std::size_t count;                     // rows: tokens of the prediction, then those of the draft
    std::vector<std::int32_t> draft = {};  // guesses of what follows its newest token
    std::int32_t first_row = 0;
  };
  struct BatchDeleter {
    void operator()(llama_batch* batch) const;
  };

  void admit();
  // Cells that a prediction has or should find.
  static std::size_t reservation(const Prediction& prediction);
  enum class Beside { kAll, kRunning };
  bool fits(const Prediction& candidate, Beside beside);
  bool fits_now(const Prediction& candidate, Beside beside) const;
  std::size_t in_flight_for(const Prediction& candidate) const;
  std::size_t worth_awaiting(const Prediction& later, Prediction& earlier);
  void plan_checkpoints(Prediction& prediction);
  void start(std::unique_ptr<Prediction> prediction);
  void adopt(Prediction& prediction);
  bool restore(Prediction& prediction, Clock::time_point deadline);
  void announce(Prediction& prediction);
  void set_paused(std::uint64_t id, bool paused);

  std::vector<Slice> plan_step();
  std::vector<Prediction*> pending_prompts(Clock::time_point restore_until);
  std::vector<std::size_t> share_out(const std::vector<Prediction*>& prompts, std::size_t budget,
                                     std::size_t room) const;
  bool ends_slowly(const Prediction& prompt, std::size_t left) const;
  bool looks_far(const std::vector<Slice>& decoding, const Prediction& prompt) const;
  std::vector<Slice> plan_apart(std::vector<Slice> decoding, const std::vector<Prediction*>& prompts);
  void take_turns(std::vector<Slice>& slices);
  void add_drafts(std::vector<Slice>& slices);
  void ask_draft_models(const std::vector<Slice>& slices, std::vector<Draft>& drafts);
  void make_room(std::vector<Slice>& slices);
  std::size_t padding_for(const std::vector<Slice>& slices) const;
  void put_idle_beside(const std::vector<Slice>& slices);
  Prediction* first_to_preempt() const;
  void preempt(Prediction& prediction, CellCache::Leave leave = CellCache::Leave::kForReuse);

  void fill_batch(std::vector<Slice>& slices, std::size_t padding);
  void note_step(const std::vector<Slice>& slices, Clock::duration time);
  void finish_step(const std::vector<Slice>& slices);
  void finish_prompt_slice(const Slice& slice, Clock::time_point now);
  void finish_decoding_slice(const Slice& slice, Clock::time_point now);
  // The next token from the logits of a row. False where none can come; the prediction has failed then.
  bool take_token(Prediction& prediction, std::int32_t row, Clock::time_point now, wire::FromEngine& message,
                  std::optional<EndReason>& ended);
  void report_prompt_rows(const Slice& slice);
  // Makes room in a full context.
  void shift(Prediction& prediction);
  void fail_step(const std::vector<Slice>& slices, std::int32_t result);

  // All three take the prediction out of `active_`.
  void finish(Prediction& prediction, EndReason reason);
  void fail(Prediction& prediction, const std::string& message);
  std::unique_ptr<Prediction> release(Prediction& prediction, CellCache::Leave leave,
                                      BlockMover::Why why = BlockMover::Why::kEnded);

  void enqueue(std::unique_ptr<Prediction> prediction, bool at_front);
  std::size_t running() const;
  // Whether somebody waits for his next token.
  bool beside_running() const;

  Model& model_;
  Send send_;
  Seams seams_;
  DryFactory dry_;
  CellCache cells_;
  BlockMover blocks_;
  StepPacer pacer_;
  StepCosts costs_;
  StepWidth width_;
  DraftRecord draft_record_;
  Predictions waiting_;  // by priority, then arrival
  Predictions active_;   // index is the sequence id
  std::unique_ptr<llama_batch, BatchDeleter> batch_;
  std::uint64_t admissions_ = 0;
  std::uint64_t decode_steps_ = 0;
  metrics::Histogram step_seconds_{metrics::kStepSeconds};
  metrics::Histogram step_tokens_{metrics::kStepTokens};
  std::uint64_t preemptions_ = 0;
  std::uint64_t prompt_tokens_computed_ = 0;
  std::uint64_t prompt_tokens_reused_ = 0;
  std::uint64_t tokens_predicted_ = 0;
  std::uint64_t draft_tokens_ = 0;
  std::uint64_t draft_tokens_accepted_ = 0;
  std::uint64_t shifts_ = 0;
  std::uint64_t shifts_computed_ = 0;
  // Where prompts and running sequences are computed apart: whose step the last one was.
  bool prompts_turn_ = false;
  bool shortest_turn_ = false;
  Clock::duration last_decoding_{};  // what the last step without prompts took
  bool cells_move_ = false;          // in the next step, which is longer by that
};

}  // namespace atelier::engine
