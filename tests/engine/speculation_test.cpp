// Guessing changes nothing but the time: every answer with it is held against the same without.
//
// On F32 weights and cells and without flash attention. The clock is the test's own: a step takes the same time
// whatever it computes, so that guesses are made wherever there are any.
#include <gtest/gtest.h>
#include <llama.h>

#include <cmath>
#include <random>
#include <vector>

#include "tests/engine/direct_scheduler.h"
#include "tests/engine/shaped_models.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

using Tokens = std::vector<std::int32_t>;

class Speculation : public testing::Test {
 protected:
  Scheduler::Seams seams() {
    Scheduler::Seams seams;
    seams.now = [this] { return now_; };
    seams.decode = [this](llama_context* context, const llama_batch& batch) {
      now_ += std::chrono::milliseconds(10);
      if (batch.n_tokens > 1) now_ += second_row_;
      most_rows_ = std::max(most_rows_, batch.n_tokens);
      return llama_decode(context, batch);
    };
    return seams;
  }
  static wire::LoadConfig config(bool guesses, std::uint32_t parallel, std::uint32_t cells = 4096) {
    wire::LoadConfig config = exact_config();
    config.set_context_length(1024);
    config.set_kv_cells(cells);
    config.set_parallel(parallel);
    config.set_ngram_speculation(guesses);
    return config;
  }

  Clock::time_point now_{std::chrono::hours(1)};
  std::int32_t most_rows_ = 0;
  std::chrono::milliseconds second_row_{0};
};

// A text over few tokens: the same three stand in many places, and what follows them is often something else.
Tokens repetitive(std::mt19937& random, std::size_t length) {
  Tokens tokens;
  const std::int32_t letters = 2 + static_cast<std::int32_t>(random() % 4);
  while (tokens.size() < length) {
    if (tokens.size() > 20 && random() % 3 == 0) {
      const std::size_t from = random() % (tokens.size() - 10);
      for (std::size_t i = 0; i < 10; ++i) tokens.push_back(tokens[from + i]);
    } else {
      tokens.push_back(400 + static_cast<std::int32_t>(random()) % letters);
    }
  }
  tokens.resize(length);
  for (std::int32_t& token : tokens) token = 400 + std::abs(token - 400) % letters;
  return tokens;
}

// Sampling among a few tokens only, so that the answer's grams repeat too.
wire::Generate request(std::mt19937& random) {
  wire::Generate generate = greedy_request(repetitive(random, 20 + random() % 150), 1 + random() % 120);
  generate.mutable_limits()->set_ignore_end_tokens(true);
  wire::Sampling& sampling = *generate.mutable_sampling();
  const float temperatures[] = {0, 0.2F, 0.7F, 1.5F};
  sampling.set_temperature(temperatures[random() % 4]);
  sampling.set_seed(random());
  if (random() % 4 != 0) {
    for (std::int32_t token = 400; token < 406; ++token) {
      wire::LogitBias& bias = *sampling.add_logit_bias();
      bias.set_token(token);
      bias.set_bias(60);
    }
  }
  if (random() % 3 == 0) sampling.set_top_k(3);
  if (random() % 3 == 0) sampling.set_top_p(0.8F);
  if (random() % 4 == 0) sampling.set_repeat_penalty(1.1F);
  if (random() % 6 == 0) sampling.set_mirostat(2);
  if (random() % 6 == 0) {
    sampling.set_xtc_probability(0.5F);
    sampling.set_xtc_threshold(0.2F);
  }
  if (random() % 3 == 0) {
    generate.set_logprobs(true);
    generate.set_top_logprobs(3);
  }
  return generate;
}

TEST_F(Speculation, NoTokenDiffersOverRandomMixes) {
  std::mt19937 random(7);
  std::uint64_t drafted = 0;
  std::uint64_t accepted = 0;
  for (int round = 0; round < 12; ++round) {
    const std::uint32_t parallel = 1 + static_cast<std::uint32_t>(random() % 4);
    // Sometimes so few cells that predictions are preempted.
    const std::uint32_t cells = random() % 3 == 0 ? 1024 : 4096;
    DirectScheduler with(kTinyLlama, config(true, parallel, cells), seams());
    DirectScheduler without(kTinyLlama, config(false, 1));
    std::vector<wire::Generate> requests;
    for (int i = 0; i < 12; ++i) requests.push_back(request(random));
    std::vector<std::uint64_t> ids;
    for (const wire::Generate& generate : requests) {
      ids.push_back(with.submit(generate));
      for (std::size_t steps = random() % 20; steps > 0 && with.scheduler().has_work(); --steps) with.step();
    }
    with.run();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const Answer& answer = with.answer(ids[i]);
      const Answer& expected = without.answer(without.submit(requests[i]));
      without.run();
      ASSERT_EQ(answer.tokens(), expected.tokens()) << requests[i].DebugString();
      ASSERT_EQ(answer.text(), expected.text());
      ASSERT_EQ(answer.done->reason(), expected.done->reason());
      for (std::size_t t = 0; t < answer.pieces.size() && requests[i].logprobs(); ++t) {
        ASSERT_NEAR(answer.pieces[t].logprob(), expected.pieces[t].logprob(), 1e-4);
      }
    }
    const wire::InfoResult info = with.info();
    drafted += info.draft_tokens();
    accepted += info.draft_tokens_accepted();
    EXPECT_EQ(without.info().draft_tokens(), 0U);
  }
  // Right ones and wrong ones, many of both.
  EXPECT_GT(accepted, 500U);
  EXPECT_GT(drafted - accepted, 500U);
}

