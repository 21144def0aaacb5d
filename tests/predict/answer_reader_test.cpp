#include "predict/answer_reader.h"

#include <gtest/gtest.h>

#include "predict/chat_prompt.h"

namespace atelier::predict {
namespace {

AnswerFormat hermes() {
  AnswerFormat format;
  format.output.tool_format = prompt::find_tool_format("hermes");
  format.output.parse_tool_calls = true;
  const json::Array tools = *json::parse(R"([{"type":"function","function":{"name":"get-time"}}])")->if_array();
  format.names = prompt::ToolNames(tools, prompt::ToolNameStyle::kRemoveSpecial);
  return format;
}

runtime::Delta delta(std::initializer_list<const char*> texts) {
  runtime::Delta result;
  std::int32_t token = 0;
  for (const char* text : texts) {
    result.pieces.push_back(runtime::Piece{
        .text = text, .is_control = false, .token = token++, .logprob = -0.5F, .token_bytes = text, .top = {}});
  }
  return result;
}

runtime::Done done(runtime::StopReason reason) {
  runtime::Done result;
  result.reason = reason;
  result.predicted_tokens = 9;
  return result;
}

template <class E>
std::vector<E> all(const std::vector<Event>& events) {
  std::vector<E> found;
  for (const Event& event : events) {
    if (const auto* one = std::get_if<E>(&event)) found.push_back(*one);
  }
  return found;
}

TEST(AnswerReader, CallsHaveIdsAndTheClientsNames) {
  AnswerReader reader(2, hermes(), false);
  std::vector<Event> events;
  reader.read(delta({"<tool_call>{\"name\": \"get_time\"", ", \"arguments\": {\"a\"", ": 1}}</tool_call>"}), events);
  reader.finish(done(runtime::StopReason::kEndToken), events);
  const auto starts = all<ToolCallStarted>(events);
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].choice, 2);
  EXPECT_EQ(starts[0].name, "get-time");
  EXPECT_EQ(starts[0].id.size(), 9u);
  EXPECT_EQ(all<ToolCallEnded>(events).size(), 1u);
  const auto ends = all<ChoiceEnded>(events);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].reason, StopReason::kToolCalls);
}

TEST(AnswerReader, ACallThatTheLimitCutOffIsTextAndTheReasonStays) {
  AnswerReader reader(0, hermes(), false);
  std::vector<Event> events;
  reader.read(delta({"<tool_call>{\"name\": \"get_time\", \"arguments\": {\"a\""}), events);
  reader.finish(done(runtime::StopReason::kMaxTokens), events);
  EXPECT_EQ(all<ToolCallFailed>(events).size(), 1u);
  EXPECT_EQ(all<ChoiceEnded>(events)[0].reason, StopReason::kMaxTokens);
}

TEST(AnswerReader, WithoutParallelCallsTheFirstOneEndsTheAnswer) {
  AnswerFormat format = hermes();
  format.parallel_tool_calls = false;
  AnswerReader reader(0, format, false);
  std::vector<Event> events;
  const char* call = "<tool_call>{\"name\": \"get_time\", \"arguments\": {}}</tool_call>\n";
  reader.read(delta({call}), events);
  EXPECT_TRUE(reader.is_complete());
  reader.read(delta({call, "text"}), events);
  reader.finish(done(runtime::StopReason::kCancelled), events);
  EXPECT_EQ(all<ToolCallStarted>(events).size(), 1u);
  EXPECT_TRUE(all<TextDelta>(events).empty());
  EXPECT_EQ(all<ChoiceEnded>(events)[0].reason, StopReason::kToolCalls);
}

TEST(AnswerReader, WhatTheClientCancelledIsCancelled) {
  AnswerReader reader(0, hermes(), false);
  std::vector<Event> events;
  reader.read(delta({"<tool_call>{\"name\": \"get_time\", \"arguments\": {}}</tool_call>"}), events);
  reader.finish(done(runtime::StopReason::kCancelled), events);
  EXPECT_EQ(all<ChoiceEnded>(events)[0].reason, StopReason::kCancelled);
}

TEST(AnswerReader, ReasoningIsCountedAndHasItsChannel) {
  AnswerReader reader(0, hermes(), false);
  std::vector<Event> events;
  reader.read(delta({"<think>", "so", " it", "</think>", "Yes"}), events);
  reader.finish(done(runtime::StopReason::kEndToken), events);
  std::string reasoning;
  std::string message;
  for (const TextDelta& text : all<TextDelta>(events)) {
    (text.channel == Channel::kReasoning ? reasoning : message) += text.text;
  }
  EXPECT_EQ(reasoning, "so it");
  EXPECT_EQ(message, "Yes");
  EXPECT_EQ(all<ChoiceEnded>(events)[0].usage.reasoning_tokens, 4u);
}

TEST(AnswerReader, NoTokenIsLostWithTheTextThatWasHeldBack) {
  AnswerReader reader(0, hermes(), true);
  std::vector<Event> events;
  reader.read(delta({"a", " ", "<tool", "_box>", " "}), events);
  reader.finish(done(runtime::StopReason::kEndToken), events);
  std::string text;
  std::size_t tokens = 0;
  for (const TextDelta& each : all<TextDelta>(events)) {
    text += each.text;
    tokens += each.tokens.size();
  }
  EXPECT_EQ(text, "a <tool_box> ");
  EXPECT_EQ(tokens, 5u);
}

