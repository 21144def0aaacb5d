// What a load would take, held against what the library says when it really loads.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/memory_info.h"
#include "engine/memory_lines.h"
#include "tests/engine/engine_client.h"
#include "tests/engine/shaped_models.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

wire::FromEngine ask_estimate(EngineClient& engine, const std::string& path, const wire::LoadConfig& config = {},
                              bool embedding = false, float share = 0) {
  wire::ToEngine message;
  wire::Load& load = *message.mutable_estimate()->mutable_load();
  load.set_path(path);
  *load.mutable_config() = config;
  load.set_embedding(embedding);
  if (share != 0) load.set_memory_share(share);
  return engine.ask(message);
}

MemoryLines lines_of(const EngineClient& engine) {
  MemoryLines lines;
  for (const wire::Log& log : engine.logs) lines.take(log.message());
  return lines;
}

// Within 5 %, or what the log's hundredths of a MiB leave open in so many lines.
void expect_close(std::uint64_t estimate, std::uint64_t truth, const std::string& what) {
  constexpr double kRounding = 0.03 * 1024 * 1024;
  const double most = std::max(0.05 * static_cast<double>(truth), kRounding);
  EXPECT_NEAR(static_cast<double>(estimate), static_cast<double>(truth), most) << what;
}

struct Case {
  std::string path;
  wire::LoadConfig config;
  bool embedding = false;
};

void compare(const Case& one) {
  SCOPED_TRACE(one.path);
  EngineClient engine;
  const auto answer = ask_estimate(engine, one.path, one.config, one.embedding);
  ASSERT_TRUE(answer.has_estimated()) << answer.error().message();
  const wire::Estimated& estimated = answer.estimated();
  EXPECT_TRUE(estimated.exact());
  EXPECT_TRUE(estimated.fits());
  EXPECT_FALSE(estimated.lowered());
  engine.logs.clear();  // of the estimate

  const auto loaded = engine.load(one.path, one.config, one.embedding);
  ASSERT_TRUE(loaded.has_loaded()) << loaded.error().message();
  EXPECT_EQ(estimated.config().context_length(), loaded.loaded().config().context_length());
  EXPECT_EQ(estimated.config().kv_cells(), loaded.loaded().config().kv_cells());
  EXPECT_EQ(estimated.config().cache_tokens(), loaded.loaded().config().cache_tokens());

  const MemoryLines truth = lines_of(engine);
  ASSERT_TRUE(truth.weights());
  ASSERT_TRUE(truth.compute());
  expect_close(estimated.weight_bytes(), *truth.weights(), "weights");
  expect_close(estimated.compute_bytes(), *truth.compute() + truth.output().value_or(0), "compute");
  EXPECT_EQ(estimated.kv_cache_bytes(), truth.kv_buffers().value_or(0));
  EXPECT_EQ(estimated.state_bytes(), truth.state_buffers().value_or(0));
  EXPECT_EQ(estimated.gpu_bytes(), 0U);
  EXPECT_GT(estimated.process_bytes(), 0U);
  EXPECT_GT(estimated.available_bytes(), 0U);
}

TEST(Estimate, AgreesWithARealLoad) {
  compare({kTinyLlama, {}});
  compare({kTinyLlamaQ8, {}});
  compare({kModels + "tiny-llama-GGUF/tiny-llama-Q4_K_S.gguf", {}});
  compare({kTinyQwen2, exact_config()});
  compare({kTinySentencePiece, {}});
  compare({kModels + "words-GGUF/words-Q8_0.gguf", {}});
  compare({kModels + "tiny-split-GGUF/tiny-split-F32-00001-of-00003.gguf", {}});
  compare({kTinyBert, {}, true});
}

