// What prompts of recurrent and hybrid models take over from checkpoints (engine/checkpoints.h), and what becomes of
// these. That outputs are the same as without is shown in prefix_cache_test.cpp.
#include <gtest/gtest.h>
#include <llama.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/direct_scheduler.h"
#include "tests/engine/shaped_models.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

using Tokens = std::vector<std::int32_t>;

wire::Generate request_for(const Tokens& prompt, std::uint64_t max_tokens) {
  wire::Generate request = greedy_request(prompt, max_tokens);
  request.mutable_limits()->set_ignore_end_tokens(true);
  return request;
}

class CheckpointReuse : public testing::TestWithParam<MemoryKind> {
 protected:
  wire::LoadConfig config(std::uint32_t parallel) const {
    wire::LoadConfig config = exact_config();
    config.set_context_length(2048);
    config.set_kv_cells(8192);
    config.set_parallel(parallel);
    return config;
  }
  // Without marks of lines.
  Tokens text(std::size_t count) {
    Tokens tokens = random_tokens(random_, count);
    for (std::int32_t& token : tokens) {
      while (vocabulary_.ends_line(token)) ++token;
    }
    return tokens;
  }
  // `count` tokens, the last of which ends the turn.
  Tokens turn(std::size_t count) {
    Tokens tokens = text(count);
    tokens.back() = turn_end_;
    return tokens;
  }
  const Answer& ask(DirectScheduler& engine, const Tokens& prompt, std::uint64_t max_tokens = 5) {
    const auto id = engine.submit(request_for(prompt, max_tokens));
    engine.run();
    return engine.answer(id);
  }
  std::uint64_t cached(DirectScheduler& engine, const Tokens& prompt) {
    return ask(engine, prompt).done->cached_tokens();
  }

  const ShapedModel model_{GetParam()};
  std::mt19937 random_{1};
  DirectScheduler any_{model_.path(), exact_config()};
  const Vocabulary& vocabulary_ = any_.model().vocabulary();
  const std::int32_t turn_end_ = vocabulary_.end_tokens().front();
  const Tokens header_ = text(3);  // what a template writes before an answer
};

TEST_P(CheckpointReuse, ANewConversationComputesNoSystemPromptAgain) {
  DirectScheduler engine(model_.path(), config(2));
  EXPECT_EQ(engine.info().prefix_reuse(), "whole");
  const Tokens system = turn(100);
  EXPECT_EQ(cached(engine, joined(joined(system, turn(60)), header_)), 0U);
  // One behind the system prompt, one behind the question.
  EXPECT_EQ(engine.info().checkpoints_kept(), 2U);
  EXPECT_EQ(cached(engine, joined(joined(system, turn(60)), header_)), 100U);
  EXPECT_EQ(cached(engine, joined(joined(system, turn(20)), header_)), 100U);
  EXPECT_EQ(engine.info().prompt_tokens_unusable(), 0U);
  EXPECT_EQ(engine.info().checkpoints_used(), 2U);
  EXPECT_EQ(engine.info().prompt_tokens_computed(), 163U + 63 + 23);
}

TEST_P(CheckpointReuse, TheNextTurnGoesOnBehindTheQuestionWhereThoughtsAreLeftOut) {
  DirectScheduler engine(model_.path(), config(2));
  Tokens conversation = joined(turn(100), turn(60));
  for (int i = 0; i < 5; ++i) {
    const std::size_t before = conversation.size();
    const Tokens answer = ask(engine, joined(conversation, header_), 40).tokens();
    // Half of it was thought, and stands in no later prompt.
    conversation = joined(joined(conversation, header_), Tokens(answer.begin() + 20, answer.end()));
    conversation.push_back(turn_end_);
    conversation = joined(conversation, turn(50));
    EXPECT_EQ(cached(engine, joined(conversation, header_)), before);
  }
}

