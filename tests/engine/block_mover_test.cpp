// Parts of the KV cache that left their cells and came back: from memory, and from disk in another engine's life. Every
// output is held against the same request computed from nothing.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/engine/direct_scheduler.h"
#include "tests/engine/shaped_models.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

namespace fs = std::filesystem;

using Tokens = std::vector<std::int32_t>;

wire::Generate request_for(const Tokens& prompt, std::uint64_t max_tokens) {
  wire::Generate request = greedy_request(prompt, max_tokens);
  request.mutable_limits()->set_ignore_end_tokens(true);
  return request;
}

class Moved : public testing::Test {
 protected:
  Moved() {
    std::string name = (fs::temp_directory_path() / "atelier-kv-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~Moved() override { fs::remove_all(root_); }

  static wire::LoadConfig config(std::uint32_t cells, std::uint32_t parallel = 2) {
    wire::LoadConfig config = exact_config();
    config.set_context_length(1024);
    config.set_kv_cells(cells);
    config.set_parallel(parallel);
    return config;
  }
  KvBlockStore::Options options(std::uint64_t memory, std::uint64_t disk) const {
    KvBlockStore::Options options;
    options.memory_bytes = memory;
    options.folder = disk > 0 ? root_ / "kv/model" : fs::path();
    options.disk_bytes = disk;
    return options;
  }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) count += entry.is_regular_file() ? 1 : 0;
    return count;
  }
  static Tokens expected(const Tokens& prompt, int count) {
    DirectModel direct(kTinyLlama);
    return direct.greedy(prompt, count);
  }

  fs::path root_;
};

constexpr std::uint64_t kPlenty = std::uint64_t{1} << 30;

TEST_F(Moved, APromptWhoseCellsAreGoneComesBackFromMemory) {
  std::mt19937 random(1);
  DirectScheduler engine(kTinyLlama, config(1024, 1), {}, options(kPlenty, 0));
  const Tokens prompt = random_tokens(random, 600);
  engine.submit(request_for(prompt, 3));
  engine.run();
  for (int i = 0; i < 2; ++i) {
    engine.submit(request_for(random_tokens(random, 900), 1));
    engine.run();
  }
  const auto again = engine.submit(request_for(joined(prompt, random_tokens(random, 20)), 10));
  engine.run();
  // Nine blocks of 64, and the 24 tokens behind them.
  EXPECT_EQ(engine.answer(again).done->cached_tokens(), 600U);
  EXPECT_EQ(engine.answer(again).started->cached_tokens(), 600U);
  EXPECT_EQ(engine.info().prompt_tokens_from_memory(), 600U);
  EXPECT_GT(engine.info().kv_memory_bytes(), 0U);
}

TEST_F(Moved, OnlyWhatTheCellsDoNotHaveIsFetched) {
  std::mt19937 random(2);
  DirectScheduler engine(kTinyLlama, config(1024, 1), {}, options(kPlenty, 0));
  const Tokens prompt = random_tokens(random, 980);
  engine.submit(request_for(prompt, 1));
  engine.run();
  // Takes some of its cells, from the end. It is not idle yet.
  engine.submit(request_for(random_tokens(random, 50), 1));
  engine.run();
  const Tokens more = joined(prompt, random_tokens(random, 5));
  const auto again = engine.submit(request_for(more, 5));
  engine.run();
  EXPECT_EQ(engine.answer(again).done->cached_tokens(), 960U);
  const auto fetched = engine.info().prompt_tokens_from_memory();
  EXPECT_GT(fetched, 0U);
  EXPECT_LT(fetched, 200U);
  EXPECT_EQ(engine.answer(again).tokens(), expected(more, 5));
}

