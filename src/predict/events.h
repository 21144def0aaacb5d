// What comes back from the pipeline: every dialect, streaming or not, encodes this one stream.
//
// Order: (LoadStarted LoadProgress* LoadEnded)? then, for each choice, Accepted Started PromptProgress*
// (TextDelta | tool call)* ChoiceEnded, choices interleaved; End last. Error ends the stream at any point instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "runtime/generation.h"

namespace atelier::predict {

enum class StopReason { kEndToken, kStopString, kMaxTokens, kContextLength, kCancelled, kToolCalls };
using TokenLogprob = runtime::TokenLogprob;

struct LoadStarted {
  std::string model_key;
};
struct LoadProgress {
  std::string model_key;
  double fraction = 0;  // 0 to 1, never decreasing
};
struct LoadEnded {
  std::string instance_id;
  double load_seconds = 0;
};

// Messages of the conversation that its overflow policy left out of the prompt (context_overflow.h).
struct MessagesDropped {
  std::size_t count = 0;
};

// The engine tokenised the prompt and it fits: from here on an answer will come.
struct Accepted {
  int choice = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint32_t queue_position = 0;
};
struct Started {
  int choice = 0;
  std::uint64_t cached_tokens = 0;
};
struct PromptProgress {
  int choice = 0;
  std::uint64_t processed_tokens = 0;
  std::uint64_t total_tokens = 0;
};

enum class Channel {
  kMessage,
  kReasoning,
  kAnalysis,  // reasoning of models that have a channel for it (harmony): never part of a message, whatever is asked
};

// A token with what was asked about it. Its bytes may be a part of a character.
struct Token {
  std::int32_t id = 0;
  std::string bytes;
  std::optional<float> logprob;  // natural logarithm; absent for the first token of a prompt
  std::vector<TokenLogprob> top;
};

struct TextDelta {
  int choice = 0;
  Channel channel = Channel::kMessage;
  std::string text;           // complete UTF-8; may be empty where tokens are reported
  std::vector<Token> tokens;  // only where log probabilities were asked for
  bool of_prompt = false;     // the prompt's own text (`echo`)
};

// A call of a tool: started, its arguments in parts, ended. Calls of a choice are numbered from 0 and do not
// interleave. One that failed was none: its text, as the model wrote it, belongs to the message.
struct ToolCallStarted {
  int choice = 0;
  std::size_t index = 0;
  std::string id;
  std::string name;  // as the client named the tool
};
struct ToolCallArguments {
  int choice = 0;
  std::size_t index = 0;
  std::string json;  // the next part of one JSON object
};
struct ToolCallEnded {
  int choice = 0;
  std::size_t index = 0;
};
struct ToolCallFailed {
  int choice = 0;
  std::size_t index = 0;
  std::string text;
};

struct Usage {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cached_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t reasoning_tokens = 0;
  std::uint64_t dropped_tokens = 0;  // of prompt and answer, so that the answer could go on in a full context
  // Where a draft model guessed: its key, and what became of the guesses.
  std::string draft_model;
  std::uint64_t accepted_draft_tokens = 0;
  std::uint64_t rejected_draft_tokens = 0;
  std::uint64_t ignored_draft_tokens = 0;  // behind the end of the answer
};

struct Timing {
  double queue_seconds = 0;
  double prompt_seconds = 0;      // from admission to the first token
  double generation_seconds = 0;  // from the first token to the last
};

struct ChoiceEnded {
  int choice = 0;
  StopReason reason = StopReason::kEndToken;
  std::string stop_string;
  Usage usage;
  Timing timing;
};

ChoiceEnded to_choice_ended(int choice, const runtime::Done& done);

struct End {};

using Event =
    std::variant<LoadStarted, LoadProgress, LoadEnded, MessagesDropped, Accepted, Started, PromptProgress, TextDelta,
                 ToolCallStarted, ToolCallArguments, ToolCallEnded, ToolCallFailed, ChoiceEnded, End, Error>;

}  // namespace atelier::predict