TEST_P(CheckpointReuse, WholeAnswersAreGoneOnFrom) {
  DirectScheduler engine(model_.path(), config(2));
  const Tokens prompt = joined(joined(turn(100), turn(60)), header_);
  Tokens conversation = joined(prompt, ask(engine, prompt, 30).tokens());
  conversation.push_back(turn_end_);
  EXPECT_EQ(cached(engine, joined(joined(conversation, turn(40)), header_)), prompt.size() + 29);
}

TEST_P(CheckpointReuse, ANewTryComputesNoMoreThanWhatFollowsTheLastTurn) {
  DirectScheduler engine(model_.path(), config(2));
  const Tokens prompt = joined(joined(turn(100), turn(60)), header_);
  const Tokens first = ask(engine, prompt).tokens();
  const Answer& again = ask(engine, prompt);
  EXPECT_EQ(again.done->cached_tokens(), 160U);
  EXPECT_EQ(again.tokens(), first);
  // Another last question.
  EXPECT_EQ(cached(engine, joined(joined(Tokens(prompt.begin(), prompt.begin() + 100), turn(60)), header_)), 100U);
}

TEST_P(CheckpointReuse, TheSameTextWithOtherLastWordsIsComputedFromThere) {
  DirectScheduler engine(model_.path(), config(2));
  const Tokens document = text(300);
  EXPECT_EQ(cached(engine, joined(document, text(8))), 0U);
  EXPECT_EQ(cached(engine, joined(document, text(8))), 300U);
}

TEST_P(CheckpointReuse, WhatTwoPromptsShareWithoutAnyMarkTheThirdFinds) {
  DirectScheduler engine(model_.path(), config(2));
  const Tokens shared = text(300);
  const auto rest = [&](std::int32_t first) {
    Tokens tokens = text(100);
    tokens.front() = first;
    return tokens;
  };
  EXPECT_EQ(cached(engine, joined(shared, rest(301))), 0U);
  EXPECT_EQ(cached(engine, joined(shared, rest(302))), 0U);
  EXPECT_EQ(engine.info().prompt_tokens_unusable(), 300U);
  EXPECT_EQ(cached(engine, joined(shared, rest(303))), 300U);
  EXPECT_EQ(engine.info().prompt_tokens_unusable(), 300U);
}

TEST_P(CheckpointReuse, PromptsThatComeTogetherComputeWhatTheyShareOnce) {
  DirectScheduler engine(model_.path(), config(8));
  const Tokens system = text(600);
  std::vector<std::uint64_t> ids;
  for (std::int32_t i = 0; i < 8; ++i) {
    Tokens rest = text(10);
    rest.front() = 400 + i;
    ids.push_back(engine.submit(request_for(joined(system, rest), 5)));
  }
  engine.run();
  EXPECT_EQ(engine.info().prompt_tokens_computed(), 600U + 8 * 10);
  EXPECT_EQ(engine.info().prompt_tokens_unusable(), 0U);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(engine.answer(ids[i]).started->cached_tokens(), i == 0 ? 0U : 600U);
  }
}

TEST_P(CheckpointReuse, WhoWaitsGoesOnAloneWhenTheOtherIsCancelledOrPaused) {
  for (const bool cancel : {true, false}) {
    DirectScheduler engine(model_.path(), config(2));
    const Tokens system = text(1000);
    const auto first = engine.submit(request_for(joined(system, text(10)), 5));
    const auto second = engine.submit(request_for(joined(system, text(10)), 5));
    engine.step();
    ASSERT_FALSE(engine.answer(second).started);
    if (cancel)
      engine.scheduler().cancel(first);
    else
      engine.scheduler().pause(first);
    engine.run_until_ended(second);
    EXPECT_TRUE(engine.answer(second).done);
    if (!cancel) engine.scheduler().resume(first);
    engine.run();
    EXPECT_TRUE(engine.answer(first).ended());
  }
}

