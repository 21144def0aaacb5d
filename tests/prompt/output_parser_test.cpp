// Answers of models, as the families' own documentation describes them, read whole and in pieces.
#include "prompt/output_parser.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>

#include <gtest/gtest.h>

#include "output_folding.h"

namespace atelier::prompt {
namespace {

json::Array weather_tools() {
  return *json::parse(R"([
    {"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{
        "city":{"type":"string"},"days":{"type":"integer"},"exact":{"type":"boolean"},
        "place":{"anyOf":[{"type":"object"},{"type":"null"}]},"tags":{"type":"array"},
        "unit":{"$ref":"#/$defs/Unit"},"any":{}},"$defs":{"Unit":{"enum":["c","f"]}}}}},
    {"type":"function","function":{"name":"get_time","parameters":{"type":"object","properties":{}}}},
    {"type":"function","function":{"name":"write_file","parameters":{"type":"object","properties":{
        "path":{"type":"string"},"text":{"type":"string"}}}}}
  ])")
              ->if_array();
}

OutputFormat format_of(std::string_view name) {
  OutputFormat format;
  format.tool_format = find_tool_format(name);
  format.parse_tool_calls = true;
  format.tools = weather_tools();
  return format;
}

// Tokens that are control tokens in the vocabularies of their families.
const std::vector<std::string>& control_tokens() {
  static const std::vector<std::string> kTokens{"<|channel|>",
                                                "<|message|>",
                                                "<|constrain|>",
                                                "<|start|>",
                                                "<|end|>",
                                                "<|call|>",
                                                "<|return|>",
                                                "[TOOL_CALLS]",
                                                "[ARGS]",
                                                "[CALL_ID]",
                                                "<|python_tag|>",
                                                "<|python_start|>",
                                                "<|python_end|>",
                                                "<|START_ACTION|>",
                                                "<|END_ACTION|>",
                                                "<|START_RESPONSE|>",
                                                "<|END_RESPONSE|>",
                                                "<|START_THINKING|>",
                                                "<|END_THINKING|>",
                                                "<｜tool▁calls▁begin｜>",
                                                "<｜tool▁calls▁end｜>",
                                                "<｜tool▁call▁begin｜>",
                                                "<｜tool▁call▁end｜>",
                                                "<｜tool▁sep｜>",
                                                "<|tool_calls_section_begin|>",
                                                "<|tool_calls_section_end|>",
                                                "<|tool_call_begin|>",
                                                "<|tool_call_argument_begin|>",
                                                "<|tool_call_end|>",
                                                "<|tool_call|>",
                                                "<|/tool_call|>",
                                                "<|tool_call_start|>",
                                                "<|recipient|>",
                                                "<|content|>",
                                                "<|stop|>",
                                                "<|from|>",
                                                "<escape>",
                                                "<start_function_call>",
                                                "<end_function_call>",
                                                "<|tool_call>",
                                                "<tool_call|>",
                                                "<|\"|>",
                                                "<|action_start|>",
                                                "<|plugin|>",
                                                "<|action_end|>",
                                                "<|tools_prefix|>",
                                                "<|tools_suffix|>"};
  return kTokens;
}

// Parsed whole, at every cut, byte by byte, and with the markers as control tokens: always the same.
FoldedAnswer parse_every_way(OutputFormat format, const std::string& text, bool complete = true) {
  const FoldedAnswer whole = parse(format, text, complete);
  EXPECT_TRUE(whole.well_ordered) << text;
  const std::vector<OutputPiece> one{{text, false}};
  for (std::size_t size = 1; size <= 7; ++size) {
    EXPECT_EQ(fold(parse_events(format, cut(one, size), complete)), whole) << text << "\n in pieces of " << size;
  }
  for (std::size_t at = 1; at < text.size(); ++at) {
    EXPECT_EQ(fold(parse_events(format, cut_at(one, at), complete)), whole) << text << "\n cut at " << at;
  }
  format.control_tokens = control_tokens();
  const std::vector<OutputPiece> tokens = tokenised(text, control_tokens());
  EXPECT_EQ(fold(parse_events(format, tokens, complete)), whole) << text << "\n with control tokens";
  EXPECT_EQ(fold(parse_events(format, cut(tokens, 1), complete)), whole) << text << "\n byte by byte";
  return whole;
}

