#include "predict/chat_prompt.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace atelier::predict {
namespace {

std::string_view effort_level(ReasoningEffort effort) {
  switch (effort) {
    case ReasoningEffort::kOff:
    case ReasoningEffort::kLow: return "low";
    case ReasoningEffort::kMedium:
    case ReasoningEffort::kOn: return "medium";
    case ReasoningEffort::kHigh: return "high";
  }
  return "medium";
}

void set_default(json::Object& variables, std::string_view name, json::Value value) {
  if (!variables.contains(name)) variables.set(name, std::move(value));
}

void add_tools(const ToolUse& use, const prompt::TemplateCapabilities& capabilities, ChatPrompt& chat) {
  if (use.tools.empty() || use.choice == ToolChoice::kNone) return;
  chat.conversation.tools = chat.answer.names.shown_definitions(use.tools);
  chat.answer.output.parse_tool_calls = true;
  chat.answer.output.tools = chat.conversation.tools;
  chat.answer.parallel_tool_calls = use.parallel;
  if (use.choice != ToolChoice::kRequired || chat.conversation.continue_final_message) return;
  // The answer is made to begin as a call begins.
  chat.conversation.answer_opening = capabilities.call_opening;
  const bool only_one = use.tools.size() == 1;
  std::string name = use.required_tool;
  if (name.empty() && only_one) {
    const json::Value* function = use.tools.front().find("function");
    const json::Value* found = function == nullptr ? nullptr : function->find("name");
    if (found != nullptr && found->is_string()) name = *found->if_string();
  }
  if (!name.empty()) chat.conversation.answer_opening += chat.answer.names.shown(name) + capabilities.call_between;
}

}  // namespace

void add_reasoning_variables(json::Object& variables, ReasoningEffort effort,
                             const prompt::TemplateCapabilities& capabilities) {
  if (capabilities.supports_effort && effort != ReasoningEffort::kOn) {
    set_default(variables, "reasoning_effort", effort_level(effort));
  }
  if (!capabilities.thinking_variable.empty()) {
    set_default(variables, capabilities.thinking_variable, effort != ReasoningEffort::kOff);
  }
}

TemplateUse template_use(const ChatRequest& request) {
  const bool shown = !request.tool_use.tools.empty() && request.tool_use.choice != ToolChoice::kNone;
  const bool called = std::ranges::any_of(request.messages, [](const prompt::Message& message) {
    return !message.tool_calls.empty() || message.role == "tool";
  });
  return shown || called ? TemplateUse::kTools : TemplateUse::kChat;
}

ChatPrompt chat_prompt(const ChatRequest& request, const prompt::TemplateCapabilities& capabilities,
                       const models::ModelEntry& entry, bool separate_reasoning) {
  ChatPrompt chat;
  prompt::RenderRequest& conversation = chat.conversation;
  conversation.messages = request.messages;
  conversation.template_variables = request.template_variables;
  conversation.now = prompt::local_time(std::chrono::system_clock::now());
  conversation.continue_final_message = !request.messages.empty() && request.messages.back().role == "assistant" &&
                                        request.messages.back().tool_calls.empty();
  conversation.add_generation_prompt = !conversation.continue_final_message;

  const models::SamplingDefaults& defaults = entry.defaults.sampling;
  if (request.reasoning) {
    add_reasoning_variables(conversation.template_variables, *request.reasoning, capabilities);
  } else if (defaults.enable_thinking && !capabilities.thinking_variable.empty()) {
    set_default(conversation.template_variables, capabilities.thinking_variable, *defaults.enable_thinking);
  }

  prompt::OutputFormat& output = chat.answer.output;
  output.tool_format = &capabilities.tool_format();
  output.separate_reasoning = separate_reasoning;
  output.continues_message = conversation.continue_final_message;
  output.control_tokens = entry.tokenizer.control_tokens;
  if (!capabilities.reasoning_start.empty()) {
    output.reasoning_start = capabilities.reasoning_start;
    output.reasoning_end = capabilities.reasoning_end;
  }
  if (defaults.reasoning_start && defaults.reasoning_end) {
    output.reasoning_start = *defaults.reasoning_start;
    output.reasoning_end = *defaults.reasoning_end;
  }
  if (!defaults.reasoning_parsing.value_or(true)) {
    output.reasoning_start.clear();
    output.reasoning_end.clear();
  }

  const auto naming = prompt::tool_name_style(defaults.tool_naming.value_or("removeSpecial"));
  chat.answer.names = prompt::ToolNames(request.tool_use.tools, naming.value_or(prompt::ToolNameStyle::kRemoveSpecial));
  chat.answer.names.show(conversation.messages);
  add_tools(request.tool_use, capabilities, chat);
  return chat;
}

}  // namespace atelier::predict