TEST(AnswerReader, AControlTokenThatComesAsTextIsStillOne) {
  AnswerFormat format;
  format.output.tool_format = prompt::find_tool_format("harmony");
  format.output.control_tokens = {"<|channel|>", "<|message|>"};
  AnswerReader reader(0, format, false);
  std::vector<Event> events;
  reader.read(delta({"<|channel|>", "final", "<|message|>", "Write ", "<|", "channel", "|>", " yourself"}), events);
  reader.finish(done(runtime::StopReason::kEndToken), events);
  std::string text;
  for (const TextDelta& each : all<TextDelta>(events)) text += each.text;
  EXPECT_EQ(text, "Write <|channel|> yourself");
}

TEST(AnswerReader, WhatThePromptBeganIsPartOfTheAnswer) {
  AnswerFormat format = hermes();
  format.begins = "<tool_call>\n{\"name\": \"get_time\", \"arguments\":";
  AnswerReader reader(0, format, false);
  std::vector<Event> events;
  reader.read(delta({" {\"x\": 2}}\n</tool_call>"}), events);
  reader.finish(done(runtime::StopReason::kEndToken), events);
  ASSERT_EQ(all<ToolCallStarted>(events).size(), 1u);
  EXPECT_EQ(all<ToolCallArguments>(events)[0].json, "{\"x\": 2}");
}

// ---------------------------------------------------------------- requests

TEST(ReasoningVariables, FollowTheTemplate) {
  prompt::TemplateCapabilities levels;
  levels.supports_effort = true;
  prompt::TemplateCapabilities onoff;
  onoff.thinking_variable = "enable_thinking";
  const auto variables = [](ReasoningEffort effort, const prompt::TemplateCapabilities& can) {
    json::Object result;
    add_reasoning_variables(result, effort, can);
    return json::dump(result);
  };
  EXPECT_EQ(variables(ReasoningEffort::kOff, levels), R"({"reasoning_effort":"low"})");
  EXPECT_EQ(variables(ReasoningEffort::kHigh, levels), R"({"reasoning_effort":"high"})");
  EXPECT_EQ(variables(ReasoningEffort::kOn, levels), "{}");
  EXPECT_EQ(variables(ReasoningEffort::kOff, onoff), R"({"enable_thinking":false})");
  EXPECT_EQ(variables(ReasoningEffort::kLow, onoff), R"({"enable_thinking":true})");
  EXPECT_EQ(variables(ReasoningEffort::kHigh, {}), "{}");
  json::Object given{{"enable_thinking", true}};
  add_reasoning_variables(given, ReasoningEffort::kOff, onoff);
  EXPECT_EQ(json::dump(given), R"({"enable_thinking":true})");
}

TEST(ChatPrompt, ASecondTemplateIsForTools) {
  models::ModelEntry entry;
  entry.chat_template = "plain {{ messages[0].content }}";
  entry.named_templates = {{"rag", "no"}, {"tool_use", "tools {{ messages[0].content }}"}};
  EXPECT_EQ(compile_chat_template(entry)->source(), entry.chat_template);
  EXPECT_EQ(compile_chat_template(entry, TemplateUse::kTools)->source(), entry.named_templates[1].second);
  entry.defaults.chat_template = entry.chat_template;  // set by somebody: it is for everything
  EXPECT_EQ(compile_chat_template(entry, TemplateUse::kTools)->source(), entry.chat_template);

  ChatRequest request;
  request.messages.push_back({.role = "user", .content = {{"hi"}}});
  EXPECT_EQ(template_use(request), TemplateUse::kChat);
  request.tool_use.tools.emplace_back(json::Object());
  EXPECT_EQ(template_use(request), TemplateUse::kTools);
  request.tool_use.choice = ToolChoice::kNone;
  EXPECT_EQ(template_use(request), TemplateUse::kChat);
  request.messages.push_back({.role = "tool", .content = {{"5"}}});
  EXPECT_EQ(template_use(request), TemplateUse::kTools);
}

TEST(ChatPrompt, ToolChoice) {
  const auto chat = prompt::ChatTemplate::chatml();
  ChatRequest request;
  request.messages.push_back({.role = "user", .content = {{"hi"}}});
  request.tool_use.tools =
      *json::parse(R"([{"type":"function","function":{"name":"look-up"}},{"type":"function","function":{"name":"f"}}])")
           ->if_array();
  const models::ModelEntry entry;
  const auto made = [&] { return chat_prompt(request, chat.capabilities(), entry, true); };
  EXPECT_EQ(made().conversation.tools.size(), 2u);
  EXPECT_EQ(made().conversation.answer_opening, "");
  request.tool_use.choice = ToolChoice::kNone;
  EXPECT_TRUE(made().conversation.tools.empty());
  EXPECT_FALSE(made().answer.output.parse_tool_calls);
  request.tool_use.choice = ToolChoice::kRequired;
  EXPECT_EQ(made().conversation.answer_opening, "[TOOL_REQUEST]{\"name\": \"");
  request.tool_use.required_tool = "look-up";
  EXPECT_EQ(made().conversation.answer_opening, "[TOOL_REQUEST]{\"name\": \"look_up\", \"arguments\":");
}

}  // namespace
}  // namespace atelier::predict
