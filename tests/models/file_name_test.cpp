#include "models/file_name.h"

#include <gtest/gtest.h>

namespace atelier::models {
namespace {

TEST(FileName, FindsTheQuantization) {
  struct Case {
    const char* name;
    const char* base;
    const char* quantization;
  };
  for (const Case& each :
       {Case{"Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "Meta-Llama-3.1-8B-Instruct", "Q4_K_M"},
        Case{"qwen2.5-7b-instruct-q8_0.gguf", "qwen2.5-7b-instruct", "Q8_0"},
        Case{"mistral-7b-v0.1.Q5_K_S.gguf", "mistral-7b-v0.1", "Q5_K_S"}, Case{"model_q4_k_m.gguf", "model", "Q4_K_M"},
        Case{"gpt-oss-20b-MXFP4.gguf", "gpt-oss-20b", "MXFP4"},
        Case{"Qwen3-30B-A3B-UD-Q4_K_XL.gguf", "Qwen3-30B-A3B", "Q4_K_XL"}, Case{"x-IQ3_XXS.gguf", "x", "IQ3_XXS"},
        Case{"x.fp16.gguf", "x", "F16"}, Case{"x-BF16.GGUF", "x", "BF16"}, Case{"plain.gguf", "plain", ""},
        Case{"smart-q.gguf", "smart-q", ""}, Case{"f16.gguf", "f16", "F16"},
        Case{"Q4_K_M-finetune.gguf", "Q4_K_M-finetune", ""}}) {
    const FileName parsed = parse_file_name(each.name);
    EXPECT_TRUE(parsed.is_gguf);
    EXPECT_EQ(parsed.base, each.base) << each.name;
    EXPECT_EQ(parsed.quantization, each.quantization) << each.name;
  }
}

TEST(FileName, FindsPartNumbers) {
  const FileName parsed = parse_file_name("Big-70B-Q4_K_M-00002-of-00003.gguf");
  EXPECT_EQ(parsed.part, 2u);
  EXPECT_EQ(parsed.part_count, 3u);
  EXPECT_EQ(parsed.stem, "Big-70B-Q4_K_M");
  EXPECT_EQ(parsed.base, "Big-70B");
  EXPECT_EQ(parse_file_name("x-00004-of-00003.gguf").part, 0u);
  EXPECT_EQ(parse_file_name("x-00000-of-00003.gguf").part, 0u);
  EXPECT_EQ(parse_file_name("x-0001-of-00003.gguf").part, 0u);
}

TEST(FileName, KnowsProjectorsAndOtherFiles) {
  EXPECT_TRUE(parse_file_name("mmproj-model-f16.gguf").projector);
  EXPECT_TRUE(parse_file_name("gemma-3-4b-mmproj-F16.gguf").projector);
  EXPECT_FALSE(parse_file_name("gemma.gguf").projector);
  EXPECT_FALSE(parse_file_name("model.gguf.part").is_gguf);
  EXPECT_FALSE(parse_file_name(".gguf").is_gguf);
  EXPECT_FALSE(parse_file_name("").is_gguf);
}

TEST(FileName, KnowsNominalBits) {
  EXPECT_EQ(nominal_bits("Q4_K_M"), 4);
  EXPECT_EQ(nominal_bits("iq3_xxs"), 3);
  EXPECT_EQ(nominal_bits("BF16"), 16);
  EXPECT_EQ(nominal_bits("F32"), 32);
  EXPECT_EQ(nominal_bits("MXFP4"), 4);
  EXPECT_EQ(nominal_bits("TQ1_0"), 1);
  EXPECT_EQ(nominal_bits(""), 0);
  EXPECT_EQ(nominal_bits("tall"), 0);
}

TEST(FileName, FindsSizesInNames) {
  EXPECT_EQ(size_in_name("Meta-Llama-3.1-8B-Instruct"), "8B");
  EXPECT_EQ(size_in_name("qwen2.5-0.5b-instruct"), "0.5B");
  EXPECT_EQ(size_in_name("Qwen3-30B-A3B-Instruct"), "30B-A3B");
  EXPECT_EQ(size_in_name("SmolLM2 135M"), "135M");
  EXPECT_EQ(size_in_name("phi-3-mini-4k-instruct"), "");
  EXPECT_EQ(size_in_name("Mixtral-8x7B"), "");
  EXPECT_EQ(size_in_name("8B"), "8B");
  EXPECT_EQ(size_in_name(""), "");
}

TEST(FileName, RoundsParameters) {
  EXPECT_EQ(size_of_parameters(8'030'261'248), "8B");
  EXPECT_EQ(size_of_parameters(7'615'616'512), "7.6B");
  EXPECT_EQ(size_of_parameters(134'515'008), "135M");
  EXPECT_EQ(size_of_parameters(30'532'122'624, 3'345'000'000), "31B-A3.3B");
  EXPECT_EQ(size_of_parameters(999'700'000), "1B");
  EXPECT_EQ(size_of_parameters(6'560'000), "6.6M");
  EXPECT_EQ(size_of_parameters(12'288), "12K");
  EXPECT_EQ(size_of_parameters(12), "12");
  EXPECT_EQ(size_of_parameters(0), "");
}

}  // namespace
}  // namespace atelier::models