TEST_F(Speculation, CopyingTakesAFractionOfTheSteps) {
  DirectScheduler engine(kSuccessor, config(true, 1), seams());
  // The successor model says the tokens of its vocabulary in a fixed order; the prompt has said them before.
  DirectScheduler plain(kSuccessor, config(false, 1));
  const auto first = plain.submit(greedy_request({300}, 300));
  plain.run();
  Tokens prompt = plain.answer(first).tokens();
  prompt.push_back(300);
  const auto id = engine.submit(greedy_request(prompt, 200));
  engine.run();
  const wire::Done& done = *engine.answer(id).done;
  EXPECT_EQ(done.predicted_tokens(), 200U);
  EXPECT_GT(done.accepted_draft_tokens(), 170U);
  EXPECT_LE(engine.info().decode_steps(), 25U);
  Tokens said = engine.answer(id).tokens();
  prompt.pop_back();
  prompt.resize(200);
  EXPECT_EQ(said, prompt);
}

TEST_F(Speculation, AnAnswerBeginsWithWhatThoseBeforeItShowed) {
  second_row_ = std::chrono::milliseconds(15);  // more than an answer may lose at its beginning
  DirectScheduler engine(kSuccessor, config(true, 1), seams());
  DirectScheduler plain(kSuccessor, config(false, 1));
  const auto text = plain.submit(greedy_request({300}, 300));
  plain.run();
  Tokens prompt = plain.answer(text).tokens();
  prompt.push_back(300);
  std::vector<std::uint64_t> steps;
  for (int answer = 0; answer < 4; ++answer) {
    const std::uint64_t before = engine.info().decode_steps();
    engine.submit(greedy_request(prompt, 100));
    engine.run();
    steps.push_back(engine.info().decode_steps() - before);
  }
  // Without a reserve it takes 13 steps until two rows can be afforded.
  EXPECT_LE(steps.back(), 12U);
}

TEST_F(Speculation, LimitsAndStopStringsEndAnAnswerWithinADraft) {
  DirectScheduler plain(kSuccessor, config(false, 1));
  const auto first = plain.submit(greedy_request({300}, 300));
  plain.run();
  Tokens prompt = plain.answer(first).tokens();
  const std::string text = plain.answer(first).text();
  prompt.push_back(300);
  for (std::uint64_t limit = 40; limit < 60; ++limit) {
    DirectScheduler engine(kSuccessor, config(true, 1), seams());
    const auto limited = engine.submit(greedy_request(prompt, limit));
    engine.run();
    const wire::Done& done = *engine.answer(limited).done;
    EXPECT_EQ(done.predicted_tokens(), limit);
    EXPECT_EQ(engine.answer(limited).tokens(), Tokens(prompt.begin(), prompt.begin() + static_cast<long>(limit)));
    EXPECT_EQ(done.reason(), wire::STOP_MAX_TOKENS);

    wire::Generate stopped = greedy_request(prompt, 300);
    const std::string stop = text.substr(100 + limit, 5);
    stopped.mutable_limits()->add_stop_strings(stop);
    const auto id = engine.submit(stopped);
    engine.run();
    EXPECT_EQ(engine.answer(id).text(), text.substr(0, text.find(stop)));
    EXPECT_EQ(engine.answer(id).done->reason(), wire::STOP_STRING);
    // Everything that was guessed is accounted for.
    const wire::Done& end = *engine.answer(id).done;
    EXPECT_EQ(engine.info().draft_tokens(), done.accepted_draft_tokens() + done.rejected_draft_tokens() +
                                                done.ignored_draft_tokens() + end.accepted_draft_tokens() +
                                                end.rejected_draft_tokens() + end.ignored_draft_tokens());
    EXPECT_EQ(engine.info().draft_tokens_accepted(), done.accepted_draft_tokens() + end.accepted_draft_tokens());
  }
}

TEST_F(Speculation, WhatWasGuessedWrongIsNotKeptForOthers) {
  std::mt19937 random(9);
  DirectScheduler engine(kTinyLlama, config(true, 1), seams());
  for (int i = 0; i < 20; ++i) {
    wire::Generate generate = request(random);
    const auto first = engine.submit(generate);
    engine.run();
    // The same again, with more behind it: takes prompt and answer from the cache.
    Tokens tokens(generate.prompt(0).tokens().ids().begin(), generate.prompt(0).tokens().ids().end());
    const Tokens answer = engine.answer(first).tokens();
    tokens.insert(tokens.end(), answer.begin(), answer.end());
    tokens.push_back(500);
    const auto second = engine.submit(greedy_request(tokens, 5));
    engine.run();
    DirectModel direct(kTinyLlama);
    ASSERT_EQ(engine.answer(second).tokens(), direct.greedy(tokens, 5));
  }
  EXPECT_GT(engine.info().draft_tokens(), engine.info().draft_tokens_accepted());
}

TEST_F(Speculation, IsLeftAloneWhereTokensCannotBeTakenBack) {
  for (const MemoryKind kind : {MemoryKind::kRecurrent, MemoryKind::kSlidingWindow}) {
    const ShapedModel model(kind);
    DirectScheduler engine(model.path(), config(true, 1), seams());
    EXPECT_FALSE(engine.model().guesses_from_text());
    std::mt19937 random(10);
    engine.submit(request(random));
    engine.run();
    EXPECT_EQ(engine.info().draft_tokens(), 0U);
  }
}

}  // namespace
}  // namespace atelier::engine::test