TEST(Estimate, AgreesForOtherKindsOfMemory) {
  const ShapedModel sliding(MemoryKind::kSlidingWindow);
  compare({sliding.path(), {}});
  wire::LoadConfig config;
  config.set_prefix_cache(false);  // windows only
  compare({sliding.path(), config});
  const ShapedModel recurrent(MemoryKind::kRecurrent);
  compare({recurrent.path(), {}});
  const ShapedModel hybrid(MemoryKind::kHybrid);
  compare({hybrid.path(), {}});
  wire::LoadConfig few;
  few.set_kv_memory_bytes(0);  // states for no more than must be
  compare({recurrent.path(), few});
}

TEST(Estimate, FollowsTheSettings) {
  wire::LoadConfig config;
  config.set_context_length(1024);
  config.set_cache_tokens(1024);
  config.set_parallel(2);
  compare({kTinyLlama, config});
  EngineClient engine;
  const auto half = ask_estimate(engine, kTinyLlama, config).estimated();
  // 2 layers, 4 KV heads of 32, F16, K and V.
  EXPECT_EQ(half.kv_cache_bytes(), std::uint64_t{2048} * 2 * 2 * 128 * 2);
  config.set_k_cache_type("f32");
  config.set_v_cache_type("f32");
  const auto wide = ask_estimate(engine, kTinyLlama, config).estimated();
  EXPECT_EQ(wide.kv_cache_bytes(), 2 * half.kv_cache_bytes());
  config.set_flash_attention(wire::SWITCH_OFF);
  EXPECT_GT(ask_estimate(engine, kTinyLlama, config).estimated().compute_bytes(), wide.compute_bytes());
}

// A share of the free memory, as bytes.
float share_of(std::uint64_t bytes) {
  return static_cast<float>(static_cast<double>(bytes) / static_cast<double>(read_memory_info().available_bytes));
}

TEST(Estimate, WhatDoesNotFitIsSaidAndALoadIsRefused) {
  EngineClient engine;
  wire::LoadConfig config;
  config.set_context_length(2048);
  config.set_cache_tokens(0);
  const auto answer = ask_estimate(engine, kTinyLlama, config, false, share_of(8 << 20));
  ASSERT_TRUE(answer.has_estimated()) << answer.error().message();
  EXPECT_FALSE(answer.estimated().fits());
  EXPECT_FALSE(answer.estimated().lowered());
  EXPECT_EQ(answer.estimated().kv_cache_bytes(), std::uint64_t{2048} * 2 * 2 * 128 * 2);

  wire::ToEngine message;
  wire::Load& load = *message.mutable_load();
  load.set_path(kTinyLlama);
  *load.mutable_config() = config;
  load.set_memory_share(share_of(8 << 20));
  const auto refused = engine.ask(message);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().kind(), wire::ERROR_INSUFFICIENT_MEMORY);
  EXPECT_NE(refused.error().message().find("MiB"), std::string::npos);
}

TEST(Estimate, AShorterContextIsChosenByTheExactFigure) {
  EngineClient engine;
  wire::LoadConfig config;
  config.set_k_cache_type("f32");
  config.set_v_cache_type("f32");
  const auto full = ask_estimate(engine, kTinyLlama, config).estimated();
  const std::uint64_t memory =
      full.weight_bytes() + full.process_bytes() + (full.kv_cache_bytes() + full.compute_bytes()) * 7 / 10;
  const auto answer = ask_estimate(engine, kTinyLlama, config, false, share_of(memory));
  ASSERT_TRUE(answer.has_estimated()) << answer.error().message();
  const wire::Estimated& lowered = answer.estimated();
  EXPECT_TRUE(lowered.lowered());
  EXPECT_TRUE(lowered.fits());
  EXPECT_LT(lowered.config().kv_cells(), full.config().kv_cells());

  // And the load does what was foretold.
  wire::ToEngine message;
  message.mutable_load()->set_path(kTinyLlama);
  *message.mutable_load()->mutable_config() = config;
  message.mutable_load()->set_memory_share(share_of(memory));
  const auto loaded = engine.ask(message);
  ASSERT_TRUE(loaded.has_loaded()) << loaded.error().message();
  EXPECT_LT(loaded.loaded().config().kv_cells(), full.config().kv_cells());
}