json::Value json_of(const std::string& text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value ? *value : json::Value();
}

// ---------------------------------------------------------------- every format

class EveryFormat : public testing::TestWithParam<const ToolFormat*> {};

INSTANTIATE_TEST_SUITE_P(Formats, EveryFormat, testing::ValuesIn([] {
                           std::vector<const ToolFormat*> all;
                           for (const ToolFormat& format : tool_formats()) all.push_back(&format);
                           return all;
                         }()),
                         [](const auto& one) {
                           std::string name(one.param->name);
                           std::ranges::replace_if(name, [](char c) { return c == '-' || c == '.'; }, '_');
                           return name;
                         });

TEST_P(EveryFormat, ReadsItsSample) {
  const FoldedAnswer answer = parse_every_way(format_of(GetParam()->name), std::string(GetParam()->sample));
  ASSERT_EQ(answer.calls.size(), 1u);
  EXPECT_EQ(answer.calls[0].name, "get_weather");
  EXPECT_EQ(answer.calls[0].arguments, R"({"city": "Paris"})");
  EXPECT_EQ(answer.message, "");
  EXPECT_EQ(answer.reasoning, "");
}

TEST_P(EveryFormat, ShowsTheArgumentsBeforeTheyEnd) {
  const std::string sample(GetParam()->sample);
  const std::size_t inside = sample.rfind("Paris") + 5;
  OutputParser parser(format_of(GetParam()->name));
  std::vector<OutputEvent> events;
  parser.feed(sample.substr(0, inside), false, events);
  std::string name;
  std::string arguments;
  for (const OutputEvent& event : events) {
    if (const auto* start = std::get_if<ToolCallStart>(&event)) name = start->name;
    if (const auto* part = std::get_if<ToolCallArguments>(&event)) arguments += part->json;
  }
  EXPECT_EQ(name, "get_weather");
  EXPECT_EQ(arguments, R"({"city": "Paris)");
}

TEST_P(EveryFormat, WithoutToolsEverythingIsText) {
  OutputFormat format = format_of(GetParam()->name);
  format.parse_tool_calls = false;
  const FoldedAnswer answer = parse(format, GetParam()->sample);
  EXPECT_EQ(fold(parse_events(format, cut({{std::string(GetParam()->sample), false}}, 1))), answer);
  EXPECT_TRUE(answer.calls.empty());
  EXPECT_NE(answer.message.find("Paris"), std::string::npos);
}

TEST_P(EveryFormat, ACallThatIsCutOffIsText) {
  const std::string sample(GetParam()->sample);
  for (std::size_t end = 1; end <= sample.rfind("Paris"); ++end) {
    const FoldedAnswer answer = parse(format_of(GetParam()->name), sample.substr(0, end), false);
    EXPECT_TRUE(answer.calls.empty()) << end;
    EXPECT_TRUE(answer.well_ordered) << end;
  }
}

TEST_P(EveryFormat, OrdinaryTextIsOrdinaryText) {
  for (const std::string text : {"Hello, world!", "a < b and b > c", "[1, 2, 3] are numbers", "{not json}",
                                 "{\"name\": \"Ann\", \"age\": 3}", "[\"get_weather\"]", "get_weather is a tool",
                                 "<tool", "  two  spaces  ", "line\n\nline\n", "functions", "äöü 日本"}) {
    const FoldedAnswer answer = parse_every_way(format_of(GetParam()->name), text);
    EXPECT_EQ(answer.message, text);
    EXPECT_TRUE(answer.calls.empty());
  }
}

// docs/tool-formats.md is where somebody looks a format up.
TEST_P(EveryFormat, IsDocumentedWithItsSample) {
  std::ifstream file(ATELIER_SOURCE_DIR "/docs/tool-formats.md");
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_NE(page.find("### " + std::string(GetParam()->name) + "\n"), std::string::npos);
  EXPECT_NE(page.find("```text\n" + std::string(GetParam()->sample) + "\n```"), std::string::npos);
}

// ---------------------------------------------------------------- calls in JSON

