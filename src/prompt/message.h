// One message of a conversation, as clients and the pipeline speak of it before a template shapes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace atelier::prompt {

// A piece of a message.
struct ContentPart {
  enum class Kind : std::uint8_t { kText, kImage };
  std::string text{};  // of an image: its URL as the client gave it, which is nothing for a template
  Kind kind = Kind::kText;
};

struct Message {
  std::string role{};                  // system, developer, user, assistant, tool, function
  std::vector<ContentPart> content{};  // empty for assistants that only call tools
  std::string name{};
  std::string reasoning{};  // what an assistant thought before it answered
  // As OpenAI has them: {"id", "type": "function", "function": {"name", "arguments": JSON text or an object}}.
  json::Array tool_calls{};
  std::string tool_call_id{};  // of a tool's result
};

}  // namespace atelier::prompt
