// What a chat template can do, found by rendering small conversations with it and looking at the text. No
// model is known by its name.
#pragma once

#include <string>
#include <vector>

#include "prompt/tools/tool_format.h"

namespace atelier::prompt {

namespace jinja {
class Template;
}

// Special tokens as text, under the names that templates use. Empty ones are not given to templates.
struct SpecialTokens {
  std::string bos{}, eos{}, unk{}, sep{}, pad{}, cls{};
};

struct TemplateCapabilities {
  // A plain question renders at all, in one of the two forms of content.
  bool renders = false;
  bool content_as_text = true;    // message.content may be a string
  bool content_as_parts = false;  // … or a list of {"type": "text", "text": …}; used where a string does not work
  bool supports_images = false;   // marks {"type": "image"} among the parts of a message
  bool supports_system_role = false;
  bool needs_alternation = false;  // refuses two user messages in a row

  bool supports_tools = false;           // renders the definitions in its variable for tools
  std::string tools_variable = "tools";  // or "xml_tools"
  bool no_tools_is_undefined = false;    // without tools the variable must not be there; elsewhere it is none
  bool supports_tool_calls = false;      // renders an assistant's tool_calls
  bool supports_parallel_calls = false;  // … more than one in a message
  bool supports_tool_responses = false;  // renders messages of the role tool
  bool arguments_as_text = false;        // wants arguments as JSON text, not as an object
  bool calls_want_null_content = false;  // renders tool_calls only where the content is none

  // How the model writes calls, where its template says so. Null: it does not, and calls are asked for in the
  // default format (tools/default_format.h).
  const ToolFormat* native_tool_format = nullptr;
  // What stands before a call's name, and between the name and the arguments, in the format that is used.
  std::string call_opening, call_between;

  // The member of an assistant's message that its reasoning goes into: "reasoning_content", "thinking" or
  // "reasoning"; empty where the template has no use for earlier reasoning.
  std::string reasoning_member;
  std::string thinking_variable;               // "enable_thinking" or "thinking", where it changes what is rendered
  bool thinks_by_default = true;               // what that variable is taken for where it is not given
  bool supports_effort = false;                // `reasoning_effort` changes what is rendered
  std::string default_effort = "medium";       // what it is taken for where it is not given
  bool opens_reasoning = false;                // the prompt for the answer ends inside a reasoning section
  std::string reasoning_start, reasoning_end;  // the markers of that section, where the template shows them

  bool begins_with_bos = false;

  // The format in which this model is asked for calls.
  const ToolFormat& tool_format() const {
    return native_tool_format != nullptr ? *native_tool_format : default_tool_format();
  }
};

// What a request may ask of a model's reasoning, in the words of the API: "off", "on", "low", "medium", "high".
struct ReasoningChoices {
  std::vector<std::string> allowed;  // empty: the model does not reason
  std::string standard;              // what it does unasked
};
ReasoningChoices reasoning_choices(const TemplateCapabilities& capabilities);

TemplateCapabilities probe(const jinja::Template& chat_template, const SpecialTokens& special);

}  // namespace atelier::prompt
