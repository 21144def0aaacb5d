#include "predict/answer_reader.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"

namespace atelier::predict {
namespace {

StopReason to_stop_reason(runtime::StopReason reason) {
  switch (reason) {
    case runtime::StopReason::kEndToken: return StopReason::kEndToken;
    case runtime::StopReason::kStopString: return StopReason::kStopString;
    case runtime::StopReason::kMaxTokens: return StopReason::kMaxTokens;
    case runtime::StopReason::kContextLength: return StopReason::kContextLength;
    case runtime::StopReason::kCancelled: return StopReason::kCancelled;
  }
  return StopReason::kEndToken;
}

}  // namespace

ChoiceEnded to_choice_ended(int choice, const runtime::Done& done) {
  ChoiceEnded ended;
  ended.choice = choice;
  ended.reason = to_stop_reason(done.reason);
  ended.stop_string = done.stop_string;
  ended.usage.prompt_tokens = done.prompt_tokens;
  ended.usage.cached_tokens = done.cached_tokens;
  ended.usage.completion_tokens = done.predicted_tokens;
  ended.usage.dropped_tokens = done.dropped_tokens;
  ended.usage.accepted_draft_tokens = done.accepted_draft_tokens;
  ended.usage.rejected_draft_tokens = done.rejected_draft_tokens;
  ended.usage.ignored_draft_tokens = done.ignored_draft_tokens;
  ended.timing = {done.queue_seconds, done.prompt_seconds, done.generation_seconds};
  return ended;
}

AnswerReader::AnswerReader(int choice, AnswerFormat format, bool with_tokens)
    : choice_(choice), format_(std::move(format)), with_tokens_(with_tokens), parser_(format_.output) {
  std::vector<prompt::OutputEvent> found;
  parser_.feed_prompted(format_.begins, found);
  pass_on(std::move(found), first_events_);
}

Channel AnswerReader::reasoning_channel() const {
  const prompt::ToolFormat* format = format_.output.tool_format;
  const bool has_channels = format != nullptr && format->layout == prompt::Layout::kHarmony;
  return has_channels ? Channel::kAnalysis : Channel::kReasoning;
}

// libllama renders some control tokens as text (harmony's among them). As one piece they are the token all the same:
// text that spells one comes in several.
bool AnswerReader::is_control(const runtime::Piece& piece) const {
  return piece.is_control ||
         std::ranges::find(format_.output.control_tokens, piece.text) != format_.output.control_tokens.end();
}

void AnswerReader::add(Event event, std::vector<Event>& events) {
  if (complete_) return;
  if (auto* text = std::get_if<TextDelta>(&event)) text->tokens = std::exchange(tokens_, {});
  events.push_back(std::move(event));
}

void AnswerReader::pass_on(std::vector<prompt::OutputEvent>&& found, std::vector<Event>& events) {
  for (prompt::OutputEvent& event : found) {
    if (auto* message = std::get_if<prompt::MessageText>(&event)) {
      add(TextDelta{choice_, Channel::kMessage, std::move(message->text), {}, false}, events);
    } else if (auto* reasoning = std::get_if<prompt::ReasoningText>(&event)) {
      add(TextDelta{choice_, reasoning_channel(), std::move(reasoning->text), {}, false}, events);
    } else if (auto* start = std::get_if<prompt::ToolCallStart>(&event)) {
      std::string id = start->id.empty() ? ids::chat_tool_call() : std::move(start->id);
      add(ToolCallStarted{choice_, start->index, std::move(id), format_.names.original(start->name)}, events);
    } else if (auto* arguments = std::get_if<prompt::ToolCallArguments>(&event)) {
      add(ToolCallArguments{choice_, arguments->index, std::move(arguments->json)}, events);
    } else if (const auto* end = std::get_if<prompt::ToolCallEnd>(&event)) {
      add(ToolCallEnded{choice_, end->index}, events);
      ++calls_;
      if (!format_.parallel_tool_calls) complete_ = true;
    } else if (auto* failed = std::get_if<prompt::ToolCallFailed>(&event)) {
      add(ToolCallFailed{choice_, failed->index, std::move(failed->text)}, events);
    }
  }
}

void AnswerReader::read(runtime::Delta&& delta, std::vector<Event>& events) {
  for (Event& event : first_events_) events.push_back(std::move(event));
  first_events_.clear();
  for (runtime::Piece& piece : delta.pieces) {
    const bool was_reasoning = parser_.in_reasoning();
    const bool control = is_control(piece);
    if (with_tokens_ && !control) {
      tokens_.push_back(Token{piece.token, std::move(piece.token_bytes), piece.logprob, std::move(piece.top)});
    }
    std::vector<prompt::OutputEvent> found;
    parser_.feed(piece.text, control, found);
    pass_on(std::move(found), events);
    if (was_reasoning || parser_.in_reasoning()) ++reasoning_tokens_;
  }
}

void AnswerReader::finish(const runtime::Done& done, std::vector<Event>& events) {
  for (Event& event : first_events_) events.push_back(std::move(event));
  const bool cut_off =
      done.reason == runtime::StopReason::kMaxTokens || done.reason == runtime::StopReason::kContextLength;
  std::vector<prompt::OutputEvent> found;
  parser_.finish(!cut_off, found);
  pass_on(std::move(found), events);
  if (!tokens_.empty()) add(TextDelta{choice_, Channel::kMessage, {}, {}, false}, events);
  ChoiceEnded ended = to_choice_ended(choice_, done);
  ended.usage.reasoning_tokens = reasoning_tokens_;
  const bool by_client = done.reason == runtime::StopReason::kCancelled && !complete_;
  if (calls_ > 0 && !by_client && (!cut_off || complete_)) ended.reason = StopReason::kToolCalls;
  events.push_back(std::move(ended));
}

}  // namespace atelier::predict