TEST(Hermes, TextBeforeTheCallIsTheMessage) {
  const FoldedAnswer answer = parse_every_way(
      format_of("hermes"),
      "Let me look.\n\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>");
  EXPECT_EQ(answer.message, "Let me look.");
  ASSERT_EQ(answer.calls.size(), 1u);
}

TEST(Hermes, ParallelCallsComeInOrder) {
  const FoldedAnswer answer = parse_every_way(
      format_of("hermes"),
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"A\"}}\n</tool_call>\n"
      "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>\n"
      "<tool_call>{\"arguments\": {\"city\": \"B\", \"days\": 2}, \"name\": \"get_weather\"}</tool_call>");
  EXPECT_EQ(answer.message, "");
  ASSERT_EQ(answer.calls.size(), 3u);
  EXPECT_EQ(answer.calls[1].name, "get_time");
  EXPECT_EQ(answer.calls[1].arguments, "{}");
  EXPECT_EQ(answer.calls[2].arguments, R"({"city": "B", "days": 2})");
}

TEST(Hermes, OtherSpellingsOfTheSameCall) {
  for (const std::string body :
       {R"({"name": "get_weather", "parameters": {"city": "Paris"}})",
        R"({"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}})",
        R"({"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"})",
        R"({"id": "7", "name": "get_weather", "arguments": {"city": "Paris"}})",
        R"([{"name": "get_weather", "arguments": {"city": "Paris"}}])",
        R"({"name": "get_weather", "arguments": {"city": "Paris"})"}) {
    const FoldedAnswer answer = parse_every_way(format_of("hermes"), "<tool_call>" + body + "</tool_call>");
    ASSERT_EQ(answer.calls.size(), 1u) << body;
    EXPECT_EQ(answer.calls[0].name, "get_weather");
    EXPECT_EQ(json_of(answer.calls[0].arguments), json_of(R"({"city": "Paris"})")) << body;
    EXPECT_EQ(answer.message, "") << body;
  }
}

TEST(Hermes, AToolWithoutParametersHasAnEmptyObject) {
  for (const std::string body : {R"({"name": "get_time"})", R"({"name": "get_time", "arguments": null})",
                                 R"({"name": "get_time", "arguments": ""})", R"({"name":"get_time","arguments":{}})"}) {
    const FoldedAnswer answer = parse_every_way(format_of("hermes"), "<tool_call>" + body + "</tool_call>");
    ASSERT_EQ(answer.calls.size(), 1u) << body;
    EXPECT_EQ(answer.calls[0].arguments, "{}");
  }
}

TEST(Hermes, MalformedCallsAreGivenBackAsTheyWereWritten) {
  for (const std::string text :
       {"<tool_call>nonsense</tool_call>", "<tool_call>{\"name\": 3}</tool_call> and more",
        "before <tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": }}\n</tool_call> after",
        "<tool_call>{\"arguments\": {\"a\": 1}}</tool_call>", "<tool_call>",
        "<tool_call>{\"name\": \"get_weather\", \"arguments\": [1]}</tool_call>"}) {
    const FoldedAnswer answer = parse_every_way(format_of("hermes"), text);
    EXPECT_EQ(answer.message, text);
    EXPECT_TRUE(answer.calls.empty()) << text;
  }
}

TEST(Hermes, AnEmptyListIsNoCallAndNoText) {
  const FoldedAnswer answer = parse_every_way(format_of("hermes"), "Nothing to do. <tool_call>[]</tool_call>");
  EXPECT_EQ(answer.message, "Nothing to do.");
  EXPECT_TRUE(answer.calls.empty());
}

TEST(Hermes, ACallAfterAMalformedOneIsACall) {
  const FoldedAnswer answer =
      parse_every_way(format_of("hermes"),
                      "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": oops}}</tool_call>\n"
                      "<tool_call>{\"name\": \"get_time\", \"arguments\": {}}</tool_call>");
  ASSERT_EQ(answer.calls.size(), 1u);
  EXPECT_EQ(answer.calls[0].name, "get_time");
  EXPECT_EQ(answer.message, "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": oops}}</tool_call>");
}

