// Loads: good ones, settings, and files that are not models.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "tests/engine/engine_client.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

namespace fs = std::filesystem;

class BrokenFiles : public testing::Test {
 protected:
  BrokenFiles() {
    std::string pattern = (fs::temp_directory_path() / "engine-load-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    std::ifstream file(kTinyLlama, std::ios::binary);
    good_.assign(std::istreambuf_iterator<char>(file), {});
  }
  ~BrokenFiles() override { fs::remove_all(folder_); }

  std::string write(const std::string& bytes) {
    const fs::path path = folder_ / "broken.gguf";
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return path.string();
  }

  fs::path folder_;
  std::string good_;
};

TEST_F(BrokenFiles, GiveAnErrorWithTheReasonAndTheEngineGoesOn) {
  EngineClient engine;
  std::mt19937 random(1);
  std::string noise(5000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  ASSERT_GT(good_.size(), 100000U);
  for (const std::string& bytes : {std::string(), std::string("GGUF"), noise, good_.substr(0, 1000),
                                   good_.substr(0, good_.size() / 2), good_.substr(0, good_.size() - 1)}) {
    const auto answer = engine.load(write(bytes), exact_config());
    ASSERT_TRUE(answer.has_error()) << bytes.size();
    EXPECT_EQ(answer.error().kind(), wire::ERROR_LOAD_FAILED);
    // The library's own words.
    EXPECT_GT(answer.error().message().size(), std::string("The model could not be loaded: ").size()) << bytes.size();
  }
  const auto missing = engine.load((folder_ / "nothing.gguf").string(), exact_config());
  EXPECT_EQ(missing.error().kind(), wire::ERROR_LOAD_FAILED);
  EXPECT_NE(missing.error().message().find("No such file"), std::string::npos);

  ASSERT_TRUE(engine.load(kTinyLlama, exact_config()).has_loaded());
  EXPECT_TRUE(engine.wait_for(engine.generate(greedy_request({300}, 3))).done);
  EXPECT_EQ(engine.load(kTinyLlama, exact_config()).error().kind(), wire::ERROR_INVALID_REQUEST);
}

TEST(Load, ReportsProgressAndWhatWasApplied) {
  EngineClient engine;
  wire::LoadConfig config;
  config.set_threads(1);
  const auto answer = engine.load(kTinyLlama, config);
  ASSERT_TRUE(answer.has_loaded()) << answer.error().message();
  ASSERT_FALSE(engine.load_progress.empty());
  EXPECT_TRUE(std::is_sorted(engine.load_progress.begin(), engine.load_progress.end()));
  EXPECT_EQ(engine.load_progress.back(), 1.0F);
  const wire::LoadConfig& applied = answer.loaded().config();
  EXPECT_EQ(applied.context_length(), 2048U);  // trained; less than the default
  EXPECT_EQ(applied.kv_cells(), 4096U);
  EXPECT_EQ(applied.cache_tokens(), 2048U);
  EXPECT_EQ(applied.parallel(), 4U);
  EXPECT_EQ(applied.eval_batch_size(), 512U);
  EXPECT_EQ(applied.k_cache_type(), "f16");
  EXPECT_EQ(applied.threads(), 1U);
  EXPECT_TRUE(applied.use_mmap());
  EXPECT_EQ(applied.gpu_layers(), 0);
  EXPECT_EQ(applied.rope_freq_base(), 10000.0F);
  const wire::ModelInfo& model = answer.loaded().model();
  EXPECT_GT(model.parameter_count(), 1000000U);
  EXPECT_EQ(model.embedding_length(), 256U);
  EXPECT_EQ(model.layer_count(), 2U);
  EXPECT_TRUE(model.can_shift());
  EXPECT_FALSE(engine.logs.empty());
}

TEST(Load, EverySettingIsTaken) {
  EngineClient engine;
  wire::LoadConfig config;
  config.set_context_length(300);
  config.set_cache_tokens(0);
  config.set_parallel(2);
  config.set_eval_batch_size(128);
  config.set_micro_batch_size(64);
  config.set_threads(1);
  config.set_batch_threads(2);
  config.set_gpu_layers(99);
  config.set_flash_attention(wire::SWITCH_ON);
  config.set_k_cache_type("q8_0");
  config.set_v_cache_type("q8_0");
  config.set_use_mmap(false);
  config.set_rope_freq_base(20000);
  config.set_rope_freq_scale(0.5F);
  config.set_seed(77);
  const auto answer = engine.load(kTinyLlama, config);
  ASSERT_TRUE(answer.has_loaded()) << answer.error().message();
  const wire::LoadConfig& applied = answer.loaded().config();
  EXPECT_EQ(applied.context_length(), 300U);
  EXPECT_EQ(applied.kv_cells(), 512U);  // rounded up by the library
  EXPECT_EQ(applied.micro_batch_size(), 64U);
  EXPECT_EQ(applied.k_cache_type(), "q8_0");
  EXPECT_EQ(applied.rope_freq_scale(), 0.5F);
  wire::Generate request = greedy_request({300, 301}, 5);
  EXPECT_EQ(engine.wait_for(engine.generate(request)).done->seed(), 77U);
}

TEST(Load, AContextBeyondTheTrainedOneIsLoweredWithAWarning) {
  EngineClient engine;
  wire::LoadConfig config = exact_config();
  config.set_context_length(100000);
  config.set_cache_tokens(0);
  const auto answer = engine.load(kTinyLlama, config);
  ASSERT_TRUE(answer.has_loaded()) << answer.error().message();
  EXPECT_EQ(answer.loaded().config().context_length(), 2048U);
  bool warned = false;
  for (const wire::Log& log : engine.logs) {
    warned = warned || (log.level() == wire::LOG_WARN && log.message().find("100000") != std::string::npos);
  }
  EXPECT_TRUE(warned);
}

TEST(Load, WrongSettingsAreRefusedAndNamed) {
  EngineClient engine;
  const auto expect_refused = [&](const wire::LoadConfig& config, const std::string& param) {
    const auto answer = engine.load(kTinyLlama, config);
    ASSERT_TRUE(answer.has_error()) << param;
    EXPECT_EQ(answer.error().kind(), wire::ERROR_INVALID_REQUEST) << param;
    EXPECT_EQ(answer.error().param(), param);
  };
  wire::LoadConfig config;
  config.set_k_cache_type("q7_banana");
  expect_refused(config, "k_cache_type");
  config = exact_config();
  config.set_v_cache_type("q8_0");
  expect_refused(config, "v_cache_type");
  config = {};
  config.set_parallel(100000);
  expect_refused(config, "parallel");
  config = {};
  config.set_rope_freq_base(-1);
  expect_refused(config, "rope_freq_base");
  config = {};
  config.set_kv_cells(1U << 31);
  expect_refused(config, "kv_cells");
}

TEST(Load, WhatDoesNotFitIsRefusedWithNumbers) {
  EngineClient engine;
  wire::LoadConfig config = exact_config();
  config.set_kv_cells(1U << 26);
  const auto answer = engine.load(kTinyLlama, config);
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().kind(), wire::ERROR_INSUFFICIENT_MEMORY);
  EXPECT_NE(answer.error().message().find("MiB"), std::string::npos);
}

TEST(Load, ASplitModelIsLoadedFromItsFirstPart) {
  EngineClient engine;
  const auto answer = engine.load(kModels + "tiny-split-GGUF/tiny-split-F32-00001-of-00003.gguf", exact_config());
  ASSERT_TRUE(answer.has_loaded()) << answer.error().message();
  EXPECT_TRUE(engine.wait_for(engine.generate(greedy_request({300}, 3))).done);
}

TEST(Load, RequestsBeforeItAreRefused) {
  EngineClient engine;
  EXPECT_EQ(engine.wait_for(engine.generate(greedy_request({300}, 1))).error->kind(), wire::ERROR_NOT_LOADED);
  wire::ToEngine tokenize;
  tokenize.mutable_tokenize();
  EXPECT_EQ(engine.ask(tokenize).error().kind(), wire::ERROR_NOT_LOADED);
  wire::ToEngine nothing;
  EXPECT_EQ(engine.ask(nothing).error().kind(), wire::ERROR_INVALID_REQUEST);
}

}  // namespace
}  // namespace atelier::engine::test
