#include "models/defaults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atelier::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ModelDefaults parsed(std::string_view text) {
  auto defaults = parse_model_yaml(text);
  EXPECT_TRUE(defaults) << defaults.error().message;
  return defaults ? *defaults : ModelDefaults{};
}

TEST(ModelYaml, ReadsListsOfFields) {
  const ModelDefaults defaults = parsed(R"(
model: someone/some-model
base:
  - key: someone/some-model-gguf
metadataOverrides:
  domain: llm
  trainedForToolUse: true
  paramsStrings: [8B]
  contextLengths: [32768]
config:
  operation:
    fields:
      - key: llm.prediction.temperature
        value: 0.6
      - key: llm.prediction.topKSampling
        value: 20
      - key: llm.prediction.topPSampling
        value: { checked: true, value: 0.95 }
      - key: llm.prediction.minPSampling
        value: { checked: false, value: 0.05 }
      - key: llm.prediction.repeatPenalty
        value: { checked: false, value: 1.1 }
      - key: llm.prediction.llama.presencePenalty
        value: { checked: true, value: 1.5 }
      - key: llm.prediction.maxPredictedTokens
        value: { checked: true, value: 500 }
      - key: llm.prediction.stopStrings
        value: ["<end>", "User:"]
      - key: llm.prediction.reasoning.parsing
        value: { enabled: true, startString: "<t>", endString: "</t>" }
  load:
    fields:
      - key: llm.load.contextLength
        value: 8192
      - key: llm.load.llama.flashAttention
        value: true
      - key: llm.load.llama.acceleration.offloadRatio
        value: max
      - key: llm.load.llama.kCacheQuantizationType
        value: { checked: true, value: q8_0 }
)");
  EXPECT_EQ(defaults.sampling.temperature, 0.6);
  EXPECT_EQ(defaults.sampling.top_k, 20);
  EXPECT_EQ(defaults.sampling.top_p, 0.95);
  EXPECT_EQ(defaults.sampling.min_p, 0.0);
  EXPECT_EQ(defaults.sampling.repeat_penalty, 1.0);
  EXPECT_EQ(defaults.sampling.presence_penalty, 1.5);
  EXPECT_EQ(defaults.sampling.max_tokens, 500);
  EXPECT_THAT(*defaults.sampling.stop_strings, ElementsAre("<end>", "User:"));
  EXPECT_EQ(defaults.sampling.reasoning_start, "<t>");
  EXPECT_EQ(defaults.load.context_length, 8192u);
  EXPECT_EQ(defaults.load.flash_attention, true);
  EXPECT_EQ(defaults.load.gpu_offload_ratio, 1.0);
  EXPECT_EQ(defaults.load.k_cache_type, "q8_0");
  EXPECT_EQ(defaults.trained_for_tool_use, true);
  EXPECT_EQ(defaults.params, "8B");
  EXPECT_EQ(defaults.max_context_length, 32768u);
  EXPECT_THAT(defaults.warnings, IsEmpty());
}

TEST(ModelYaml, ToolNamesHaveAStyle) {
  EXPECT_EQ(parsed("config: { operation: { tool_naming: camelCase } }").sampling.tool_naming, "camelCase");
  const ModelDefaults fields =
      parsed("config: { operation: { fields: [ { key: llm.prediction.toolNaming, value: snakeCase } ] } }");
  EXPECT_EQ(fields.sampling.tool_naming, "snakeCase");
  EXPECT_THAT(fields.warnings, IsEmpty());
  const ModelDefaults wrong = parsed("config: { operation: { toolNaming: kebab } }");
  EXPECT_EQ(wrong.sampling.tool_naming, std::nullopt);
  EXPECT_THAT(wrong.warnings, ElementsAre(HasSubstr("'toolNaming'")));
}