TEST(Hermes, AnUnknownToolIsStillACall) {
  const FoldedAnswer answer =
      parse_every_way(format_of("hermes"), "<tool_call>{\"name\": \"unheard_of\", \"arguments\": {}}</tool_call>");
  ASSERT_EQ(answer.calls.size(), 1u);
  EXPECT_EQ(answer.calls[0].name, "unheard_of");
}

TEST(Hermes, MistakesThatModelsMakeInStringsAreMended) {
  const FoldedAnswer answer =
      parse_every_way(format_of("hermes"),
                      "<tool_call>{\"name\": \"write_file\", \"arguments\": {\"path\": \"a.py\", \"text\": "
                      "\"x = 1\n\tre.match('\\d+', \\\"5\\\") \\u00e9 it\\'s\"}}</tool_call>");
  ASSERT_EQ(answer.calls.size(), 1u);
  const json::Value arguments = json_of(answer.calls[0].arguments);
  EXPECT_EQ(*arguments.find("text")->if_string(), "x = 1\n\tre.match('\\d+', \"5\") é it's");
}

TEST(Llama3, ABareObjectIsACallOnlyForAToolThatIsOffered) {
  const FoldedAnswer call =
      parse_every_way(format_of("llama-3"), R"({"type": "function", "name": "get_time", "parameters": {}})");
  ASSERT_EQ(call.calls.size(), 1u);
  for (const std::string text :
       {R"({"name": "Ann", "parameters": {}})", R"({"answer": 42})", R"({"name": "get_time", "x": 1})"}) {
    const FoldedAnswer answer = parse_every_way(format_of("llama-3"), text);
    EXPECT_EQ(answer.message, text);
    EXPECT_TRUE(answer.calls.empty());
  }
}

TEST(Llama3, SeveralObjectsAndThePythonTag) {
  const FoldedAnswer two = parse_every_way(
      format_of("llama-3"),
      R"({"name": "get_weather", "parameters": {"city": "A"}}; {"name": "get_time", "parameters": {}})");
  EXPECT_EQ(two.calls.size(), 2u);
  EXPECT_EQ(two.message, "");
  const FoldedAnswer tagged =
      parse_every_way(format_of("llama-3"), R"(<|python_tag|>{"name": "get_weather", "parameters": {"city": "A"}})");
  ASSERT_EQ(tagged.calls.size(), 1u);
  EXPECT_EQ(tagged.message, "");
}

TEST(Mistral, BothGenerations) {
  const FoldedAnswer list = parse_every_way(
      format_of("mistral"),
      R"([TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "A"}, "id": "abcdefghi"}, {"name": "get_time", "arguments": {}}])");
  ASSERT_EQ(list.calls.size(), 2u);
  EXPECT_EQ(list.message, "");
  const FoldedAnswer named =
      parse_every_way(format_of("mistral"),
                      R"([TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]{"city": "A"}[TOOL_CALLS]get_time[ARGS]{})");
  ASSERT_EQ(named.calls.size(), 2u);
  EXPECT_EQ(named.calls[0].id, "abcdefghi");
  EXPECT_EQ(named.calls[1].name, "get_time");
}

TEST(ControlTokens, TextThatSpellsAMarkerIsNoMarker) {
  OutputFormat format = format_of("mistral");
  format.control_tokens = control_tokens();
  const std::string text = R"([TOOL_CALLS]get_weather[ARGS]{"city": "A"})";
  const FoldedAnswer spelled = fold(parse_events(format, {{text, false}}));
  EXPECT_EQ(spelled.message, text);
  EXPECT_TRUE(spelled.calls.empty());
  EXPECT_EQ(fold(parse_events(format, tokenised(text, control_tokens()))).calls.size(), 1u);
}

TEST(ControlTokens, OthersAreNeverShown) {
  OutputFormat format = format_of("hermes");
  const FoldedAnswer answer =
      fold(parse_events(format, {{"Hi", false}, {"<|eot_id|>", true}, {" there", false}, {"<|x|>", true}}));
  EXPECT_EQ(answer.message, "Hi there");
}

TEST(Kimi, TheIdIsTheModels) {
  const FoldedAnswer answer = parse_every_way(format_of("kimi-k2"), std::string(find_tool_format("kimi-k2")->sample));
  EXPECT_EQ(answer.calls.at(0).id, "functions.get_weather:0");
}