TEST_F(Moved, WhatIsIdleLeavesItsCellsAndComesBackToItsLastToken) {
  std::mt19937 random(11);
  // The second is shorter than a block.
  for (const std::size_t length : {300U, 50U}) {
    DirectScheduler engine(kTinyLlama, config(2048, 1), {}, options(kPlenty, 0));
    const Tokens prompt = random_tokens(random, length);
    const auto first = engine.submit(request_for(prompt, 4));
    engine.run();
    Tokens conversation = joined(prompt, engine.answer(first).tokens());
    // A character that is cut off at the end has a piece of its own.
    conversation.resize(length + 4);
    // Too little to be worth it.
    const Tokens other = random_tokens(random, 40);
    engine.submit(request_for(other, 1));
    engine.run();
    EXPECT_EQ(engine.info().cells_evicted(), 0U);
    // Both have been idle then, and the one that goes on stays.
    const auto second = engine.submit(request_for(joined(other, random_tokens(random, 300)), 1));
    engine.run();
    EXPECT_GT(engine.answer(second).done->cached_tokens(), 35U);
    EXPECT_EQ(engine.info().cells_evicted(), conversation.size() - 1);
    EXPECT_EQ(engine.info().prompt_tokens_from_memory(), 0U);

    // The same question with another end: all up to there is of use.
    const Tokens otherwise = joined(joined(prompt, {conversation[length] + 1}), random_tokens(random, 290));
    const auto changed = engine.submit(request_for(otherwise, 5));
    engine.run();
    EXPECT_EQ(engine.answer(changed).done->cached_tokens(), length);
    EXPECT_EQ(engine.answer(changed).tokens(), expected(otherwise, 5));
    engine.submit(request_for(random_tokens(random, 300), 1));
    engine.run();
    const std::uint64_t before = engine.info().prompt_tokens_from_memory();

    const Tokens more = joined(conversation, random_tokens(random, 7));
    const auto again = engine.submit(request_for(more, 5));
    engine.run();
    // The answer's last token was never computed.
    EXPECT_EQ(engine.answer(again).done->cached_tokens(), conversation.size() - 1);
    EXPECT_EQ(engine.info().prompt_tokens_from_memory() - before, conversation.size() - 1);
    EXPECT_EQ(engine.answer(again).tokens(), expected(more, 5));
  }
}

TEST_F(Moved, WhatIsIdleLeavesBeforeAQuestionWithAnAnswer) {
  std::mt19937 random(14);
  for (const auto& [answer, evicted] : {std::pair<std::uint64_t, std::uint64_t>{23, 0}, {24, 300}, {0, 300}}) {
    DirectScheduler engine(kTinyLlama, config(2048, 1), {}, options(kPlenty, 0));
    engine.submit(request_for(random_tokens(random, 300), 1));
    engine.run();
    // 64 rows together, or as many as the answer may take.
    engine.submit(request_for(random_tokens(random, 40), answer));
    engine.step();
    EXPECT_EQ(engine.info().cells_evicted(), evicted) << answer;
  }
}

TEST_F(Moved, WhatIsIdleStaysWhereThereIsNoMemoryForIt) {
  std::mt19937 random(12);
  for (const auto& [memory, disk] : {std::pair<std::uint64_t, std::uint64_t>{0, 0}, {0, kPlenty}, {50'000, 0}}) {
    DirectScheduler engine(kTinyLlama, config(2048, 1), {}, options(memory, disk));
    const Tokens prompt = random_tokens(random, 600);
    engine.submit(request_for(prompt, 1));
    engine.submit(request_for(random_tokens(random, 600), 1));
    engine.run();
    EXPECT_EQ(engine.info().cells_evicted(), 0U);
    const auto again = engine.submit(request_for(joined(prompt, random_tokens(random, 10)), 1));
    engine.run();
    EXPECT_EQ(engine.answer(again).done->cached_tokens(), 600U);
  }
}

TEST_F(Moved, WhatOthersShareStaysWhileTheyUseIt) {
  std::mt19937 random(13);
  DirectScheduler engine(kTinyLlama, config(4096, 2), {}, options(kPlenty, 0));
  const Tokens system = random_tokens(random, 300);
  const Tokens first = joined(system, random_tokens(random, 100));
  engine.submit(request_for(first, 1));
  engine.run();
  // Goes on from the first one's beginning; the rest of that one is idle.
  const auto second = engine.submit(request_for(joined(system, random_tokens(random, 400)), 1));
  engine.run();
  EXPECT_EQ(engine.answer(second).done->cached_tokens(), 300U);
  EXPECT_EQ(engine.info().cells_evicted(), 100U);
  EXPECT_EQ(engine.info().prompt_tokens_from_memory(), 0U);
  const Tokens more = joined(first, random_tokens(random, 10));
  const auto again = engine.submit(request_for(more, 5));
  engine.run();
  EXPECT_EQ(engine.answer(again).done->cached_tokens(), 400U);
  EXPECT_EQ(engine.info().prompt_tokens_from_memory(), 100U);
  EXPECT_EQ(engine.answer(again).tokens(), expected(more, 5));
}

TEST_F(Moved, AnotherEngineGoesOnFromDisk) {
  std::mt19937 random(3);
  const Tokens prompt = random_tokens(random, 500);
  Tokens first_answer;
  {
    DirectScheduler engine(kTinyLlama, config(2048), {}, options(0, kPlenty));
    const auto id = engine.submit(request_for(prompt, 20));
    engine.run();
    first_answer = engine.answer(id).tokens();
  }
  EXPECT_EQ(files(), 8U);
  DirectScheduler engine(kTinyLlama, config(2048), {}, options(0, kPlenty));
  const Tokens conversation = joined(joined(prompt, first_answer), random_tokens(random, 30));
  const auto id = engine.submit(request_for(conversation, 10));
  engine.run();
  EXPECT_EQ(engine.answer(id).done->cached_tokens(), 512U);
  EXPECT_EQ(engine.info().prompt_tokens_from_disk(), 512U);
  EXPECT_EQ(engine.answer(id).tokens(), expected(conversation, 10));
}

TEST_F(Moved, OtherSettingsOrAnotherModelFindNothing) {
  std::mt19937 random(4);
  const Tokens prompt = random_tokens(random, 500);
  const auto cached = [&](const std::string& model, const wire::LoadConfig& settings) {
    DirectScheduler engine(model, settings, {}, options(0, kPlenty));
    const auto id = engine.submit(request_for(prompt, 1));
    engine.run();
    return engine.answer(id).done->cached_tokens();
  };
  EXPECT_EQ(cached(kTinyLlama, config(2048)), 0U);
  EXPECT_EQ(cached(kTinyLlama, config(2048)), 448U);
  wire::LoadConfig f16 = config(2048);
  f16.set_k_cache_type("f16");
  EXPECT_EQ(cached(kTinyLlama, f16), 0U);
  wire::LoadConfig rope = config(2048);
  rope.set_rope_freq_base(20000);
  EXPECT_EQ(cached(kTinyLlama, rope), 0U);
  EXPECT_EQ(cached(kTinyLlamaQ8, config(2048)), 0U);
  const fs::path copy = root_ / "copy.gguf";
  fs::copy_file(kTinyLlama, copy);
  EXPECT_EQ(cached(copy.string(), config(2048)), 0U);
}

TEST_F(Moved, ADamagedFileIsComputedAgain) {
  std::mt19937 random(5);
  const Tokens prompt = random_tokens(random, 500);
  {
    DirectScheduler engine(kTinyLlama, config(2048), {}, options(0, kPlenty));
    engine.submit(request_for(prompt, 1));
    engine.run();
  }
  for (const auto& entry : fs::directory_iterator(root_ / "kv/model")) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5000);
    file.put('x').put('y').put('z');
  }
  DirectScheduler engine(kTinyLlama, config(2048), {}, options(0, kPlenty));
  const auto id = engine.submit(request_for(prompt, 8));
  engine.run();
  EXPECT_EQ(engine.answer(id).done->cached_tokens(), 0U);
  EXPECT_EQ(engine.answer(id).tokens(), expected(prompt, 8));
}

