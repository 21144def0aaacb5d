#include "engine/step_pacer.h"

#include <gtest/gtest.h>
#include <llama.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "tests/engine/direct_scheduler.h"
#include "tests/engine/test_models.h"

namespace atelier::engine {
namespace {

using Seconds = StepPacer::Seconds;

StepPacer::Limits limits() { return {.alone = 256, .most = 512, .first = 64, .target = Seconds(0.75)}; }

// A machine on which a step takes `fixed` and each prompt token `each` more.
std::size_t settle(StepPacer& pacer, double fixed, double each, std::size_t depth, int steps = 30) {
  std::size_t tokens = 0;
  for (int i = 0; i < steps; ++i) {
    tokens = pacer.prompt_tokens(1, depth);
    pacer.note_step(tokens, Seconds(fixed + each * static_cast<double>(tokens)));
  }
  return tokens;
}

TEST(StepPacer, StepsTakeWhatTheTargetAllowsAndNotMuchLess) {
  for (const double each : {0.001, 0.002, 0.004, 0.01}) {
    StepPacer pacer(limits());
    const std::size_t tokens = settle(pacer, 0.05, each, 0);
    const double time = 0.05 + each * static_cast<double>(tokens);
    EXPECT_LE(time, 0.75) << each;
    EXPECT_TRUE(tokens >= 511 || time >= 0.3) << each << ": " << time;
  }
}

TEST(StepPacer, AFastMachineGetsTheWholeBatchWithinAFewSteps) {
  StepPacer pacer(limits());
  EXPECT_EQ(settle(pacer, 0.001, 0.00002, 0, 5), 511U);
}

TEST(StepPacer, FollowsWhatBecomesSlower) {
  StepPacer pacer(limits());
  EXPECT_EQ(settle(pacer, 0.05, 0.001, 0), 511U);
  const std::size_t later = settle(pacer, 0.05, 0.02, 0, 6);
  EXPECT_LE(later, 35U);
  EXPECT_GE(later, 15U);
}

TEST(StepPacer, DeepPromptsGetAtLeastATile) {
  StepPacer pacer(limits());
  EXPECT_EQ(settle(pacer, 0.5, 0.05, 3000), 63U);
  EXPECT_EQ(settle(pacer, 0.5, 0.05, 10), 15U);
}

TEST(StepPacer, AllRowsTogetherAreWholeTiles) {
  for (const double each : {0.0005, 0.002, 0.004, 0.006, 0.01, 0.02, 0.05}) {
    for (const std::size_t running : {1, 2, 7, 31, 40, 63, 64, 65, 100}) {
      StepPacer pacer(limits());
      std::size_t tokens = 0;
      for (int i = 0; i < 30; ++i) {
        tokens = pacer.prompt_tokens(running, i < 15 ? 0 : 3000);
        const std::size_t rows = tokens + running;
        EXPECT_GE(tokens, 15U);
        if (tokens < 512) {
          EXPECT_EQ(rows % (rows < 64 ? 16 : 64), 0U) << rows << " rows";
        }
        pacer.note_step(tokens, Seconds(0.02 + each * static_cast<double>(rows)));
      }
    }
  }
}

TEST(StepPacer, TheRestOfAPromptTellsNothingOfAFullStep) {
  StepPacer pacer(limits());
  const std::size_t before = settle(pacer, 0.05, 0.004, 0);
  pacer.note_step(3, Seconds(0.4));
  EXPECT_EQ(pacer.prompt_tokens(1, 0), before);
  pacer.note_step(0, Seconds(0.01));
  EXPECT_EQ(pacer.prompt_tokens(1, 0), before);
}

TEST(StepPacer, AloneTheLengthIsFixed) {
  StepPacer pacer(limits());
  settle(pacer, 0.5, 0.05, 0);
  EXPECT_EQ(pacer.prompt_tokens(0, 0), 256U);
}

TEST(StepPacer, WithoutATargetStepsAreAsLongAsTheBatch) {
  StepPacer::Limits without = limits();
  without.target = Seconds(0);
  StepPacer pacer(without);
  pacer.note_step(64, Seconds(100));
  EXPECT_EQ(pacer.prompt_tokens(1, 0), 512U);
}

// ---------------------------------------------------------------- in the scheduler

class Paced : public testing::Test {
 protected:
  // A step takes 20 ms and 3 ms for each of its tokens, on a clock of our own.
  Scheduler::Seams seams() {
    Scheduler::Seams seams;
    seams.now = [this] { return now_; };
    seams.decode = [this](llama_context* context, const llama_batch& batch) {
      const std::int32_t result = llama_decode(context, batch);
      now_ += std::chrono::milliseconds(20 + 3 * batch.n_tokens);
      return result;
    };
    return seams;
  }
  // These, and the rows of each step.
  Scheduler::Seams noting(std::vector<std::int32_t>& rows) {
    Scheduler::Seams seams = this->seams();
    seams.decode = [&rows, decode = seams.decode](llama_context* context, const llama_batch& batch) {
      rows.push_back(batch.n_tokens);
      return decode(context, batch);
    };
    return seams;
  }
  static wire::LoadConfig config(std::uint32_t gap_ms) {
    wire::LoadConfig config = test::exact_config();
    config.set_context_length(2048);
    config.set_kv_cells(8192);
    config.set_token_gap_ms(gap_ms);
    return config;
  }
  static wire::Generate request(std::size_t prompt, std::uint64_t answer, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<std::int32_t> tokens(prompt);
    for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(300 + random() % 700);
    wire::Generate generate = test::greedy_request(tokens, answer);
    generate.mutable_limits()->set_ignore_end_tokens(true);
    return generate;
  }

  Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(Paced, ARunningStreamKeepsItsPaceWhileALongPromptIsComputed) {
  for (const std::uint32_t gap_ms : {150U, 300U, 600U}) {
    test::DirectScheduler engine(test::kTinyLlama, config(gap_ms), seams());
    const auto stream = engine.submit(request(10, 200, 1));
    while (engine.answer(stream).pieces.size() < 5) engine.step();
    const auto prompt = engine.submit(request(900, 1, 2));
    Clock::time_point last = now_;
    Clock::duration worst{};
    std::size_t pieces = engine.answer(stream).pieces.size();
    while (!engine.answer(prompt).ended()) {
      engine.step();
      ASSERT_EQ(engine.answer(stream).pieces.size(), ++pieces);
      worst = std::max(worst, now_ - last);
      last = now_;
    }
    // 64 tokens are the first slice: nothing is known yet.
    EXPECT_LE(worst, std::max(std::chrono::milliseconds(gap_ms), std::chrono::milliseconds(20 + 3 * 65)));
    EXPECT_GE(worst, std::chrono::milliseconds(gap_ms) / 2);
  }
}

// In a batch each row looks past the cells of all others, so where those are many, prompts and streams take turns.
TEST_F(Paced, StreamsWithManyCellsAndPromptsAreComputedApart) {
  Scheduler::Seams seams = this->seams();
  const auto decode = seams.decode;
  std::vector<std::vector<std::int32_t>> batches;  // the sequence of each row
  seams.decode = [&](llama_context* context, const llama_batch& batch) {
    batches.emplace_back();
    for (std::int32_t i = 0; i < batch.n_tokens; ++i) batches.back().push_back(batch.seq_id[i][0]);
    return decode(context, batch);
  };
  for (const std::size_t length : {700U, 60U}) {
    wire::LoadConfig without_guesses = config(300);
    without_guesses.set_ngram_speculation(false);
    without_guesses.set_flash_attention(wire::SWITCH_ON);
    test::DirectScheduler engine(test::kTinyLlama, without_guesses, seams);
    std::vector<std::uint64_t> asked{engine.submit(request(length, 200, 1)), engine.submit(request(length, 200, 2))};
    while (engine.answer(asked[1]).pieces.size() < 5) engine.step();
    asked.push_back(engine.submit(request(400, 3, 3)));
    asked.push_back(engine.submit(request(60, 3, 4)));
    batches.clear();
    while (!engine.answer(asked[2]).ended() || !engine.answer(asked[3]).ended()) engine.step();
    const auto has_streams = [](const auto& rows) { return std::ranges::find(rows, 0) != rows.end(); };
    const auto has_prompts = [](const auto& rows) { return rows.size() > 4; };
    const auto is_mixed = [&](const auto& rows) { return has_streams(rows) && has_prompts(rows); };
    EXPECT_EQ(std::ranges::count_if(batches, is_mixed) > 0, length == 60) << batches.size();
    for (std::size_t i = 1; i < batches.size(); ++i)
      EXPECT_TRUE(has_streams(batches[i - 1]) || has_streams(batches[i]));
    engine.run();
    for (std::size_t i = 2; i < asked.size(); ++i) {
      test::DirectScheduler alone(test::kTinyLlama, without_guesses);
      const auto id = alone.submit(request(i == 2 ? 400 : 60, 3, static_cast<std::uint32_t>(i + 1)));
      alone.run();
      EXPECT_EQ(engine.answer(asked[i]).tokens(), alone.answer(id).tokens()) << i;
    }
  }
}

// Attention goes row by row where there are fewer than 64.
TEST_F(Paced, TheEndOfADeepPromptGoesWithWhatIsBeforeIt) {
  const std::vector<std::vector<std::int32_t>> expected{
      {256, 256, 297},      // 41 would be left behind 768
      {256, 256, 256, 11},  // so few are quick by themselves
      {256, 40},            // and so are those behind few
  };
  for (const auto& batches : expected) {
    std::vector<std::int32_t> rows;
    const Scheduler::Seams seams = noting(rows);
    wire::LoadConfig tiled = config(300);
    tiled.set_flash_attention(wire::SWITCH_ON);
    test::DirectScheduler engine(test::kTinyLlama, tiled, seams);
    std::size_t length = 0;
    for (const std::int32_t batch : batches) length += static_cast<std::size_t>(batch);
    engine.run_until_ended(engine.submit(request(length, 1, 1)));
    EXPECT_EQ(rows, batches);
  }
}

// Beside a stream that would be a gap of twice the length: the end is a step of its own, filled up to 64 rows.
TEST_F(Paced, BesideAStreamTheEndOfADeepPromptIsAStepOfItsOwn) {
  bool filled_up = false;
  for (const std::size_t length : {1500U, 1520U, 1540U}) {
    std::vector<std::int32_t> rows;
    const Scheduler::Seams seams = noting(rows);
    wire::LoadConfig tiled = config(300);
    tiled.set_ngram_speculation(false);
    tiled.set_flash_attention(wire::SWITCH_ON);
    test::DirectScheduler engine(test::kTinyLlama, tiled, seams);
    const auto stream = engine.submit(request(20, 200, 1));
    while (engine.answer(stream).pieces.size() < 3) engine.step();
    rows.clear();
    engine.run_until_ended(engine.submit(request(length, 1, 2)));
    EXPECT_LE(std::ranges::max(rows), 64) << length;
    // More rows than there are tokens.
    filled_up |= std::accumulate(rows.begin(), rows.end(), std::size_t{0}) > length + rows.size();
  }
  EXPECT_TRUE(filled_up);
}

// A short question behind much that is there: rows of nobody make a tile of its batch, and nothing is left of them.
TEST_F(Paced, AShortEndBehindMuchThatIsThereIsFilledUpToATile) {
  struct Case {
    const char* what;
    std::size_t held;
    std::size_t rows;
    std::int32_t batch;
    std::function<void(wire::LoadConfig&)> change;
  };
  const auto none = [](wire::LoadConfig&) {};
  for (const Case& c :
       {Case{"tiled", 1900, 50, 64, none}, Case{"so few are quick by themselves", 1900, 20, 20, none},
        Case{"no tiles", 1900, 50, 50, [](auto& config) { config.set_flash_attention(wire::SWITCH_OFF); }},
        Case{"not of these cells", 1900, 50, 50, [](auto& config) { config.set_k_cache_type("q8_0"); }},
        Case{"no room", 1990, 50, 50, [](auto& config) {
               config.set_parallel(1);
               config.set_kv_cells(2048);
             }}}) {
    std::vector<std::vector<std::int32_t>> batches;  // the sequence of each row
    Scheduler::Seams seams = this->seams();
    const auto decode = seams.decode;
    seams.decode = [&](llama_context* context, const llama_batch& batch) {
      batches.emplace_back();
      for (std::int32_t i = 0; i < batch.n_tokens; ++i) batches.back().push_back(batch.seq_id[i][0]);
      return decode(context, batch);
    };
    wire::LoadConfig tiled = config(300);
    tiled.set_flash_attention(wire::SWITCH_ON);
    c.change(tiled);
    test::DirectScheduler engine(test::kTinyLlama, tiled, seams);
    std::mt19937 random(1);
    const auto first = test::random_tokens(random, c.held);
    engine.run_until_ended(engine.submit(test::greedy_request(first, 1)));
    batches.clear();
    const auto prompt = test::joined(first, test::random_tokens(random, c.rows));
    wire::Generate request = test::greedy_request(prompt, 8);
    request.mutable_limits()->set_ignore_end_tokens(true);
    const auto asked = engine.submit(request);
    engine.run();
    ASSERT_FALSE(batches.empty()) << c.what;
    EXPECT_EQ(batches[0].size(), static_cast<std::size_t>(c.batch)) << c.what;
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(batches[0], 0)), c.rows) << c.what;
    EXPECT_EQ(engine.info().cells_cached(), prompt.size() + 7) << c.what;
    test::DirectScheduler alone(test::kTinyLlama, tiled);
    const auto id = alone.submit(request);
    alone.run();
    EXPECT_EQ(engine.answer(asked).tokens(), alone.answer(id).tokens()) << c.what;
  }
}

TEST_F(Paced, AShortPromptDoesNotWaitBehindALongOne) {
  test::DirectScheduler engine(test::kTinyLlama, config(750), seams());
  const auto document = engine.submit(request(1900, 1, 3));
  engine.step();
  const auto question = engine.submit(request(40, 1, 4));
  engine.run_until_ended(question);
  const auto& progress = engine.answer(document).progress;
  EXPECT_FALSE(engine.answer(document).ended());
  // It took one step, and the document had at least half of it.
  ASSERT_EQ(progress.size(), 2U);
  EXPECT_GE(progress[1].processed_tokens() - progress[0].processed_tokens(), 128U);
  engine.run();
}

TEST_F(Paced, ALongPromptIsNotHeldUpByShortOnesThatKeepComing) {
  test::DirectScheduler engine(test::kTinyLlama, config(750), seams());
  const auto document = engine.submit(request(1900, 1, 5));
  std::uint32_t questions = 0;
  int steps = 0;
  while (!engine.answer(document).ended()) {
    engine.submit(request(100, 1, 100 + questions++));
    engine.step();
    ++steps;
  }
  // Alone it takes 8 steps of 256.
  EXPECT_LE(steps, 17);
  engine.run();
}

}  // namespace
}  // namespace atelier::engine