TEST(CommandR, TheToolThatIsNoTool) {
  const FoldedAnswer answer = parse_every_way(format_of("command-r"),
                                              "Action: ```json\n[\n    {\n        \"tool_name\": "
                                              "\"directly-answer\",\n        \"parameters\": {}\n    }\n]```");
  EXPECT_TRUE(answer.calls.empty());
  EXPECT_EQ(answer.message, "");
}

TEST(CommandR7b, ThoughtsAnswerAndAction) {
  OutputFormat format = format_of("command-r7b");
  format.reasoning_start = "<|START_THINKING|>";
  format.reasoning_end = "<|END_THINKING|>";
  const FoldedAnswer call = parse_every_way(
      format,
      "<|START_THINKING|>I will look.<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": "
      "\"get_time\", \"parameters\": {}}\n]<|END_ACTION|>");
  EXPECT_EQ(call.reasoning, "I will look.");
  EXPECT_EQ(call.calls.size(), 1u);
  const FoldedAnswer text = parse_every_way(format, "<|START_RESPONSE|>It is five.<|END_RESPONSE|>");
  EXPECT_EQ(text.message, "It is five.");
}

// ---------------------------------------------------------------- values without types

TEST(Parameters, TheSchemaGivesTheTypes) {
  const FoldedAnswer answer = parse_every_way(
      format_of("qwen3-coder"),
      "<tool_call>\n<function=get_weather>\n<parameter=city>\n12\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
      "<parameter=exact>\nTrue\n</parameter>\n<parameter=place>\n{\"x\": [1, "
      "2]}\n</parameter>\n<parameter=tags>\n['a', "
      "None]\n</parameter>\n<parameter=unit>\nc\n</parameter>\n<parameter=any>\nplain "
      "words\n</parameter>\n</function>\n"
      "</tool_call>");
  ASSERT_EQ(answer.calls.size(), 1u);
  EXPECT_EQ(
      json_of(answer.calls[0].arguments),
      json_of(
          R"({"city":"12","days":3,"exact":true,"place":{"x":[1,2]},"tags":["a",null],"unit":"c","any":"plain words"})"));
}

TEST(Parameters, TextKeepsItsLinesAndQuotes) {
  const FoldedAnswer answer = parse_every_way(format_of("qwen3-coder"),
                                              "<tool_call>\n<function=write_file>\n<parameter=path>\na\n</"
                                              "parameter>\n<parameter=text>\n\nif a < b:\n  \"c\\n\"\n\n"
                                              "</parameter>\n</function>\n</tool_call>");
  ASSERT_EQ(answer.calls.size(), 1u);
  const json::Value arguments = json_of(answer.calls[0].arguments);
  EXPECT_EQ(*arguments.find("text")->if_string(), "\nif a < b:\n  \"c\\n\"\n");
}

TEST(Parameters, TwoCallsInOneSection) {
  const FoldedAnswer answer =
      parse_every_way(format_of("minimax-m2"),
                      "<minimax:tool_call>\n<invoke name=\"get_weather\">\n<parameter name=\"city\">A</parameter>\n"
                      "<parameter name=\"days\">2</parameter>\n</invoke>\n<invoke name=\"get_time\">\n</invoke>\n"
                      "</minimax:tool_call>");
  ASSERT_EQ(answer.calls.size(), 2u);
  EXPECT_EQ(answer.calls[0].arguments, R"({"city": "A", "days": 2})");
  EXPECT_EQ(answer.calls[1].arguments, "{}");
  EXPECT_EQ(answer.message, "");
}

TEST(Parameters, GlmNamesMayEndAtTheFirstKeyOrAtTheEnd) {
  const FoldedAnswer answer = parse_every_way(format_of("glm-4.5"),
                                              "<tool_call>get_weather<arg_key>city</arg_key><arg_value>A</arg_value></"
                                              "tool_call><tool_call>get_time</tool_call>");
  ASSERT_EQ(answer.calls.size(), 2u);
  EXPECT_EQ(answer.calls[0].arguments, R"({"city": "A"})");
  EXPECT_EQ(answer.calls[1].arguments, "{}");
}

