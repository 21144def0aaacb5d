#include "api/openai/decode.h"

#include <gtest/gtest.h>

namespace atelier::api::openai {
namespace {

json::Object object(std::string_view text) { return *json::parse(text)->if_object(); }

ChatCall chat(std::string_view text) {
  auto call = decode_chat(object(text));
  EXPECT_TRUE(call) << (call ? "" : call.error().message);
  return call ? *call : ChatCall{};
}

Error chat_error(std::string_view text) {
  const auto call = decode_chat(object(text));
  EXPECT_FALSE(call) << text;
  return call ? Error{} : call.error();
}

std::string with_user(std::string_view members) {
  return R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + std::string(members.empty() ? "" : ",") +
         std::string(members) + "}";
}

TEST(DecodeChat, ReadsEverySamplingParameter) {
  const ChatCall call = chat(with_user(
      R"("temperature":0,"top_p":0.5,"top_k":-1,"min_p":0.1,"typical_p":0.9,"repeat_penalty":1.2,"presence_penalty":-2,
         "frequency_penalty":2,"repeat_last_n":-1,"dry_multiplier":0.8,"dry_base":1.75,"dry_allowed_length":2,
         "dry_penalty_last_n":-1,"dry_sequence_breakers":["\n"],"xtc_probability":0.5,"xtc_threshold":0.1,"mirostat":2,
         "mirostat_tau":5,"mirostat_eta":0.1,"logit_bias":{"7":-100,"8":1.5},"seed":42)"));
  const predict::Sampling& sampling = call.request.options.sampling;
  EXPECT_EQ(sampling.temperature, 0.0F);
  EXPECT_EQ(sampling.top_p, 0.5F);
  EXPECT_EQ(sampling.top_k, -1);
  EXPECT_EQ(sampling.repeat_last_n, -1);
  EXPECT_EQ(sampling.dry_sequence_breakers, std::vector<std::string>{"\n"});
  EXPECT_EQ(sampling.mirostat, 2);
  EXPECT_EQ(sampling.seed, 42U);
  ASSERT_EQ(sampling.logit_bias.size(), 2U);
  EXPECT_EQ(sampling.logit_bias[0], std::pair(7, -std::numeric_limits<float>::infinity()));
  EXPECT_EQ(sampling.logit_bias[1], std::pair(8, 1.5F));
}

TEST(DecodeChat, TakesMaxCompletionTokensBeforeMaxTokens) {
  EXPECT_EQ(chat(with_user(R"("max_tokens":5,"max_completion_tokens":7)")).request.options.max_tokens, 7U);
  EXPECT_EQ(chat(with_user(R"("max_tokens":-1)")).request.options.max_tokens, 0U);
  EXPECT_EQ(chat_error(with_user(R"("max_tokens":0)")).param, "max_tokens");
}

TEST(DecodeChat, LeavesTheSeedOpenForMinusOne) {
  EXPECT_FALSE(chat(with_user(R"("seed":-1)")).request.options.sampling.seed);
}

TEST(DecodeChat, AcceptsNullForOptionalMembers) {
  const ChatCall call =
      chat(with_user(R"("temperature":null,"stop":null,"tools":null,"response_format":null,"stream":null)"));
  EXPECT_FALSE(call.request.options.sampling.temperature);
  EXPECT_FALSE(call.response.stream);
}

TEST(DecodeChat, IgnoresUnknownMembers) { chat(with_user(R"("user":"me","metadata":{"a":1},"whatever":[1])")); }

TEST(DecodeChat, DropsEmptyStopStringsAndBoundsTheirNumber) {
  EXPECT_EQ(chat(with_user(R"("stop":["","a"])")).request.options.stop_strings, std::vector<std::string>{"a"});
  EXPECT_EQ(chat(with_user(R"("stop":"x")")).request.options.stop_strings, std::vector<std::string>{"x"});
  std::string many = R"("stop":["a")";
  for (int i = 0; i < 64; ++i) many += R"(,"b")";
  EXPECT_EQ(chat_error(with_user(many + "]")).param, "stop");
}

TEST(DecodeChat, NamesTheFieldThatIsWrong) {
  const struct {
    const char* members;
    const char* param;
  } cases[] = {{R"("temperature":2.5)", "temperature"},
               {R"("temperature":"hot")", "temperature"},
               {R"("top_p":-1)", "top_p"},
               {R"("n":0)", "n"},
               {R"("n":9)", "n"},
               {R"("logit_bias":{"x":1})", "logit_bias"},
               {R"("logit_bias":{"1":101})", "logit_bias"},
               {R"("repeat_penalty":0)", "repeat_penalty"},
               {R"("top_logprobs":3)", "top_logprobs"},
               {R"("stream":"yes")", "stream"},
               {R"("context_overflow_policy":"x")", "context_overflow_policy"}};
  for (const auto& each : cases) {
    const Error error = chat_error(with_user(each.members));
    EXPECT_EQ(error.param, each.param) << each.members;
    EXPECT_EQ(error.code, ErrorCode::kInvalidRequest) << each.members;
    EXPECT_NE(error.message.find(each.param), std::string::npos) << error.message;
  }
}

TEST(DecodeChat, KeepsTheTextsThatClientsMatchOn) {
  EXPECT_NE(chat_error(R"({"model":"m"})").message.find("'messages' field is required"), std::string::npos);
  EXPECT_NE(chat_error(R"({"model":"m","messages":[]})").message.find("'messages' field is required"),
            std::string::npos);
  EXPECT_NE(chat_error(with_user(R"("response_format":{"type":"xml"})")).message.find("response_format.type"),
            std::string::npos);
}

TEST(DecodeChat, SaysPlainlyWhatIsNotServedYet) {
  for (const char* members : {R"("response_format":{"type":"json_object"})",
                              R"("response_format":{"type":"json_schema","json_schema":{"schema":{}}})",
                              R"("grammar":"root ::= \"a\"")", R"("preset":"p")"}) {
    EXPECT_EQ(chat_error(with_user(members)).code, ErrorCode::kNotImplemented) << members;
  }
  chat(with_user(R"("tools":[],"response_format":{"type":"text"})"));
}

// ---------------------------------------------------------------- tools

constexpr const char* kTwoTools =
    R"("tools":[{"type":"function","function":{"name":"a","parameters":{"type":"object","$defs":{"X":{}}}}},
               {"type":"function","function":{"name":"b"}}])";

TEST(DecodeTools, DefinitionsKeepWhatTheySay) {
  const auto call = chat(with_user(kTwoTools));
  const predict::ToolUse& use = call.request.tool_use;
  ASSERT_EQ(use.tools.size(), 2u);
  EXPECT_NE(use.tools[0].find("function")->find("parameters")->find("$defs"), nullptr);
  // A tool without parameters takes none.
  EXPECT_EQ(*use.tools[1].find("function")->find("parameters"),
            json::Value(json::Object{{"type", "object"}, {"properties", json::Object()}}));
  EXPECT_EQ(use.choice, predict::ToolChoice::kAuto);
  EXPECT_TRUE(use.parallel);
}

TEST(DecodeTools, EveryFormOfToolChoice) {
  const auto choice = [](const std::string& text) {
    return chat(with_user(std::string(kTwoTools) + "," + text)).request.tool_use;
  };
  EXPECT_EQ(choice(R"("tool_choice":"none")").choice, predict::ToolChoice::kNone);
  EXPECT_EQ(choice(R"("tool_choice":"required")").choice, predict::ToolChoice::kRequired);
  EXPECT_EQ(choice(R"("tool_choice":{"type":"function","function":{"name":"b"}})").required_tool, "b");
  EXPECT_EQ(choice(R"("function_call":{"name":"a"})").required_tool, "a");
  EXPECT_EQ(choice(R"("function_call":"none")").choice, predict::ToolChoice::kNone);
  EXPECT_FALSE(choice(R"("parallel_tool_calls":false)").parallel);
  const predict::ToolUse allowed = choice(
      R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"b"}}]}})");
  ASSERT_EQ(allowed.tools.size(), 1u);
  EXPECT_EQ(allowed.choice, predict::ToolChoice::kRequired);
}

