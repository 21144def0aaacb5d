#include "engine/prediction.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/invariant.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

namespace {

double seconds(Clock::time_point from, Clock::time_point to) {
  if (from == Clock::time_point{} || to < from) return 0;
  return std::chrono::duration<double>(to - from).count();
}

void set_logprobs(const Vocabulary& vocabulary, const TokenLogProbabilities& logprobs, wire::Piece& piece) {
  piece.set_logprob(logprobs.chosen);
  for (const TokenLogProbability& entry : logprobs.top) {
    wire::TokenLogprob& top = *piece.add_top();
    top.set_token_id(entry.token);
    top.set_bytes(vocabulary.bytes(entry.token));
    top.set_logprob(entry.logprob);
  }
}

wire::StopReason wire_reason(EndReason reason) {
  switch (reason) {
    case EndReason::kEndToken: return wire::STOP_END_TOKEN;
    case EndReason::kStopString: return wire::STOP_STRING;
    case EndReason::kMaxTokens: return wire::STOP_MAX_TOKENS;
    case EndReason::kContextLength: return wire::STOP_CONTEXT_LENGTH;
    case EndReason::kCancelled: return wire::STOP_CANCELLED;
  }
  return wire::STOP_UNSPECIFIED;
}

}  // namespace

Prediction::Prediction(GenerateRequest request, const Vocabulary& vocabulary, std::unique_ptr<DryPenalty> dry,
                       std::uint32_t context_length, DraftRecord& draft_record)
    : request_(std::move(request)),
      vocabulary_(vocabulary),
      context_length_(context_length),
      tokens_(request_.prompt),
      sampler_(request_.sampling, context_length, std::move(dry)),
      text_(request_.stop_strings),
      draft_control_(draft_record) {
  ENGINE_INVARIANT(!tokens_.empty() && tokens_.size() < context_length_);
  for (const std::int32_t token : tokens_) sampler_.accept(token);
}

std::size_t Prediction::room() const {
  const std::size_t context = context_length_ - std::min<std::size_t>(tokens_.size(), context_length_);
  if (request_.max_tokens == 0) return context;
  return static_cast<std::size_t>(std::min<std::uint64_t>(context, request_.max_tokens - predicted_));
}

void Prediction::add_computed(std::size_t count) {
  computed_ += count;
  most_computed_ = std::max(most_computed_, computed_);
}

void Prediction::note_adopted(std::size_t length) {
  // What it finds again of its own is no gain.
  const std::size_t new_to_it = std::min(length, prompt_tokens());
  if (new_to_it > most_computed_) reused_ += new_to_it - most_computed_;
  computed_ = length;
  most_computed_ = std::max(most_computed_, computed_);
}

std::optional<Prediction::Dropping> Prediction::dropping() const {
  if (!request_.kept_tokens) return std::nullopt;
  if (request_.max_tokens == 0 && predicted_ >= kMostContexts * context_length_) return std::nullopt;
  const std::size_t head = std::min(*request_.kept_tokens, prompt_tokens());
  // The newest has no cell yet; it stays.
  const std::size_t behind = tokens_.size() - 1 - std::min(head, tokens_.size() - 1);
  if (behind == 0 || behind * kLeastDroppable < context_length_) return std::nullopt;
  return Dropping{head, (behind + 1) / 2};
}

// The sampler's windows and what was said stay as they are; what speaks of places in tokens_ begins anew.
void Prediction::drop(const Dropping& dropping, std::size_t computed) {
  ENGINE_INVARIANT(verifying_.empty() && dropping.head + dropping.count < tokens_.size());
  const auto first = tokens_.begin() + static_cast<std::ptrdiff_t>(dropping.head);
  tokens_.erase(first, first + static_cast<std::ptrdiff_t>(dropping.count));
  ENGINE_INVARIANT(computed < tokens_.size());
  computed_ = computed;
  dropped_ += dropping.count;
  lookup_ = {};
  in_store = {};
  draft_sequence.reset();
  awaited = 0;
}

std::size_t Prediction::most_guesses() const {
  // k guesses may give one token more.
  return std::min(DraftControl::kLongest, room() - std::min<std::size_t>(room(), 1));
}

Draft Prediction::guess_from_text(std::size_t most) {
  Draft draft;
  if (most == 0) return draft;
  lookup_.follow(tokens_);
  NgramLookup::Guess found = lookup_.guess(tokens_, most);
  draft.tokens = std::move(found.tokens);
  for (std::size_t i = 0; i < draft.tokens.size(); ++i) {
    draft.classes.push_back(class_of_agreement(found.agreement + i));
  }
  return draft;
}

std::vector<std::int32_t> Prediction::take_draft(Draft draft, std::size_t other_rows, double other_tokens,
                                                 const StepCosts& costs, double& expected_tokens) {
  const std::size_t length = draft_control_.length(draft.classes, other_rows, other_tokens, costs);
  unverified_.reset();
  if (length == 0 && !draft.tokens.empty()) unverified_ = Unverified{draft.tokens[0], draft.classes[0]};
  draft.cut(length);
  if (draft.time.count() > 0) draft_control_.note_drafting(draft.time, costs);
  verifying_ = std::move(draft.classes);
  expected_tokens = draft_control_.expected_tokens(verifying_);
  return std::move(draft.tokens);
}

