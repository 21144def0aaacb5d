// Which tool format a model's chat template speaks, found from what it renders: a format is the model's if
// its parser reads back the call that the template wrote.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "prompt/tools/tool_format.h"

namespace atelier::prompt {

// A call that was rendered for the trial.
struct TrialCall {
  std::string_view name, argument, value;  // {"ARGUMENT": "VALUE"}
  const json::Array& tools;
};

struct RecognizedFormat {
  const ToolFormat* format = nullptr;
  // What the template writes before the name of a call, and between the name and its arguments. With these in
  // the prompt, the model goes on with a call.
  std::string opening, between;
};

// `prompt`: a conversation and what makes the model answer. `turn`: the same conversation with the call as its
// answer. Null format where no description fits.
RecognizedFormat recognize_call(std::string_view prompt, std::string_view turn, const TrialCall& call);

// For templates that only describe calls in their instructions: what the prompt says with tools and not without.
RecognizedFormat recognize_instructions(std::string_view with_tools, std::string_view without_tools);

// The same of a format alone, as its sample has it.
RecognizedFormat describe_format(const ToolFormat& format);

}  // namespace atelier::prompt