TEST(DecodeTools, MistakesAreNamed) {
  struct {
    const char* members;
    const char* said;
  } const cases[] = {
      {R"("tools":[{"type":"retrieval"}])", "tools[0].type"},
      {R"("tools":[{"type":"function"}])", "tools[0].function.name"},
      {R"("tools":[{"type":"function","function":{"name":"a","parameters":[]}}])", "tools[0].function.parameters"},
      {R"("tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":{"type":"web"})",
       "Invalid tool_choice type"},
      {R"("tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":{"type":"function","function":{"name":"b"}})",
       "must name one of"},
      {R"("tool_choice":"required")", "there are no 'tools'"},
      {R"("tool_choice":"sometimes")", "'sometimes'"},
      {R"("reasoning_effort":"huge")", "reasoning_effort"},
  };
  for (const auto& each : cases) {
    const Error error = chat_error(with_user(each.members));
    EXPECT_EQ(error.code, ErrorCode::kInvalidRequest) << each.members;
    EXPECT_NE(error.message.find(each.said), std::string::npos) << error.message;
  }
  EXPECT_NE(
      chat_error(R"({"messages":[{"role":"assistant","tool_calls":[{"id":"1"}]}]})").message.find("tool_calls[0]"),
      std::string::npos);
}

TEST(DecodeTools, TheFormsBeforeTools) {
  const auto call = chat(R"({"messages":[{"role":"user","content":"x"},
      {"role":"assistant","content":null,"function_call":{"name":"a","arguments":"{}"}},
      {"role":"function","name":"a","content":"7"}],"functions":[{"name":"a"}]})");
  EXPECT_EQ(call.request.tool_use.tools.size(), 1u);
  ASSERT_EQ(call.request.messages[1].tool_calls.size(), 1u);
}

