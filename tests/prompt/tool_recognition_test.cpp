// Formats are found from what templates render. The templates here are ours, in the manner of the families.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "prompt/chat.h"
#include "prompt/output_parser.h"
#include "prompt/tools/default_format.h"
#include "prompt/tools/tool_names.h"

namespace atelier::prompt {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

struct Family {
  std::string format;             // what must be found
  std::string call;               // one call, c being its function
  std::string before{}, after{};  // around all calls of a turn
  std::string prompt_end = "<|assistant|>";
};

// A template that shows tools and writes calls in a family's way.
std::string chat_template(const Family& family) {
  return "{%- if tools %}<|system|>Tools: {{ tools | tojson }}{% endif -%}"
         "{%- for m in messages %}"
         "{%- if m.role == 'assistant' %}{{ '<|assistant|>' }}"
         "{%- if m.tool_calls %}{{ '" +
         family.before +
         "' }}{% for t in m.tool_calls %}{% set c = t.function %}{% if not loop.first %}{{ '\\n' }}{% endif %}" +
         family.call + "{% endfor %}{{ '" + family.after +
         "' }}{% else %}{{ m.content }}{% endif %}{{ '<|eot|>' }}"
         "{%- else %}{{ '<|' ~ m.role ~ '|>' ~ m.content ~ '<|eot|>' }}{% endif %}"
         "{%- endfor %}"
         "{%- if add_generation_prompt %}{{ '" +
         family.prompt_end + "' }}{% endif -%}";
}

class Recognition : public testing::TestWithParam<Family> {};

INSTANTIATE_TEST_SUITE_P(
    Families, Recognition,
    testing::Values(
        Family{
            "hermes",
            "{{ '<tool_call>\\n' }}{{ {'name': c.name, 'arguments': c.arguments} | tojson }}{{ '\\n</tool_call>' }}"},
        Family{.format = "hermes",
               .call = "{{ '<tool_call>\\n' }}{{ {'name': c.name, 'arguments': c.arguments} | tojson }}{{ "
                       "'\\n</tool_call>' }}",
               .prompt_end = "<|assistant|><think>\\n"},
        Family{"llama-3", "{{ {'name': c.name, 'parameters': c.arguments} | tojson }}"},
        Family{"mistral", "{{ c | tojson }}", "[TOOL_CALLS][", "]"},
        Family{"mistral", "{{ '[TOOL_CALLS]' ~ c.name ~ '[ARGS]' }}{{ c.arguments | tojson }}"},
        Family{"deepseek-v3.1",
               "{{ '<｜tool▁call▁begin｜>' ~ c.name ~ '<｜tool▁sep｜>' }}{{ c.arguments | tojson }}{{ "
               "'<｜tool▁call▁end｜>' }}",
               "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"},
        Family{"deepseek-r1",
               "{{ '<｜tool▁call▁begin｜>function<｜tool▁sep｜>' ~ c.name ~ '\\n```json\\n' }}{{ c.arguments | tojson "
               "}}{{ "
               "'\\n```<｜tool▁call▁end｜>' }}",
               "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"},
        Family{
            "kimi-k2",
            "{{ '<|tool_call_begin|>functions.' ~ c.name ~ ':0<|tool_call_argument_begin|>' }}{{ c.arguments | tojson "
            "}}{{ '<|tool_call_end|>' }}",
            "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"},
        Family{
            "qwen3-coder",
            "{{ '<tool_call>\\n<function=' ~ c.name ~ '>\\n' }}{% for k, v in c.arguments.items() %}{{ '<parameter=' ~ "
            "k ~ '>\\n' ~ v ~ '\\n</parameter>\\n' }}{% endfor %}{{ '</function>\\n</tool_call>' }}"},
        Family{"glm-4.5",
               "{{ '<tool_call>' ~ c.name ~ '\\n' }}{% for k, v in c.arguments.items() %}{{ '<arg_key>' ~ k ~ "
               "'</arg_key>\\n<arg_value>' ~ v ~ '</arg_value>\\n' }}{% endfor %}{{ '</tool_call>' }}"},
        Family{"minimax-m2",
               "{{ '<invoke name=\"' ~ c.name ~ '\">\\n' }}{% for k, v in c.arguments.items() %}{{ '<parameter "
               "name=\"' ~ k ~ "
               "'\">' ~ v ~ '</parameter>\\n' }}{% endfor %}{{ '</invoke>' }}",
               "<minimax:tool_call>\\n", "\\n</minimax:tool_call>"},
        Family{"lfm2",
               "{{ c.name ~ '(' }}{% for k, v in c.arguments.items() %}{{ k ~ '=\"' ~ v ~ '\"' }}{% endfor %}{{ ')' }}",
               "<|tool_call_start|>[", "]<|tool_call_end|>"},
        Family{"gemma-4",
               "{{ '<|tool_call>call:' ~ c.name ~ '{' }}{% for k, v in c.arguments.items() %}{{ k ~ ':<|\"|>' ~ v ~ "
               "'<|\"|>' "
               "}}{% endfor %}{{ '}<tool_call|>' }}"},
        Family{"command-r7b", "{{ {'tool_call_id': '0', 'tool_name': c.name, 'parameters': c.arguments} | tojson }}",
               "<|START_ACTION|>[", "]<|END_ACTION|>"},
        Family{"granite", "{{ {'name': c.name, 'arguments': c.arguments} | tojson }}", "<|tool_call|>[", "]"},
        Family{"phi-4", "{{ {'name': c.name, 'arguments': c.arguments} | tojson }}", "<|tool_call|>[",
               "]<|/tool_call|>"},
        Family{"nemotron", "{{ {'name': c.name, 'arguments': c.arguments} | tojson }}", "<TOOLCALL>[", "]</TOOLCALL>"},
        Family{.format = "functionary-v3.2",
               .call = "{{ '>>>' ~ c.name ~ '\\n' }}{{ c.arguments | tojson }}",
               .prompt_end = "<|assistant|>>>>"}));

TEST_P(Recognition, FromTheCallThatTheTemplateWrites) {
  const auto chat = ChatTemplate::compile(chat_template(GetParam()));
  ASSERT_TRUE(chat.has_value()) << chat.error().message;
  const TemplateCapabilities can = chat->capabilities();
  ASSERT_TRUE(can.supports_tools);
  ASSERT_TRUE(can.supports_tool_calls);
  ASSERT_NE(can.native_tool_format, nullptr);
  EXPECT_EQ(can.native_tool_format->name, GetParam().format);
}

TEST_P(Recognition, AForcedCallIsReadLikeAnyOther) {
  const auto chat = ChatTemplate::compile(chat_template(GetParam()));
  const TemplateCapabilities can = chat->capabilities();
  RenderRequest request;
  request.messages = {Message{.role = "user", .content = {{"hi"}}}};
  request.tools = *json::parse(R"([{"type":"function","function":{"name":"look_up","parameters":{"type":"object",
      "properties":{"city":{"type":"string"}}}}}])")
                       ->if_array();
  request.answer_opening = can.call_opening + "look_up" + can.call_between;
  const auto prompt = chat->render(request);
  ASSERT_TRUE(prompt.has_value());
  EXPECT_THAT(prompt->text(), EndsWith(prompt->answer_begins));

  OutputFormat format;
  format.tool_format = &can.tool_format();
  format.parse_tool_calls = true;
  format.tools = request.tools;
  format.starts_in_reasoning = prompt->opens_reasoning;
  OutputParser parser(format);
  std::vector<OutputEvent> events;
  parser.feed(prompt->answer_begins, false, events);
  parser.finish(false, events);
  for (const OutputEvent& event : events) {
    // Nothing of the opening is text, whether or not the call can be announced already.
    const auto* message = std::get_if<MessageText>(&event);
    EXPECT_TRUE(message == nullptr || message->text.find("look_up") != std::string::npos);
    EXPECT_FALSE(std::holds_alternative<ReasoningText>(event));
  }
}