TEST(ModelYaml, ReadsPlainMembers) {
  const ModelDefaults defaults = parsed(R"(
displayName: A Model
config:
  operation: { temperature: 0.7, top_k: 40, top_p: 0.9, min_p: 0.02, repeat_penalty: 1.0, seed: 3, stop: "x" }
  load: { context_length: 4096, k_cache_type: f16, gpu: 0.5 }
)");
  EXPECT_EQ(defaults.display_name, "A Model");
  EXPECT_EQ(defaults.sampling.temperature, 0.7);
  EXPECT_EQ(defaults.sampling.top_k, 40);
  EXPECT_EQ(defaults.sampling.repeat_penalty, 1.0);
  EXPECT_EQ(defaults.sampling.seed, 3);
  EXPECT_THAT(*defaults.sampling.stop_strings, ElementsAre("x"));
  EXPECT_EQ(defaults.load.context_length, 4096u);
  EXPECT_EQ(defaults.load.gpu_offload_ratio, 0.5);
  EXPECT_THAT(defaults.warnings, IsEmpty());
}

TEST(ModelYaml, TakesAPromptTemplate) {
  const ModelDefaults defaults = parsed(R"(
config:
  load:
    fields:
      - key: llm.load.promptTemplate
        value: { type: jinja, jinjaPromptTemplate: { template: "{{ x }}" } }
)");
  EXPECT_EQ(defaults.chat_template, "{{ x }}");
}

TEST(ModelYaml, TakesAManualPromptTemplateWithItsStopStrings) {
  const ModelDefaults defaults = parsed(R"(
config:
  operation:
    promptTemplate:
      type: manual
      manualPromptTemplate: { beforeUser: "Q: ", afterUser: "\n", beforeAssistant: "A:", beforeSystem: "" }
      stopStrings: ["Q:", "\n\n"]
)");
  ASSERT_TRUE(defaults.manual_prompt);
  EXPECT_EQ(*defaults.manual_prompt, (ManualPrompt{"", "", "Q: ", "\n", "A:", ""}));
  EXPECT_EQ(defaults.chat_template, std::nullopt);
  EXPECT_THAT(defaults.template_stop_strings, ElementsAre("Q:", "\n\n"));
  EXPECT_THAT(defaults.warnings, IsEmpty());
}

TEST(ModelYaml, APromptTemplateOfAnotherKindIsAWarning) {
  for (const char* wrong : {"{ type: manual }", "{ type: other, manualPromptTemplate: {} }", "[1]", "{ type: jinja }",
                            "{ type: manual, manualPromptTemplate: { beforeUser: x }, stopStrings: { a: 1 } }"}) {
    const ModelDefaults defaults = parsed(std::string("config: { operation: { promptTemplate: ") + wrong + " } }");
    EXPECT_THAT(defaults.warnings, ElementsAre(HasSubstr("promptTemplate"))) << wrong;
    EXPECT_EQ(defaults.chat_template, std::nullopt) << wrong;
    EXPECT_THAT(defaults.template_stop_strings, IsEmpty()) << wrong;
  }
}

TEST(ModelYaml, ReasoningParsingIsSwitchedOffOrGivenItsMarkers) {
  const auto parsing = [](std::string value) {
    return parsed("config: { operation: { reasoning.parsing: " + value + " } }");
  };
  const ModelDefaults off = parsing("{ enabled: false, startString: '<t>', endString: '</t>' }");
  EXPECT_EQ(off.sampling.reasoning_parsing, false);
  EXPECT_EQ(off.sampling.reasoning_start, std::nullopt);
  const ModelDefaults on = parsing("{ enabled: true, startString: 'Thought:', endString: 'Answer:' }");
  EXPECT_EQ(on.sampling.reasoning_parsing, true);
  EXPECT_EQ(on.sampling.reasoning_start, "Thought:");
  EXPECT_EQ(on.sampling.reasoning_end, "Answer:");
  const ModelDefaults own = parsing("{ enabled: true }");
  EXPECT_EQ(own.sampling.reasoning_start, std::nullopt);
  EXPECT_THAT(own.warnings, IsEmpty());
  EXPECT_THAT(parsing("{ startString: '<t>' }").warnings, ElementsAre(HasSubstr("endString")));
  EXPECT_THAT(parsing("{ startString: '', endString: x }").warnings, ElementsAre(HasSubstr("endString")));
  EXPECT_THAT(parsing("{ enabled: perhaps }").warnings, ElementsAre(HasSubstr("'enabled'")));
  EXPECT_THAT(parsing("yes").warnings, ElementsAre(HasSubstr("must be a mapping")));
}