TEST(DecodeReasoning, EffortHasLevels) {
  EXPECT_EQ(chat(with_user(R"("reasoning_effort":"none")")).request.reasoning, predict::ReasoningEffort::kOff);
  EXPECT_EQ(chat(with_user(R"("reasoning_effort":"minimal")")).request.reasoning, predict::ReasoningEffort::kLow);
  EXPECT_EQ(chat(with_user(R"("reasoning_effort":"xhigh")")).request.reasoning, predict::ReasoningEffort::kHigh);
  EXPECT_FALSE(chat(with_user(R"("seed":1)")).request.reasoning);
}

TEST(DecodeChat, TakesTheNameOfADraftModel) {
  EXPECT_EQ(chat(with_user(R"("draft_model":"small")")).request.options.draft_model, "small");
  EXPECT_EQ(chat(with_user(R"("temperature":1)")).request.options.draft_model, "");
}

TEST(DecodeChat, ReadsMessagesInAllTheirForms) {
  const ChatCall call = chat(R"({"messages":[
      {"role":"system","content":"be brief"},
      {"role":"user","name":"ann","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
      {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}],"reasoning_content":"hm"},
      {"role":"tool","tool_call_id":"1","content":"42"}]})");
  const auto& messages = call.request.messages;
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_EQ(messages[1].name, "ann");
  EXPECT_EQ(messages[1].content.size(), 2U);
  EXPECT_EQ(messages[2].reasoning, "hm");
  EXPECT_EQ(messages[2].tool_calls.size(), 1U);
  EXPECT_EQ(messages[3].tool_call_id, "1");
}

TEST(DecodeChat, RefusesMessagesThatAreNone) {
  for (const char* messages :
       {R"([1])", R"([{"role":"robot","content":"x"}])", R"([{"content":"x"}])", R"([{"role":"user"}])",
        R"([{"role":"user","content":5}])", R"([{"role":"user","content":[{"type":"text"}]}])",
        R"([{"role":"user","content":[{"text":"x"}]}])", R"("hello")"}) {
    const Error error = chat_error(R"({"messages":)" + std::string(messages) + "}");
    EXPECT_TRUE(error.param.starts_with("messages")) << messages << ": " << error.param;
  }
}

TEST(DecodeCompletion, ReadsPromptsInAllTheirForms) {
  const auto count = [](std::string_view prompt) {
    const auto call = decode_completion(object(R"({"prompt":)" + std::string(prompt) + "}"));
    return call ? call->request.prompts.size() : 0;
  };
  EXPECT_EQ(count(R"("a")"), 1U);
  EXPECT_EQ(count(R"(["a","b"])"), 2U);
  EXPECT_EQ(count("[1,2,3]"), 1U);
  EXPECT_EQ(count("[[1,2],[3]]"), 2U);
  for (const char* wrong : {"5", "{}", "[1,\"a\"]", "[1.5]", "[-1]", "[[]]", "[]", "null"})
    EXPECT_EQ(count(wrong), 0U) << wrong;
}

TEST(DecodeCompletion, WantsBestOfEqualToN) {
  EXPECT_TRUE(decode_completion(object(R"({"prompt":"a","n":2,"best_of":2})")));
  EXPECT_FALSE(decode_completion(object(R"({"prompt":"a","n":1,"best_of":2})")));
}

TEST(DecodeEmbedding, RefusesEmptyInputs) {
  for (const char* body : {R"({"input":""})", R"({"input":[]})", R"({"input":["a",""]})", "{}", R"({"input":5})",
                           R"({"input":"a","encoding_format":"hex"})", R"({"input":"a","dimensions":0})"}) {
    EXPECT_FALSE(decode_embedding(object(body))) << body;
  }
  EXPECT_TRUE(decode_embedding(object(R"({"input":["a","b"],"encoding_format":"base64"})"))->base64);
}

}  // namespace
}  // namespace atelier::api::openai
