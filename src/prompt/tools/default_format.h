// Tool use for models whose template knows nothing of it: the tools are described in the system message, and
// calls are text in markers of their own, as LM Studio has it ("default tool use support",
// https://lmstudio.ai/docs/developer/openai-compat/tools).
#pragma once

#include <string>

#include "base/json.h"
#include "prompt/tools/tool_format.h"

namespace atelier::prompt {

// What the system message says of these tools. Ours is the text; names and descriptions are the client's.
std::string default_tool_instructions(const json::Array& tools);

// A call as this format writes it, for calls of earlier turns; `arguments` is JSON text. Empty for formats whose
// arguments are not JSON.
std::string write_call(const ToolFormat& format, std::string_view name, std::string_view arguments);

}  // namespace atelier::prompt