TEST_P(CheckpointReuse, LogProbabilitiesOfAPromptAreComputedWhatEverIsThere) {
  DirectScheduler engine(model_.path(), config(2));
  const Tokens prompt = joined(joined(turn(100), turn(60)), header_);
  wire::Generate request = request_for(prompt, 3);
  request.set_prompt_logprobs(true);
  std::vector<float> logprobs[2];
  for (auto& of_this : logprobs) {
    const auto id = engine.submit(request);
    engine.run();
    EXPECT_EQ(engine.answer(id).done->cached_tokens(), 0U);
    for (const wire::Piece& piece : engine.answer(id).prompt_pieces) of_this.push_back(piece.logprob());
    ASSERT_EQ(of_this.size(), prompt.size());
  }
  for (std::size_t i = 0; i < prompt.size(); ++i) EXPECT_NEAR(logprobs[0][i], logprobs[1][i], 1e-5) << i;
  // What it left is others'.
  EXPECT_EQ(cached(engine, prompt), 160U);
}

TEST_P(CheckpointReuse, AConversationOfManyTurnsPushesOutNeitherTheSystemPromptNorAnother) {
  wire::LoadConfig few = config(4);
  few.set_kv_memory_bytes(0);
  DirectScheduler engine(model_.path(), few);
  const std::size_t most = engine.model().cell_limits().kept_sequences;
  ASSERT_EQ(most, 6U);
  const Tokens system = turn(100);
  Tokens other = joined(joined(system, turn(60)), header_);
  other = joined(other, ask(engine, other, 20).tokens());
  Tokens conversation = joined(system, turn(60));
  for (int i = 0; i < 20; ++i) {
    conversation = joined(conversation, header_);
    conversation = joined(conversation, ask(engine, conversation).tokens());
    conversation.push_back(turn_end_);
    conversation = joined(conversation, turn(40));
    EXPECT_LE(engine.info().sequences_cached(), most);
  }
  EXPECT_EQ(cached(engine, joined(other, text(5))), other.size() - 1);
  EXPECT_EQ(cached(engine, joined(joined(system, turn(60)), header_)), 100U);
}

TEST_P(CheckpointReuse, WhatWasNotUsedForTheLongestTimeGoes) {
  wire::LoadConfig few = config(2);
  few.set_kv_memory_bytes(0);
  DirectScheduler engine(model_.path(), few);
  const Tokens old_system = turn(100);
  const Tokens system = turn(100);
  ask(engine, joined(joined(old_system, turn(60)), header_));
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(cached(engine, joined(joined(system, turn(60)), header_)), i == 0 ? 0U : 100U);
    EXPECT_EQ(engine.info().sequences_cached(), 4U);
  }
  EXPECT_EQ(cached(engine, joined(joined(old_system, turn(60)), header_)), 0U);
}

TEST_P(CheckpointReuse, AfterAFailedStepNothingIsReusedAndTheOthersGoOn) {
  bool fails = false;
  Scheduler::Seams seams;
  seams.decode = [&](llama_context* context, const llama_batch& batch) {
    const std::int32_t result = llama_decode(context, batch);
    return std::exchange(fails, false) ? -3 : result;
  };
  DirectScheduler engine(model_.path(), config(4), seams);
  const Tokens prompt = joined(joined(turn(100), turn(60)), header_);
  const Tokens expected = ask(engine, prompt, 20).tokens();
  const auto paused = engine.submit(request_for(prompt, 20));
  while (engine.answer(paused).pieces.size() < 5) engine.step();
  engine.scheduler().pause(paused);
  ASSERT_GT(engine.info().sequences_cached(), 0U);
  fails = true;
  const auto failed = engine.submit(request_for(text(50), 5));
  engine.run();
  EXPECT_TRUE(engine.answer(failed).error);
  EXPECT_EQ(engine.info().sequences_cached(), 0U);
  engine.scheduler().resume(paused);
  engine.run();
  EXPECT_EQ(engine.answer(paused).tokens(), expected);
}

std::string name_of(const testing::TestParamInfo<MemoryKind>& kind) {
  return kind.param == MemoryKind::kRecurrent ? "Recurrent" : "Hybrid";
}
INSTANTIATE_TEST_SUITE_P(Models, CheckpointReuse, testing::Values(MemoryKind::kRecurrent, MemoryKind::kHybrid),
                         name_of);

}  // namespace
}  // namespace atelier::engine::test