TEST(Estimate, AbsurdSettingsAreReckonedWithoutMakingThem) {
  EngineClient engine;
  wire::LoadConfig config;
  config.set_kv_cells(1U << 26);
  const auto answer = ask_estimate(engine, kTinyLlama, config);
  ASSERT_TRUE(answer.has_estimated()) << answer.error().message();
  EXPECT_FALSE(answer.estimated().fits());
  EXPECT_GE(answer.estimated().kv_cache_bytes(), std::uint64_t{1 << 26} * 2 * 2 * 128 * 2);
}

TEST(Estimate, MistakesAreErrors) {
  EngineClient engine;
  EXPECT_EQ(ask_estimate(engine, kTinyLlama + ".nothing").error().kind(), wire::ERROR_LOAD_FAILED);
  wire::LoadConfig config;
  config.set_k_cache_type("q7_banana");
  EXPECT_EQ(ask_estimate(engine, kTinyLlama, config).error().param(), "k_cache_type");
  EXPECT_EQ(ask_estimate(engine, kTinyBert).error().kind(), wire::ERROR_UNSUPPORTED);
  EXPECT_EQ(ask_estimate(engine, kTinyLlama, {}, false, -1).error().kind(), wire::ERROR_INVALID_REQUEST);
  ASSERT_TRUE(engine.load(kTinyLlama, exact_config()).has_loaded());
  EXPECT_EQ(ask_estimate(engine, kTinyLlama).error().kind(), wire::ERROR_INVALID_REQUEST);
  EXPECT_TRUE(engine.wait_for(engine.generate(greedy_request({300}, 3))).done);
}

TEST(Estimate, ASandboxedProcessAnswersAndThenLoads) {
  EngineClient engine(EngineClient::Where::kProcess);
  const auto answer = ask_estimate(engine, kTinyLlamaQ8);
  ASSERT_TRUE(answer.has_estimated()) << answer.error().message();
  EXPECT_TRUE(answer.estimated().exact());
  ASSERT_TRUE(engine.load(kTinyLlamaQ8).has_loaded());
  EXPECT_TRUE(engine.wait_for(engine.generate(greedy_request({300}, 3))).done);
}

// Anonymous and mapped pages in memory, bytes.
std::uint64_t resident_bytes(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// A model of real size: ATELIER_MODEL names its file. The whole process is measured too, after its first tokens; pages
// of the cache of cells that nothing was written to are then not there yet.
TEST(Estimate, AgreesForANamedModelAndItsProcess) {
  const char* path = std::getenv("ATELIER_MODEL");
  if (path == nullptr) GTEST_SKIP() << "ATELIER_MODEL names no model";
  compare({path, {}});
  EngineClient engine(EngineClient::Where::kProcess);
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = ask_estimate(engine, path);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(answer.has_estimated()) << answer.error().message();
  const wire::Estimated& e = answer.estimated();
  const std::uint64_t idle = resident_bytes(engine.pid());
  ASSERT_TRUE(engine.load(path).has_loaded());
  EXPECT_TRUE(engine.wait_for(engine.generate(greedy_request({300}, 3))).done);
  const std::uint64_t total =
      e.weight_bytes() + e.kv_cache_bytes() + e.state_bytes() + e.compute_bytes() + e.process_bytes();
  const std::uint64_t resident = resident_bytes(engine.pid());
  constexpr double kMiB = 1024 * 1024;
  std::printf("%s\nasked in %.0f ms, resident then %.1f MiB; estimate %.1f MiB, resident when loaded %.1f MiB\n",
              e.ShortDebugString().c_str(), took.count(), static_cast<double>(idle) / kMiB,
              static_cast<double>(total) / kMiB, static_cast<double>(resident) / kMiB);
}

}  // namespace
}  // namespace atelier::engine::test