void Prediction::note_verified(std::size_t accepted, bool went_on, std::size_t other_rows, const StepCosts& costs) {
  if (verifying_.empty()) {
    if (unverified_) draft_control_.note_guess(unverified_->draft_class, unverified_->token == sampled_);
    unverified_.reset();
    return draft_control_.note_plain();
  }
  accepted_drafts_ += accepted;
  (went_on ? rejected_drafts_ : ignored_drafts_) += verifying_.size() - accepted;
  draft_control_.note_verified(verifying_, accepted, other_rows, costs);
  verifying_.clear();
}

bool Prediction::sample(std::span<float> logits) {
  sampler_.adjust(logits);
  const auto token = sampler_.choose(logits);
  if (!token) return false;
  sampled_ = *token;
  if (request_.logprobs) {
    sampled_logprobs_ = log_probabilities(logits, sampler_.temperature(), sampled_, request_.top_logprobs);
  }
  return true;
}

std::optional<EndReason> Prediction::absorb(Clock::time_point now, wire::Delta& delta) {
  last_token_ = now;
  if (predicted_ == 0) first_token_ = last_token_;
  ++predicted_;
  if (!request_.ignore_end_tokens && vocabulary_.is_end(sampled_)) {
    end_token_ = sampled_;
    flush(delta);
    // What was held back may have become a stop string by the last character's repair.
    return text_.stop_string() ? EndReason::kStopString : EndReason::kEndToken;
  }
  tokens_.push_back(sampled_);
  sampler_.accept(sampled_);
  AnswerPiece piece;
  piece.token = sampled_;
  piece.is_control = vocabulary_.is_control(sampled_);
  std::string bytes = vocabulary_.bytes(sampled_);
  if (request_.logprobs) {
    piece.token_bytes = bytes;
    piece.logprobs = std::exchange(sampled_logprobs_, std::nullopt);
  }
  text_.add(std::move(piece), bytes);
  append_pieces(delta);
  if (text_.stop_string()) return EndReason::kStopString;
  const bool at_limit = request_.max_tokens > 0 && predicted_ >= request_.max_tokens;
  if (!at_limit && (!is_full() || dropping())) return std::nullopt;
  flush(delta);
  if (text_.stop_string()) return EndReason::kStopString;
  return at_limit ? EndReason::kMaxTokens : EndReason::kContextLength;
}

void Prediction::flush(wire::Delta& delta) {
  text_.finish();
  append_pieces(delta);
}

void Prediction::append_pieces(wire::Delta& delta) {
  for (AnswerPiece& piece : text_.take()) {
    wire::Piece& out = *delta.add_pieces();
    out.set_text(std::move(piece.text));
    out.set_is_control(piece.is_control);
    out.set_token_id(piece.token);
    if (!piece.logprobs) continue;
    out.set_token_bytes(std::move(piece.token_bytes));
    set_logprobs(vocabulary_, *piece.logprobs, out);
  }
}

void Prediction::report_prompt(std::size_t position, std::span<const float> logits, wire::Delta& delta) {
  // After a preemption positions come again.
  if (position + 1 < prompt_reported_) return;
  delta.set_of_prompt(true);
  if (prompt_reported_ == 0) append_prompt_piece(request_.prompt[0], nullptr, delta);
  if (position + 1 >= prompt_tokens()) return;
  const std::int32_t next = request_.prompt[position + 1];
  const TokenLogProbabilities logprobs = log_probabilities(logits, 1, next, request_.top_logprobs);
  append_prompt_piece(next, &logprobs, delta);
}

void Prediction::append_prompt_piece(std::int32_t token, const TokenLogProbabilities* logprobs, wire::Delta& delta) {
  ++prompt_reported_;
  wire::Piece& out = *delta.add_pieces();
  const std::string bytes = vocabulary_.bytes(token);
  out.set_is_control(vocabulary_.is_control(token));
  std::string text = prompt_text_.add(bytes);
  if (prompt_reported_ == prompt_tokens()) text += prompt_text_.finish();
  out.set_text(std::move(text));
  out.set_token_id(token);
  out.set_token_bytes(bytes);
  if (logprobs != nullptr) set_logprobs(vocabulary_, *logprobs, out);
}

void Prediction::fill_done(EndReason reason, Clock::time_point now, wire::Done& done) const {
  done.set_reason(wire_reason(reason));
  if (reason == EndReason::kStopString && text_.stop_string()) done.set_stop_string(*text_.stop_string());
  if (reason == EndReason::kEndToken && end_token_) done.set_end_token(*end_token_);
  done.set_prompt_tokens(prompt_tokens());
  done.set_cached_tokens(reused_);
  done.set_predicted_tokens(predicted_);
  done.set_dropped_tokens(dropped_);
  done.set_seed(sampler_.seed());
  done.set_accepted_draft_tokens(accepted_drafts_);
  done.set_rejected_draft_tokens(rejected_drafts_);
  done.set_ignored_draft_tokens(ignored_drafts_);
  done.set_queue_seconds(seconds(request_.arrival, has_started() ? started_ : now));
  if (has_started()) done.set_prompt_seconds(seconds(started_, predicted_ > 0 ? first_token_ : now));
  done.set_generation_seconds(seconds(first_token_, last_token_));
}

std::size_t shared_tokens(const Prediction& later, const Prediction& earlier) {
  const auto usable = std::span(later.tokens()).first(later.tokens().size() - 1);
  return common_prefix(usable, earlier.tokens());
}

}  // namespace atelier::engine