TEST(UserDefaults, AreReadAsTheyAreWrittenAndGoBeforeOthers) {
  const auto user = parse_user_defaults(R"({
    "preset": "",
    "operation": {"fields": [
      {"key": "llm.prediction.temperature", "value": 0.25},
      {"key": "llm.prediction.promptTemplate", "value": {"type": "manual", "manualPromptTemplate": {"beforeUser": "U"},
                                                         "stopStrings": ["S"]}},
      {"key": "llm.prediction.reasoning.parsing", "value": {"enabled": false, "startString": "", "endString": ""}}]},
    "load": {"fields": [{"key": "llm.load.contextLength", "value": 2048}]}})");
  ASSERT_TRUE(user) << user.error().message;
  ModelDefaults defaults = parsed(R"(
config:
  operation: { temperature: 0.7, top_p: 0.9, reasoning.parsing: { startString: a, endString: b } }
  load: { context_length: 4096, prompt_template: { type: jinja, jinjaPromptTemplate: { template: J }, stopStrings: [T] } }
)");
  EXPECT_EQ(defaults.chat_template, "J");
  override_defaults(defaults, *user);
  EXPECT_EQ(defaults.sampling.temperature, 0.25);
  EXPECT_EQ(defaults.sampling.top_p, 0.9);
  EXPECT_EQ(defaults.sampling.reasoning_parsing, false);
  EXPECT_EQ(defaults.sampling.reasoning_start, "a");
  EXPECT_EQ(defaults.load.context_length, 2048u);
  EXPECT_EQ(defaults.chat_template, std::nullopt);
  EXPECT_EQ(defaults.manual_prompt->before_user, "U");
  EXPECT_THAT(defaults.template_stop_strings, ElementsAre("S"));
  EXPECT_FALSE(parse_user_defaults("[1]"));
  EXPECT_FALSE(parse_user_defaults("{\"operation\": "));
}

TEST(ModelYaml, WarnsOfWhatItDoesNotTake) {
  const ModelDefaults defaults = parsed(R"(
future: 1
config:
  operation:
    temperature: -1
    top_p: two
    top_k: 1.5
    shine: 3
    fields: [ { key: llm.prediction.seed, value: { checked: true, value: 5 } }, { value: 1 }, 7 ]
  load: [1, 2]
)");
  EXPECT_EQ(defaults.sampling.temperature, std::nullopt);
  EXPECT_EQ(defaults.sampling.seed, 5);
  EXPECT_THAT(defaults.warnings,
              ElementsAre(HasSubstr("'temperature' must be a number in its range"), HasSubstr("'top_p'"),
                          HasSubstr("'top_k' must be an integer"), HasSubstr("'shine' is not known"),
                          HasSubstr("has no key"), HasSubstr("has no key"), HasSubstr("config.load is not a mapping"),
                          HasSubstr("'future' is not known")));
}

TEST(ModelYaml, MalformedTextIsAnErrorWithItsPlace) {
  const auto broken = parse_model_yaml("config:\n  operation: { a: [1, 2\n  load: }");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(broken.error().message, HasSubstr("line"));
  EXPECT_FALSE(parse_model_yaml("just text"));
  EXPECT_FALSE(parse_model_yaml("[1, 2]"));
  EXPECT_FALSE(parse_model_yaml(""));
  EXPECT_FALSE(parse_model_yaml(std::string(2 << 20, ' ')));
}

TEST(ModelYaml, SurvivesHostileText) {
  EXPECT_FALSE(parse_model_yaml(std::string(100'000, '[')));
  EXPECT_FALSE(parse_model_yaml(std::string(100'000, '{')));
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c <= 'i'; ++c) {
    const std::string before(1, static_cast<char>(c - 1));
    bomb += std::string(1, c) + ": &" + std::string(1, c) + " [";
    for (int i = 0; i < 9; ++i) bomb += (i > 0 ? ",*" : "*") + before;
    bomb += "]\n";
  }
  bomb += "config: { operation: { stop: *i, temperature: 0.5 } }\n";
  const ModelDefaults defaults = parsed(bomb);
  EXPECT_EQ(defaults.sampling.temperature, 0.5);
  EXPECT_EQ(defaults.sampling.stop_strings, std::nullopt);
  EXPECT_TRUE(parse_model_yaml("a: &a { b: *a }"));
}

}  // namespace
}  // namespace atelier::models
