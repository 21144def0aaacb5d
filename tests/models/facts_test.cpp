#include "models/facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/models/gguf_builder.h"

namespace atelier::models {
namespace {

using ::testing::ElementsAre;

Facts facts_of(const GgufBuilder& builder) {
  const std::string bytes = builder.build();
  auto facts = read_facts(MemorySource(bytes));
  EXPECT_TRUE(facts) << facts.error().message;
  return facts ? *facts : Facts{};
}

TEST(Facts, ReadsALanguageModel) {
  const Facts facts = facts_of(llama_model(15, "Tiny"));
  EXPECT_EQ(facts.role, FileRole::kModel);
  EXPECT_EQ(facts.architecture, "llama");
  EXPECT_EQ(facts.name, "Tiny");
  EXPECT_EQ(facts.quantization, "Q4_K_M");
  EXPECT_EQ(facts.context_length, 4096u);
  EXPECT_EQ(facts.file_parameters, 32 * 6 + 32 * 32 + 32u);
  EXPECT_EQ(facts.file_tensor_bytes, 32 * 6 * 4 + 32 * 34 + 32 * 4u);
  EXPECT_EQ(facts.chat_template, "{{ messages }}");
  EXPECT_EQ(facts.tokenizer.model, "gpt2");
  EXPECT_EQ(facts.tokenizer.vocabulary, 6u);
  EXPECT_EQ(facts.tokenizer.bos.text, "<s>");
  EXPECT_EQ(facts.tokenizer.eos.id, 3u);
  EXPECT_EQ(facts.tokenizer.eos.text, "</s>");
  EXPECT_EQ(facts.tokenizer.eot.text, "<|im_end|>");
  EXPECT_EQ(facts.tokenizer.padding.id, std::nullopt);
  EXPECT_EQ(facts.tokenizer.add_bos, true);
  EXPECT_EQ(facts.tokenizer.add_eos, std::nullopt);
  EXPECT_EQ(facts.cache.layers, 2u);
  EXPECT_THAT(facts.cache.kv_heads, ElementsAre(2));
  EXPECT_EQ(facts.cache.key_length, 8u);
}

TEST(Facts, ReadsWhatOnlySomeFilesHave) {
  GgufBuilder builder = llama_model();
  builder.text("tokenizer.chat_template.tool_use", "{{ tools }}")
      .u32("llama.expert_count", 8)
      .u32("llama.pooling_type", 3);
  builder.u32("split.no", 1).u16("split.count", 3).tensor("blk.0.ffn_up_exps.weight", {32, 4, 8});
  const Facts facts = facts_of(builder);
  EXPECT_THAT(facts.named_templates, ElementsAre(std::pair<std::string, std::string>("tool_use", "{{ tools }}")));
  EXPECT_EQ(facts.experts, 8u);
  EXPECT_EQ(facts.pooling, 3u);
  EXPECT_EQ(facts.part, 1u);
  EXPECT_EQ(facts.part_count, 3u);
  EXPECT_EQ(facts.file_expert_parameters, 1024u);
}

TEST(Facts, TakesTheQuantizationFromTheTensorsWhereTheFileDoesNotSay) {
  GgufBuilder builder;
  builder.text("general.architecture", "llama").tensor("a", {32}, 0).tensor("b", {32, 4}, 8, 32, 34);
  EXPECT_EQ(facts_of(builder).quantization, "Q8_0");
}

TEST(Facts, KnowsProjectorsAndAdapters) {
  EXPECT_EQ(facts_of(projector()).role, FileRole::kProjector);
  EXPECT_TRUE(facts_of(projector()).sees_images);
  GgufBuilder adapter;
  adapter.text("general.architecture", "llama").text("general.type", "adapter");
  EXPECT_EQ(facts_of(adapter).role, FileRole::kOther);
}

TEST(Facts, KnowsWhichLayersSlide) {
  GgufBuilder known;
  known.text("general.architecture", "gemma3").u32("gemma3.block_count", 7).u32("gemma3.attention.sliding_window", 512);
  EXPECT_THAT(facts_of(known).cache.sliding_layers, ElementsAre(true, true, true, true, true, false, true));
  GgufBuilder listed;
  listed.text("general.architecture", "new").u32("new.block_count", 3).u32("new.attention.sliding_window", 512);
  listed.pair("new.attention.sliding_window_pattern", 9,
              GgufBuilder::raw<std::uint32_t>(7) + GgufBuilder::raw<std::uint64_t>(3) + std::string("\1\0\1", 3));
  EXPECT_THAT(facts_of(listed).cache.sliding_layers, ElementsAre(true, false, true));
  GgufBuilder unknown;
  unknown.text("general.architecture", "new").u32("new.block_count", 3).u32("new.attention.sliding_window", 512);
  EXPECT_THAT(facts_of(unknown).cache.sliding_layers, ElementsAre());
}

TEST(Facts, GoThroughJsonUnchanged) {
  GgufBuilder builder = llama_model(15, "Größe \"x\"");
  builder.text("tokenizer.chat_template.rag", "r").u32("llama.pooling_type", 0);
  builder.i32s("llama.attention.sliding_window_pattern", {1, 0}).u32("llama.attention.sliding_window", 64);
  for (const Facts& facts : {facts_of(builder), facts_of(projector()), facts_of(bert_model()), Facts{}}) {
    const auto parsed = json::parse(json::dump(to_json(facts)));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(facts_from_json(*parsed), facts);
  }
  EXPECT_EQ(facts_from_json(json::Value()), std::nullopt);
  json::Value incomplete = to_json(Facts{});
  incomplete.if_object()->erase("layers");
  EXPECT_EQ(facts_from_json(incomplete), std::nullopt);
  json::Value wrong = to_json(Facts{});
  wrong.if_object()->set("layers", "two");
  EXPECT_EQ(facts_from_json(wrong), std::nullopt);
}

}  // namespace
}  // namespace atelier::models
