// What a dialect asks of the pipeline, with the dialect's spelling taken off. Absent options take the
// model's own default (model.yaml), then the application's (sampling_defaults.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "prompt/chat.h"
#include "runtime/generation.h"

namespace atelier::predict {

using Sampling = runtime::Sampling;

// What to do with a conversation that is longer than the context, and with an answer that makes it so.
enum class ContextOverflow {
  kStopAtLimit,     // refuse it; generation ends where the context ends
  kTruncateMiddle,  // keep the system prompt and the first user message, drop what follows them
  kRollingWindow,   // keep the system prompt, drop the oldest messages
};

// Options that chat and text completion share.
struct GenerationOptions {
  Sampling sampling;
  std::uint64_t max_tokens = 0;  // 0: until the model ends, or the context
  std::vector<std::string> stop_strings;
  int choices = 1;  // independent answers, seeds seed, seed + 1, …
  bool logprobs = false;
  std::uint32_t top_logprobs = 0;
  std::optional<std::chrono::seconds> ttl;  // for an instance that this request loads
  std::string draft_model;                  // key of a smaller model that guesses; empty: the instance's, if it has one
};

enum class ToolChoice {
  kAuto,      // the model decides
  kNone,      // it is not shown the tools
  kRequired,  // the answer is a call
};

struct ToolUse {
  json::Array tools;  // definitions as OpenAI has them: {"type": "function", "function": {…}}
  ToolChoice choice = ToolChoice::kAuto;
  std::string required_tool;  // with kRequired: this one; empty: any
  bool parallel = true;       // more than one call in an answer
};

// How much the model is to think before it answers; translated to what its template knows.
enum class ReasoningEffort { kOff, kLow, kMedium, kHigh, kOn };

struct ChatRequest {
  std::string model;  // as the client wrote it; empty: whatever is loaded
  std::vector<prompt::Message> messages;
  ToolUse tool_use;
  std::optional<ReasoningEffort> reasoning;
  json::Object template_variables;  // chat_template_kwargs, enable_thinking
  GenerationOptions options;
  std::optional<ContextOverflow> overflow;  // absent: the model's (model.yaml), else kStopAtLimit
};

using PromptInput = std::variant<std::string, std::vector<std::int32_t>>;  // text or token ids

struct CompletionRequest {
  std::string model;
  std::vector<PromptInput> prompts;  // choices are numbered prompt by prompt
  bool echo = false;                 // the prompt's text (and log probabilities) first
  GenerationOptions options;
};

struct EmbeddingRequest {
  std::string model;
  std::vector<PromptInput> inputs;
  std::optional<std::uint32_t> dimensions;  // keep the first ones, normalise again
  bool truncate = false;                    // cut inputs that are too long instead of refusing them
  std::optional<std::chrono::seconds> ttl;
};

}  // namespace atelier::predict
