// One answer in the making: its tokens, how many of them have cells, its sampler, its text, and when it ends.
// Knows nothing of batches, cells of others, or the inference library. Decode thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/answer_text.h"
#include "engine/block_mover.h"
#include "engine/checkpoints.h"
#include "engine/draft_control.h"
#include "engine/draft_model.h"
#include "engine/ngram_lookup.h"
#include "engine/prefix_tree.h"
#include "engine/sampler.h"
#include "engine/vocabulary.h"

namespace atelier::wire {
class Delta;
class Done;
}  // namespace atelier::wire

namespace atelier::engine {

using Clock = std::chrono::steady_clock;

// A Generate message, checked and tokenised.
struct GenerateRequest {
  std::uint64_t id = 0;
  std::vector<std::int32_t> prompt;
  SamplerSettings sampling;
  std::uint64_t max_tokens = 0;  // 0: no limit
  std::vector<std::string> stop_strings;
  bool ignore_end_tokens = false;
  bool logprobs = false;
  std::uint32_t top_logprobs = 0;
  bool prompt_logprobs = false;
  std::int32_t priority = 0;
  Clock::time_point arrival{};
  // When the context is full, the answer goes on without the older half of what is behind so many first tokens of the
  // prompt. Absent: it ends.
  std::optional<std::size_t> kept_tokens;
  std::string draft_path;                   // of a draft model's file; empty: none
  std::shared_ptr<DraftModel> draft_model;  // that file, loaded
};

enum class EndReason { kEndToken, kStopString, kMaxTokens, kContextLength, kCancelled };

class Prediction {
 public:
  // An answer that may go on beyond the context and has no other limit ends when the context is full once more and it
  // has so many times the context's tokens: nobody should have an engine for ever by forgetting it.
  static constexpr std::uint64_t kMostContexts = 4;
  // One part of so many of the context must be free to go, or making room would come again with every few tokens.
  static constexpr std::size_t kLeastDroppable = 8;

  // The record of guesses is that of all answers and outlives them.
  Prediction(GenerateRequest request, const Vocabulary& vocabulary, std::unique_ptr<DryPenalty> dry,
             std::uint32_t context_length, DraftRecord& draft_record);

  std::uint64_t id() const { return request_.id; }
  std::int32_t priority() const { return request_.priority; }
  std::size_t prompt_tokens() const { return request_.prompt.size(); }
  // Prompt and answer so far, less what was dropped.
  const std::vector<std::int32_t>& tokens() const { return tokens_; }

  // Tokens that have a cell, and those that wait for one. In the steady state one waits: the newest.
  std::size_t computed() const { return computed_; }
  std::size_t pending() const { return tokens_.size() - computed_; }
  bool is_decoding() const { return pending() == 1 && has_answered(); }
  bool has_answered() const { return predicted_ > 0; }
  void add_computed(std::size_t count);
  // The first `length` tokens have cells now, without work.
  void note_adopted(std::size_t length);
  // The cells were taken away; everything is to be computed again, or found again.
  void lose_cells() {
    computed_ = 0;
    drop_draft();
    in_store = {};
  }
  // Prompt tokens that needed no work.
  std::size_t reused() const { return reused_; }
  // Tokens that may yet be added, before tokens are dropped.
  std::size_t room() const;

  // The context is full, and the answer goes on: tokens are to be dropped before anything more is computed.
  bool is_full() const { return tokens_.size() >= context_length_; }
  struct Dropping {
    std::size_t head;   // first tokens that stay
    std::size_t count;  // those behind them that go
  };
  // Nothing where the answer ends with a full context.
  std::optional<Dropping> dropping() const;
  // Does it. `computed` of the tokens that are left have cells.
  void drop(const Dropping& dropping, std::size_t computed);

  // A prompt whose every position's logits are wanted must be computed, whatever is there.
  bool may_adopt() const { return !wants_prompt_logprobs(); }
  bool wants_prompt_logprobs() const { return request_.prompt_logprobs && prompt_reported_ < prompt_tokens(); }
  // The logits of the prompt's token at `position` (they speak of the one behind it).
  void report_prompt(std::size_t position, std::span<const float> logits, wire::Delta& delta);

