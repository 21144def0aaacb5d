// What comes back from the pipeline: every dialect, streaming or not, encodes this one stream.
//
// Order: (LoadStarted LoadProgress* LoadEnded)? then, for each choice, Accepted Started PromptProgress*
// TextDelta* ChoiceEnded, choices interleaved; End last. Error ends the stream at any point instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "runtime/generation.h"

namespace atelier::predict {

using StopReason = runtime::StopReason;
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

enum class Channel { kMessage, kReasoning };

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

struct Usage {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cached_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t reasoning_tokens = 0;
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

struct End {};

using Event = std::variant<LoadStarted, LoadProgress, LoadEnded, Accepted, Started, PromptProgress, TextDelta,
                           ChoiceEnded, End, Error>;

}  // namespace atelier::predict