TEST_F(Moved, WithoutAStoreOrAPrefixCacheNothingIsKept) {
  std::mt19937 random(6);
  wire::LoadConfig off = config(2048);
  off.set_prefix_cache(false);
  for (const wire::LoadConfig& settings : {off}) {
    DirectScheduler engine(kTinyLlama, settings, {}, options(kPlenty, kPlenty));
    engine.submit(request_for(random_tokens(random, 500), 1));
    engine.run();
    EXPECT_EQ(engine.info().kv_memory_bytes(), 0U);
  }
  for (const MemoryKind kind : {MemoryKind::kRecurrent, MemoryKind::kSlidingWindow}) {
    const ShapedModel model(kind);
    DirectScheduler engine(model.path(), config(2048), {}, options(kPlenty, kPlenty));
    engine.submit(request_for(random_tokens(random, 500), 1));
    engine.run();
    EXPECT_EQ(engine.info().kv_memory_bytes(), 0U);
  }
  EXPECT_EQ(files(), 0U);
}

// A clock that stands still: saving takes no time.
Scheduler::Seams frozen() {
  Scheduler::Seams seams;
  seams.now = [] { return Clock::time_point(std::chrono::hours(1)); };
  return seams;
}

TEST_F(Moved, OneThatWasPreemptedComesBackFromMemory) {
  std::mt19937 random(8);
  const Tokens a = random_tokens(random, 300);
  const Tokens b = random_tokens(random, 400);
  DirectScheduler roomy(kTinyLlama, config(4096));
  const auto expected_a = roomy.submit(request_for(a, 600));
  const auto expected_b = roomy.submit(request_for(b, 300));
  roomy.run();
  DirectScheduler engine(kTinyLlama, config(1024), frozen(), options(kPlenty, 0));
  const auto first = engine.submit(request_for(a, 600));
  const auto second = engine.submit(request_for(b, 300));
  engine.run();
  EXPECT_EQ(engine.answer(first).tokens(), roomy.answer(expected_a).tokens());
  EXPECT_EQ(engine.answer(second).tokens(), roomy.answer(expected_b).tokens());
  // Of some 560 tokens that it had when the other needed its cells, 124 kept theirs.
  EXPECT_GE(engine.info().prompt_tokens_from_memory(), 320U);
  EXPECT_LE(engine.info().prompt_tokens_computed(), 700U + kBlockTokens + 1);
  // What is its own is not counted as found.
  EXPECT_EQ(engine.answer(second).done->cached_tokens(), 0U);
}