TEST(Parameters, DeepSeekSaysWhatIsText) {
  const FoldedAnswer answer = parse_every_way(
      format_of("deepseek-v3.2"),
      "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"other\">\n<｜DSML｜parameter name=\"a\" string=\"true\">1"
      "</｜DSML｜parameter>\n<｜DSML｜parameter name=\"b\" string=\"false\">1</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
      "</｜DSML｜function_calls>");
  ASSERT_EQ(answer.calls.size(), 1u);
  EXPECT_EQ(answer.calls[0].arguments, R"({"a": "1", "b": 1})");
}

TEST(Python, LiteralsBecomeJson) {
  const FoldedAnswer answer = parse_every_way(format_of("lfm2"),
                                              "<|tool_call_start|>[get_weather(city='it\\'s \"here\"\\n', days=3, "
                                              "exact=True, place={'x': (1, 2.5,), 'y': None}, "
                                              "tags=[]), get_time()]<|tool_call_end|>Done.");
  ASSERT_EQ(answer.calls.size(), 2u);
  EXPECT_EQ(json_of(answer.calls[0].arguments),
            json_of(R"({"city":"it's \"here\"\n","days":3,"exact":true,"place":{"x":[1,2.5],"y":null},"tags":[]})"));
  EXPECT_EQ(answer.calls[1].arguments, "{}");
  EXPECT_EQ(answer.message, "Done.");
}

TEST(Python, PositionsAreNamedBySchema) {
  const FoldedAnswer answer =
      parse_every_way(format_of("olmo-3"), "<function_calls>get_weather(\"A\", 3)\nget_time()</function_calls>");
  ASSERT_EQ(answer.calls.size(), 2u);
  EXPECT_EQ(answer.calls[0].arguments, R"({"city": "A", "days": 3})");
}

TEST(Gemma, BareKeysAndDelimitedStrings) {
  const FoldedAnswer answer = parse_every_way(format_of("gemma-4"),
                                              "<|tool_call>call:get_weather{city:<|\"|>a \"b\" "
                                              "{c}<|\"|>,days:3,place:{x:[1,<|\"|>y<|\"|>]},exact:true}<tool_call|>");
  ASSERT_EQ(answer.calls.size(), 1u);
  EXPECT_EQ(json_of(answer.calls[0].arguments),
            json_of(R"({"city":"a \"b\" {c}","days":3,"place":{"x":[1,"y"]},"exact":true})"));
}

TEST(OutputParser, BytesThatAreNoTextAreReplacedWhereverTheyAreCut) {
  const FoldedAnswer answer = parse_every_way(format_of("hermes"),
                                              "\x91 caf\xC3\xA9 \xC3 \xFF\n<tool_call>\n{\"name\": \"f\", "
                                              "\"arguments\": {\"a\x91\": \"\xE2\x82\"}}\n</tool_call>");
  EXPECT_EQ(answer.message, "\uFFFD caf\u00E9 \uFFFD \uFFFD");
  ASSERT_EQ(answer.calls.size(), 1u);
  EXPECT_EQ(answer.calls[0].arguments, "{\"a\uFFFD\": \"\uFFFD\"}");
}

// ---------------------------------------------------------------- reasoning

OutputFormat reasoning_format() {
  OutputFormat format;
  format.tool_format = find_tool_format("hermes");
  format.tools = weather_tools();
  format.parse_tool_calls = true;
  return format;
}

TEST(Reasoning, IsTakenOutOfTheMessage) {
  const FoldedAnswer answer =
      parse_every_way(reasoning_format(), "<think>\nTwo and two.\n\nFour.\n</think>\n\nIt is 4.");
  EXPECT_EQ(answer.reasoning, "Two and two.\n\nFour.");
  EXPECT_EQ(answer.message, "It is 4.");
}

TEST(Reasoning, MayBeOpenedByThePrompt) {
  OutputFormat format = reasoning_format();
  format.starts_in_reasoning = true;
  const FoldedAnswer answer = parse_every_way(format, "Two and two.\n</think>\n\nIt is 4.");
  EXPECT_EQ(answer.reasoning, "Two and two.");
  EXPECT_EQ(answer.message, "It is 4.");
}

TEST(Reasoning, WithoutItsEndAllOfItIsReasoning) {
  const FoldedAnswer answer = parse_every_way(reasoning_format(), "<think>Hm, <tool_call>{} </thin", false);
  EXPECT_EQ(answer.reasoning, "Hm, <tool_call>{} </thin");
  EXPECT_EQ(answer.message, "");
}

TEST(Reasoning, AnEmptySectionIsNone) {
  const FoldedAnswer answer = parse_every_way(reasoning_format(), "<think>\n\n</think>\n\nYes.");
  EXPECT_EQ(answer.reasoning, "");
  EXPECT_EQ(answer.message, "Yes.");
}

TEST(Reasoning, ThenACall) {
  const FoldedAnswer answer = parse_every_way(
      reasoning_format(),
      "<think>a <b> c</think>\n\n<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>");
  EXPECT_EQ(answer.reasoning, "a <b> c");
  EXPECT_EQ(answer.message, "");
  EXPECT_EQ(answer.calls.size(), 1u);
}

TEST(Reasoning, InTheMiddleOfAMessageTheMarkerIsText) {
  const FoldedAnswer answer = parse_every_way(reasoning_format(), "Write <think> to think.");
  EXPECT_EQ(answer.message, "Write <think> to think.");
}

TEST(Reasoning, StaysInTheMessageWhereThatIsAskedFor) {
  OutputFormat format = reasoning_format();
  format.separate_reasoning = false;
  EXPECT_EQ(parse_every_way(format, "<think>\na\n</think>\n\nb").message, "<think>\na\n</think>\n\nb");
  format.starts_in_reasoning = true;
  EXPECT_EQ(parse_every_way(format, "a\n</think>\n\nb").message, "<think>\na\n</think>\n\nb");
}

TEST(Reasoning, IsCountedWhileItRuns) {
  OutputParser parser(reasoning_format());
  std::vector<OutputEvent> events;
  EXPECT_FALSE(parser.in_reasoning());
  parser.feed("<think>", false, events);
  EXPECT_TRUE(parser.in_reasoning());
  parser.feed("a", false, events);
  EXPECT_TRUE(parser.in_reasoning());
  parser.feed("</think>", false, events);
  EXPECT_FALSE(parser.in_reasoning());
}

TEST(Reasoning, ATextThatOnlyBeginsLikeItsEndIsNotHeldLong) {
  OutputFormat format = reasoning_format();
  format.starts_in_reasoning = true;
  OutputParser parser(format);
  std::vector<OutputEvent> events;
  parser.feed("a </th", false, events);
  EXPECT_EQ(fold(events).reasoning, "a");
  parser.feed("e end", false, events);
  EXPECT_EQ(fold(events).reasoning, "a </the end");
}

// ---------------------------------------------------------------- harmony

TEST(Harmony, AnalysisThenFinal) {
  const FoldedAnswer answer = parse_every_way(format_of("harmony"),
                                              "<|channel|>analysis<|message|>User asks 2+2. "
                                              "Easy.<|end|><|start|>assistant<|channel|>final<|message|>4.<|return|>");
  EXPECT_EQ(answer.reasoning, "User asks 2+2. Easy.");
  EXPECT_EQ(answer.message, "4.");
}

TEST(Harmony, CallsWithTheRecipientInEitherPlace) {
  for (const std::string text :
       {"<|channel|>analysis<|message|>Need weather.<|end|><|start|>assistant<|channel|>commentary "
        "to=functions.get_weather <|constrain|>json<|message|>{\"city\": \"A\"}<|call|>",
        "<|channel|>analysis<|message|>Need weather.<|end|><|start|>assistant to=functions.get_weather<|channel|>"
        "commentary json<|message|>{\"city\": \"A\"}<|call|>"}) {
    const FoldedAnswer answer = parse_every_way(format_of("harmony"), text);
    EXPECT_EQ(answer.reasoning, "Need weather.");
    EXPECT_EQ(answer.message, "");
    ASSERT_EQ(answer.calls.size(), 1u) << text;
    EXPECT_EQ(answer.calls[0].name, "get_weather");
    EXPECT_EQ(answer.calls[0].arguments, "{\"city\": \"A\"}");
  }
}

TEST(Harmony, APreambleIsPartOfTheMessage) {
  const FoldedAnswer answer =
      parse_every_way(format_of("harmony"),
                      "<|channel|>commentary<|message|>I will "
                      "look.<|end|><|start|>assistant<|channel|>final<|message|>It is so.<|return|>");
  EXPECT_EQ(answer.message, "I will look.\n\nIt is so.");
}

TEST(Harmony, TextAfterACallIsMessageAndBrokenArgumentsAreText) {
  const FoldedAnswer answer = parse_every_way(
      format_of("harmony"),
      "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\": oops}<|call|>");
  EXPECT_TRUE(answer.calls.empty());
  EXPECT_EQ(answer.message, "{\"city\": oops}");
}

TEST(Harmony, WhereTheAnswerGoesOnWithAMessage) {
  OutputFormat format = format_of("harmony");
  format.continues_message = true;
  EXPECT_EQ(parse_every_way(format, "and so on.<|return|>").message, "and so on.");
}

// ---------------------------------------------------------------- messages to somebody

TEST(Functionary, TextAndCallsTakeTurns) {
  const FoldedAnswer answer = parse_every_way(format_of("functionary-v3.2"),
                                              "all\nLet me see.>>>get_weather\n{\"city\": \"A\"}>>>get_time\n{}");
  EXPECT_EQ(answer.message, "Let me see.");
  ASSERT_EQ(answer.calls.size(), 2u);
  EXPECT_EQ(answer.calls[0].name, "get_weather");
}

// ---------------------------------------------------------------- any text at all

// Text made of fragments that mean something somewhere, in every format: cutting never changes the result, and
// without any call nothing but markers and whitespace is lost.
TEST(AnyText, CuttingNeverChangesTheResult) {
  std::mt19937 random(20'251);
  std::vector<std::string> fragments{
      "{",    "}",         "[",           "]",        "\"",
      ":",    ",",         "\n",          " ",        "\\",
      "name", "arguments", "get_weather", "get_time", "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"x\"}}",
      "city", "<",         ">",           "(",        ")",
      "=",    "'",         "True",        "12",       "word",
      "é",    "<think>",   "</think>"};
  for (const std::string& token : control_tokens()) fragments.push_back(token);
  for (const ToolFormat& format : tool_formats()) {
    for (const std::string_view text :
         {format.section_begin, format.section_end, format.call_begin[0], format.call_end, format.name_end,
          format.parameter_begin, format.parameter_name_end, format.parameter_end, format.sample}) {
      if (!text.empty()) fragments.emplace_back(text);
    }
  }
  const auto pick = [&](std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random); };
  for (const ToolFormat& tool_format : tool_formats()) {
    for (int round = 0; round < 150; ++round) {
      std::string text;
      for (std::size_t n = pick(14); n > 0; --n) {
        // Half of them from this very format.
        const std::string_view own[] = {tool_format.sample, tool_format.call_begin[0], tool_format.call_end,
                                        tool_format.section_begin, tool_format.section_end};
        text += pick(2) == 0 ? std::string(own[pick(5)]) : fragments[pick(fragments.size())];
      }
      OutputFormat format = format_of(tool_format.name);
      format.starts_in_reasoning = pick(4) == 0;
      const bool complete = pick(2) == 0;
      const std::vector<OutputPiece> one{{text, false}};
      const FoldedAnswer whole = fold(parse_events(format, one, complete));
      ASSERT_TRUE(whole.well_ordered) << text;
      for (const FoldedCall& call : whole.calls)
        ASSERT_TRUE(json::parse(call.arguments)) << text << "\n" << call.arguments;
      ASSERT_EQ(fold(parse_events(format, cut(one, 1), complete)), whole) << tool_format.name << "\n" << text;
      ASSERT_EQ(fold(parse_events(format, cut_at(one, pick(text.size() + 1)), complete)), whole)
          << tool_format.name << "\n"
          << text;
      format.control_tokens = control_tokens();
      const std::vector<OutputPiece> tokens = tokenised(text, control_tokens());
      ASSERT_EQ(fold(parse_events(format, cut(tokens, 1), complete)), fold(parse_events(format, tokens, complete)))
          << tool_format.name << "\n"
          << text;
    }
  }
}

}  // namespace
}  // namespace atelier::prompt
