// The JSON of requests and answers, to and from the values of types.h. Pure functions; what a peer sends is checked,
// members of a wrong type count as absent, and an answer without its essential members is an error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "client/types.h"

namespace atelier::client {

// The error that a body of a failed request tells: {"error":{message,code,type,param}} or {"error":"text"}. `status`
// decides the code where the body does not; zero for errors inside a stream.
Error decode_error_text(std::string_view body, int status);
Error decode_error(const json::Value& body, int status);

Result<std::vector<Model>> decode_models(const json::Value& body);
// A load's answer, or the data of a model_load.end event (which has its `type` in `model_type`).
Result<LoadResult> decode_load_result(const json::Value& body);
Result<LoadEstimate> decode_estimate(const json::Value& body);
Result<ServerInfo> decode_server_info(const json::Value& body);
HttpListener decode_listener(const json::Value& body);

std::string encode_load(const LoadRequest& request, bool estimate_only);
std::string encode_chat(const ChatRequest& request);

// One data line of a chat stream, folded into the result; the text it adds is given as a delta.
struct ChatChunk {
  std::string content;
  std::string reasoning;
};
Result<ChatChunk> fold_chat_chunk(const json::Value& chunk, ChatResult& result);

}  // namespace atelier::client