TEST_F(Moved, APausedOneThatMadeWayForAPromptComesBackFromMemory) {
  std::mt19937 random(9);
  const Tokens a = random_tokens(random, 500);
  DirectScheduler roomy(kTinyLlama, config(4096));
  const auto expected = roomy.submit(request_for(a, 200));
  roomy.run();
  DirectScheduler engine(kTinyLlama, config(1024), frozen(), options(kPlenty, 0));
  const auto paused = engine.submit(request_for(a, 200));
  while (engine.answer(paused).pieces.size() < 100) engine.step();
  engine.scheduler().pause(paused);
  // Its slices take 256 cells a step.
  engine.submit(request_for(random_tokens(random, 980), 10));
  engine.run();
  const std::uint64_t computed = engine.info().prompt_tokens_computed();
  EXPECT_EQ(computed, 1480U);
  engine.scheduler().resume(paused);
  engine.run();
  EXPECT_EQ(engine.answer(paused).tokens(), roomy.answer(expected).tokens());
  // All that it had: it was idle while the other's prompt was computed.
  EXPECT_EQ(engine.info().prompt_tokens_from_memory(), 599U);
  EXPECT_EQ(engine.info().prompt_tokens_computed(), computed);
}

TEST_F(Moved, SavingIsNoLongPartOfAStepThatOthersWaitFor) {
  std::mt19937 random(10);
  // Every look at the clock takes 2 ms, so that a block does at least.
  Clock::time_point now{std::chrono::hours(1)};
  Scheduler::Seams seams;
  seams.now = [&] { return now += std::chrono::milliseconds(2); };
  DirectScheduler engine(kTinyLlama, config(1024, 3), seams, options(kPlenty, 0));
  const auto paused = engine.submit(request_for(random_tokens(random, 500), 200));
  while (engine.answer(paused).pieces.size() < 50) engine.step();
  engine.scheduler().pause(paused);
  const auto running = engine.submit(request_for(random_tokens(random, 10), 0));
  while (engine.answer(running).pieces.empty()) engine.step();
  EXPECT_EQ(engine.info().kv_memory_bytes(), 0U);
  const auto prompt = engine.submit(request_for(random_tokens(random, 800), 10));
  std::uint64_t bytes = 0;
  std::uint64_t block = 0;
  while (!engine.answer(prompt).ended()) {
    engine.step();
    const std::uint64_t more = engine.info().kv_memory_bytes() - bytes;
    if (block == 0) block = more;
    EXPECT_LE(more, block);
    bytes += more;
  }
  EXPECT_GT(block, 0U);
  engine.scheduler().cancel_all();
}

TEST_F(Moved, NoTokenDiffersOverRandomMixesWithFewCells) {
  std::mt19937 random(7);
  std::uint64_t from_memory = 0;
  std::uint64_t from_disk = 0;
  for (int round = 0; round < 6; ++round) {
    fs::remove_all(root_ / "kv");
    std::vector<Tokens> known;
    for (int i = 0; i < 4; ++i) known.push_back(random_tokens(random, 200 + random() % 500));
    DirectModel direct(kTinyLlama);
    for (int life = 0; life < 2; ++life) {
      // Little memory: some of it is only on disk.
      DirectScheduler engine(kTinyLlama, config(1024 + random() % 1024, 1 + random() % 3), {},
                             options(random() % 3 * 5'000'000, kPlenty));
      std::vector<std::pair<std::uint64_t, Tokens>> asked;
      for (int i = 0; i < 10; ++i) {
        Tokens prompt = known[random() % known.size()];
        prompt.resize(1 + random() % prompt.size());
        prompt = joined(prompt, random_tokens(random, random() % 60));
        asked.emplace_back(engine.submit(request_for(prompt, 4)), prompt);
        for (std::size_t steps = random() % 12; steps > 0 && engine.scheduler().has_work(); --steps) engine.step();
        if (random() % 8 == 0) engine.scheduler().cancel(asked.back().first);
      }
      engine.run();
      for (const auto& [id, prompt] : asked) {
        const Answer& answer = engine.answer(id);
        if (answer.done->reason() == wire::STOP_CANCELLED) continue;
        // A character that is cut off at the end has a piece of its own.
        Tokens said = answer.tokens();
        said.resize(4);
        ASSERT_EQ(said, direct.greedy(prompt, 4));
      }
      from_memory += engine.info().prompt_tokens_from_memory();
      from_disk += engine.info().prompt_tokens_from_disk();
    }
  }
  EXPECT_GT(from_memory, 500U);
  EXPECT_GT(from_disk, 500U);
}

}  // namespace
}  // namespace atelier::engine::test
