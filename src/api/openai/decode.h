// OpenAI request bodies to predict requests (rest-api §9, §11.5, §15). Pure functions: what is wrong with a
// request is an Error that names the field; what Atelier knows but does not serve yet is kNotImplemented.
// Unknown members are ignored, as the dialect wants.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "predict/request.h"

namespace atelier::api::openai {

// How the answer is to be written, as far as that is the dialect's matter.
struct ResponseOptions {
  bool stream = false;
  bool include_usage = false;  // stream_options.include_usage
  bool logprobs = false;
  // Reasoning is in its own field; off: only that of models that never have it in the message.
  bool separate_reasoning = true;
};

struct ChatCall {
  predict::ChatRequest request;
  ResponseOptions response;
};
Result<ChatCall> decode_chat(const json::Object& body);

struct CompletionCall {
  predict::CompletionRequest request;
  ResponseOptions response;
};
Result<CompletionCall> decode_completion(const json::Object& body);

struct EmbeddingCall {
  predict::EmbeddingRequest request;
  bool base64 = false;  // little-endian float32 in base64 instead of numbers
};
Result<EmbeddingCall> decode_embedding(const json::Object& body);

}  // namespace atelier::api::openai