  // How many guesses of what comes next can be of use, at most kLongest of DraftControl.
  std::size_t most_guesses() const;
  // What the text itself suggests, at most `most`.
  Draft guess_from_text(std::size_t most);
  // Takes as much of the draft as pays (draft_control.h says what the others are); the tokens are to be computed in
  // this step. `expected_tokens` is what that gives then.
  std::vector<std::int32_t> take_draft(Draft draft, std::size_t other_rows, double other_tokens, const StepCosts& costs,
                                       double& expected_tokens);
  void drop_draft() {
    verifying_.clear();
    unverified_.reset();
  }
  // So many of the guesses were what the sampler chose. `went_on`: the answer did not end within them.
  void note_verified(std::size_t accepted, bool went_on, std::size_t other_rows, const StepCosts& costs);
  const DraftControl& draft_control() const { return draft_control_; }
  // The answer is done: what its guesses have shown is for others.
  void note_ended() { draft_control_.note_ended(); }
  DraftModel* draft_model() const { return request_.draft_model.get(); }

  // Chooses the next token from the logits of the newest. May run beside other predictions' samples.
  // False where no token can come.
  bool sample(std::span<float> logits);
  // Takes the sampled token in: pieces that may leave go into `delta`; an answer when the prediction ends.
  std::optional<EndReason> absorb(Clock::time_point now, wire::Delta& delta);
  // What was held back, when it ends for another reason.
  void flush(wire::Delta& delta);

  void note_started(Clock::time_point now) { started_ = now; }
  bool has_started() const { return started_ != Clock::time_point{}; }
  void fill_done(EndReason reason, Clock::time_point now, wire::Done& done) const;

  // The scheduler's own notes.
  SequenceId sequence = kNoSequence;
  bool paused = false;
  std::unique_ptr<DraftModel::Sequence> draft_sequence;  // where its draft model stands; absent: not asked yet
  BlockMover::Prompt in_store;                           // what of it lies beside the cells
  CheckpointPlan checkpoints;                            // where copies of its state are kept
  std::size_t awaited = 0;        // tokens that another prediction is computing for both; 0: it waits for nobody
  std::uint64_t decoded_in = 0;   // the number of the last step that gave it tokens
  std::uint64_t admitted_as = 0;  // a running number; the latest is preempted first

 private:
  void append_pieces(wire::Delta& delta);
  void append_prompt_piece(std::int32_t token, const TokenLogProbabilities* logprobs, wire::Delta& delta);

  GenerateRequest request_;
  const Vocabulary& vocabulary_;
  std::uint32_t context_length_;
  std::vector<std::int32_t> tokens_;
  std::size_t computed_ = 0;
  std::size_t most_computed_ = 0;  // before cells were lost
  std::size_t reused_ = 0;
  std::uint64_t predicted_ = 0;
  std::uint64_t dropped_ = 0;
  Sampler sampler_;
  AnswerText text_;
  CharacterCompleter prompt_text_;
  std::size_t prompt_reported_ = 0;

  NgramLookup lookup_;
  DraftControl draft_control_;
  std::vector<DraftClass> verifying_;  // the guesses of this step
  struct Unverified {
    std::int32_t token;
    DraftClass draft_class;
  };
  std::optional<Unverified> unverified_;  // the first guess of a step that computes none
  std::uint64_t accepted_drafts_ = 0;
  std::uint64_t rejected_drafts_ = 0;
  std::uint64_t ignored_drafts_ = 0;

  std::int32_t sampled_ = 0;
  std::optional<TokenLogProbabilities> sampled_logprobs_;
  std::optional<std::int32_t> end_token_;
  Clock::time_point started_{};
  Clock::time_point first_token_{};
  Clock::time_point last_token_{};
};

// How many tokens both begin with, of those that `later` may take over: all but its last.
std::size_t shared_tokens(const Prediction& later, const Prediction& earlier);

}  // namespace atelier::engine