TEST(Recognition, FromInstructionsWhereTheTemplateWritesNoCalls) {
  const auto chat = ChatTemplate::compile(
      "{% if tools %}Answer with <tool_call>{\"name\": …}</tool_call> for {{ tools | tojson }}{% endif %}"
      "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}");
  ASSERT_TRUE(chat.has_value());
  const TemplateCapabilities can = chat->capabilities();
  ASSERT_NE(can.native_tool_format, nullptr);
  EXPECT_EQ(can.native_tool_format->name, "hermes");
  EXPECT_EQ(can.call_opening, "<tool_call>\n{\"name\": \"");
  // Calls of earlier turns are then written in the model's format.
  RenderRequest request;
  Message calling{.role = "assistant"};
  calling.tool_calls =
      *json::parse(R"([{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}])")->if_array();
  request.messages = {Message{.role = "user", .content = {{"hi"}}}, calling};
  request.add_generation_prompt = false;
  EXPECT_THAT(chat->render(request)->text(),
              EndsWith("[assistant]<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>"));
}

TEST(Recognition, AnUnknownFormatMeansTheDefaultOne) {
  const auto chat = ChatTemplate::chatml();
  const TemplateCapabilities& can = chat.capabilities();
  EXPECT_EQ(can.native_tool_format, nullptr);
  EXPECT_EQ(can.tool_format().name, "default");
  RenderRequest request;
  request.messages = {Message{.role = "system", .content = {{"Be brief."}}},
                      Message{.role = "user", .content = {{"hi"}}}};
  request.tools = *json::parse(R"([{"type":"function","function":{"name":"look_up"}}])")->if_array();
  const std::string text = chat.render(request)->text();
  EXPECT_THAT(text, HasSubstr("[TOOL_REQUEST]{\"name\": \"tool_name\", \"arguments\": {\"param1\": \"value1\""));
  EXPECT_THAT(text, HasSubstr("\"type\": \"toolArray\""));
  EXPECT_THAT(text, HasSubstr("\"name\": \"look_up\""));
  EXPECT_THAT(text, HasSubstr("\n\nBe brief.<|im_end|>"));
}

