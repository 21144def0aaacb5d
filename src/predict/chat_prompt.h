// What a chat asks of a model's template, and how the answer will have to be read: tools, reasoning and names
// of a request, translated to what the template can do. Pure functions.
#pragma once

#include "models/model_entry.h"
#include "predict/answer_reader.h"
#include "predict/model_service.h"
#include "predict/request.h"
#include "prompt/capabilities.h"
#include "prompt/chat.h"

namespace atelier::predict {

struct ChatPrompt {
  prompt::RenderRequest conversation;
  AnswerFormat answer;  // but for what only the rendered prompt says
};

// The template for this request: the one for tools where tools are shown or were called.
TemplateUse template_use(const ChatRequest& request);

ChatPrompt chat_prompt(const ChatRequest& request, const prompt::TemplateCapabilities& capabilities,
                       const models::ModelEntry& entry, bool separate_reasoning);

// The template's variables for this much thinking: levels where it has levels, on or off where it has a switch.
// Variables that are there already stay.
void add_reasoning_variables(json::Object& variables, ReasoningEffort effort,
                             const prompt::TemplateCapabilities& capabilities);

}  // namespace atelier::predict