TEST(Images, AreTheTemplatesToMark) {
  const auto chat = ChatTemplate::compile(
      "{% for m in messages %}<|{{ m.role }}|>{% if m.content is string %}{{ m.content }}{% else %}{% for part in "
      "m.content %}"
      "{% if part.type == 'image' %}<|image|>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}{% endfor %}");
  ASSERT_TRUE(chat.has_value());
  EXPECT_TRUE(chat->capabilities().supports_images);
  RenderRequest request;
  request.messages = {
      Message{.role = "user",
              .content = {{"Look: "}, {"data:image/png;base64,AAAA", ContentPart::Kind::kImage}, {" <|image|>"}}}};
  const auto prompt = chat->render(request);
  ASSERT_TRUE(prompt.has_value());
  EXPECT_EQ(prompt->text(), "<|user|>Look: <|image|> <|image|>");
  // The marker is the template's, the text that looks like it is not.
  ASSERT_EQ(prompt->segments.size(), 4u);
  EXPECT_EQ(prompt->segments[2].text, "<|image|>");
  EXPECT_EQ(prompt->segments[3].provenance, Provenance::kContent);

  EXPECT_FALSE(ChatTemplate::chatml().capabilities().supports_images);
  const auto refused = ChatTemplate::chatml().render(request);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("image"));
}

TEST(ToolNames, AreShownPlainAndGivenBack) {
  const json::Array tools = *json::parse(R"([{"type":"function","function":{"name":"get-weather"}},
      {"type":"function","function":{"name":"get weather"}},{"type":"function","function":{"name":"größe"}}])")
                                 ->if_array();
  const ToolNames names(tools, ToolNameStyle::kRemoveSpecial);
  EXPECT_EQ(names.shown("get-weather"), "get_weather");
  EXPECT_EQ(names.shown("get weather"), "get_weather_2");
  EXPECT_EQ(names.shown("größe"), "gr__e");
  EXPECT_EQ(names.original("get_weather_2"), "get weather");
  EXPECT_EQ(names.original("made_up"), "made_up");
  EXPECT_THAT(json::dump(names.shown_definitions(tools)), HasSubstr("get_weather_2"));
  EXPECT_EQ(styled_tool_name("getHTTPStatus-code2", ToolNameStyle::kSnakeCase), "get_http_status_code2");
  EXPECT_EQ(styled_tool_name("get_http status", ToolNameStyle::kCamelCase), "getHttpStatus");
  EXPECT_EQ(tool_name_style("passThrough"), ToolNameStyle::kPassThrough);
  EXPECT_EQ(tool_name_style("removeSpecial"), ToolNameStyle::kRemoveSpecial);
  EXPECT_EQ(tool_name_style("snakeCase"), ToolNameStyle::kSnakeCase);
  EXPECT_EQ(tool_name_style("camelCase"), ToolNameStyle::kCamelCase);
  EXPECT_EQ(tool_name_style("kebab-case"), std::nullopt);
}

}  // namespace
}  // namespace atelier::prompt
