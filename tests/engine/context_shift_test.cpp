// What happens when the context is full in the middle of an answer: that it goes on, says what it should, and leaves
// nothing behind that another prompt could take for its own.
//
// F32 weights and cells, no flash attention. What the engine says is held against loops of llama_decode.
#include <gtest/gtest.h>
#include <llama.h>

#include <algorithm>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "engine/shift_probe.h"
#include "tests/engine/direct_scheduler.h"
#include "tests/engine/shaped_models.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

using Tokens = std::vector<std::int32_t>;

wire::LoadConfig config(std::uint32_t context, std::uint32_t cells, std::uint32_t parallel = 2) {
  wire::LoadConfig config = exact_config();
  config.set_context_length(context);
  config.set_kv_cells(cells);
  config.set_parallel(parallel);
  return config;
}

wire::Generate request_for(const Tokens& prompt, std::uint64_t max_tokens) {
  wire::Generate request = greedy_request(prompt, max_tokens);
  request.mutable_limits()->set_ignore_end_tokens(true);
  return request;
}

wire::Generate shifting(const Tokens& head, const Tokens& rest, std::uint64_t max_tokens) {
  wire::Generate request = request_for(head, max_tokens);
  request.add_prompt()->mutable_tokens()->mutable_ids()->Add(rest.begin(), rest.end());
  request.mutable_context_shift()->set_kept_segments(1);
  return request;
}

Tokens part(const Tokens& tokens, std::size_t from, std::size_t to = SIZE_MAX) {
  return {tokens.begin() + static_cast<std::ptrdiff_t>(from),
          tokens.begin() + static_cast<std::ptrdiff_t>(std::min(to, tokens.size()))};
}

// What is left of a full context.
Tokens without_older_half(const Tokens& tokens, std::size_t head) {
  const std::size_t count = (tokens.size() - 1 - head + 1) / 2;
  return joined(part(tokens, 0, head), part(tokens, head + count));
}

// The plain loop: one sequence, one token after the other, and what a full context is shifted by is removed and the
// rest moved.
class ShiftingLoop {
 public:
  explicit ShiftingLoop(const std::string& path) : direct_(path) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = 1024;
    params.n_threads = params.n_threads_batch = 1;
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    context_.reset(llama_init_from_model(direct_.model(), params));
    if (!context_) throw std::runtime_error("no context");
  }

  Tokens greedy(const Tokens& prompt, std::size_t head, std::size_t context_length, std::size_t count) {
    llama_memory_t memory = llama_get_memory(context_.get());
    llama_memory_clear(memory, true);
    Tokens held = prompt;
    Tokens pending = prompt;
    Tokens answer;
    while (answer.size() < count) {
      const std::int32_t next = next_after(pending);
      answer.push_back(next);
      held.push_back(next);
      pending = {next};
      if (held.size() < context_length) continue;
      const auto before = static_cast<llama_pos>(held.size()) - 1;
      held = without_older_half(held, head);
      const auto gone = before + 1 - static_cast<llama_pos>(held.size());
      const auto first = static_cast<llama_pos>(head);
      llama_memory_seq_rm(memory, 0, first, first + gone);
      llama_memory_seq_add(memory, 0, first + gone, before, -gone);
    }
    return answer;
  }
  // With every full context begun from nothing.
  Tokens greedy_again(Tokens held, std::size_t head, std::size_t context_length, std::size_t count) {
    llama_memory_t memory = llama_get_memory(context_.get());
    Tokens answer;
    Tokens pending = held;
    llama_memory_clear(memory, true);
    while (answer.size() < count) {
      const std::int32_t next = next_after(pending);
      answer.push_back(next);
      held.push_back(next);
      pending = {next};
      if (held.size() < context_length) continue;
      held = without_older_half(held, head);
      pending = held;
      llama_memory_clear(memory, true);
    }
    return answer;
  }

 private:
  std::int32_t next_after(Tokens& tokens) {
    if (llama_decode(context_.get(), llama_batch_get_one(tokens.data(), static_cast<std::int32_t>(tokens.size()))) != 0)
      throw std::runtime_error("llama_decode");
    const float* row = llama_get_logits_ith(context_.get(), -1);
    std::int32_t best = -1;
    for (std::int32_t token = 0; token < llama_vocab_n_tokens(direct_.vocab()); ++token) {
      if (llama_vocab_is_eog(direct_.vocab(), token)) continue;
      if (best < 0 || row[token] > row[best]) best = token;
    }
    return best;
  }

  DirectModel direct_;
  std::unique_ptr<llama_context, ContextDeleter> context_;
};

// A character that is cut off at the end has a piece of its own, which is no token.
Tokens said(const Answer& answer) {
  Tokens tokens = answer.tokens();
  tokens.resize(std::min<std::size_t>(tokens.size(), answer.done ? answer.done->predicted_tokens() : SIZE_MAX));
  return tokens;
}

Tokens answer_of(DirectScheduler& engine, const wire::Generate& request) {
  const auto id = engine.submit(request);
  engine.run();
  return said(engine.answer(id));
}

// ---------------------------------------------------------------- the answer

TEST(ContextShift, TheAnswerGoesOnAsWithAShiftByHand) {
  for (const std::string& path : {kTinyLlama, kTinyQwen2}) {
    std::mt19937 random(1);
    ShiftingLoop loop(path);
    for (const std::size_t head_length : {0U, 1U, 20U, 100U}) {
      // Every one with cells of its own.
      DirectScheduler engine(path, config(256, 1024));
      const Tokens head = random_tokens(random, head_length);
      const Tokens rest = random_tokens(random, 60);
      wire::Generate request = shifting(head, rest, 700);
      if (head_length == 0) {
        request = request_for(rest, 700);
        request.mutable_context_shift()->set_kept_segments(0);
      }
      const auto id = engine.submit(request);
      engine.run();
      const Answer& answer = engine.answer(id);
      ASSERT_TRUE(answer.done) << answer.error->message();
      EXPECT_EQ(answer.done->reason(), wire::STOP_MAX_TOKENS);
      EXPECT_EQ(answer.done->predicted_tokens(), 700U);
      EXPECT_EQ(answer.done->prompt_tokens(), head_length + 60);
      EXPECT_EQ(answer.done->cached_tokens(), 0U);
      // What was said and is not there any more.
      EXPECT_GT(answer.done->dropped_tokens(), 700U + 60 - 256);
      EXPECT_EQ(answer.progress.back().processed_tokens(), head_length + 60);
      EXPECT_EQ(said(answer), loop.greedy(joined(head, rest), head_length, 256, 700)) << path << " " << head_length;
      const wire::InfoResult info = engine.info();
      EXPECT_GT(info.context_shifts(), 3U);
      EXPECT_EQ(info.context_shifts_computed(), 0U);
      EXPECT_EQ(info.prompt_tokens_computed(), head_length + 60);
      EXPECT_EQ(info.cells_used(), 0U);
      // Only the head is what it would be elsewhere.
      EXPECT_EQ(info.cells_cached(), head_length);
    }
  }
}

TEST(ContextShift, EndsWithTheContextWhereNobodyAskedForMore) {
  std::mt19937 random(2);
  DirectScheduler engine(kTinyLlama, config(128, 512));
  const auto id = engine.submit(request_for(random_tokens(random, 60), 0));
  engine.run();
  EXPECT_EQ(engine.answer(id).done->reason(), wire::STOP_CONTEXT_LENGTH);
  EXPECT_EQ(engine.answer(id).done->predicted_tokens(), 68U);
  EXPECT_EQ(engine.answer(id).done->dropped_tokens(), 0U);
}

TEST(ContextShift, AnAnswerWithoutALimitEndsAfterFourContexts) {
  std::mt19937 random(3);
  DirectScheduler engine(kTinyLlama, config(128, 512));
  const auto id = engine.submit(shifting(random_tokens(random, 10), random_tokens(random, 50), 0));
  engine.run();
  EXPECT_EQ(engine.answer(id).done->reason(), wire::STOP_CONTEXT_LENGTH);
  EXPECT_GE(engine.answer(id).done->predicted_tokens(), 4U * 128);
  EXPECT_LT(engine.answer(id).done->predicted_tokens(), 5U * 128);
}

TEST(ContextShift, EndsWhereTheHeadLeavesTooLittleToGo) {
  std::mt19937 random(4);
  DirectScheduler engine(kTinyLlama, config(128, 512));
  // What is behind the head and in cells: an eighth of the context, and one token less.
  const auto enough = engine.submit(shifting(random_tokens(random, 111), random_tokens(random, 1), 200));
  const auto too_little = engine.submit(shifting(random_tokens(random, 112), random_tokens(random, 1), 200));
  engine.run();
  EXPECT_EQ(engine.answer(enough).done->reason(), wire::STOP_MAX_TOKENS);
  EXPECT_EQ(engine.answer(enough).done->predicted_tokens(), 200U);
  EXPECT_EQ(engine.answer(too_little).done->reason(), wire::STOP_CONTEXT_LENGTH);
  EXPECT_EQ(engine.answer(too_little).done->predicted_tokens(), 15U);
}

TEST(ContextShift, APromptThatFillsTheContextLosesItsOwnMiddle) {
  std::mt19937 random(5);
  DirectScheduler engine(kTinyLlama, config(256, 512));
  const Tokens head = random_tokens(random, 20);
  const Tokens rest = random_tokens(random, 235);
  const auto id = engine.submit(shifting(head, rest, 300));
  engine.run();
  EXPECT_EQ(said(engine.answer(id)), ShiftingLoop(kTinyLlama).greedy(joined(head, rest), 20, 256, 300));
  EXPECT_EQ(engine.answer(id).done->prompt_tokens(), 255U);
}

TEST(ContextShift, WhatTheVocabularyPutsBeforeATextStays) {
  DirectScheduler engine(kTinySentencePiece, config(128, 512));
  std::mt19937 random(6);
  wire::Generate request = request_for(random_tokens(random, 60), 200);
  request.set_add_bos(true);
  request.mutable_context_shift()->set_kept_segments(0);
  const auto id = engine.submit(request);
  engine.run();
  ASSERT_EQ(engine.answer(id).done->prompt_tokens(), 61U);
  EXPECT_EQ(engine.info().cells_cached(), 1U);
}

TEST(ContextShift, GuessesChangeNothing) {
  std::mt19937 random(7);
  Clock::time_point now{std::chrono::hours(1)};
  Scheduler::Seams seams;
  seams.now = [&] { return now; };
  seams.decode = [&](llama_context* context, const llama_batch& batch) {
    now += std::chrono::seconds(1);  // the draft model's steps are timed by the real clock, and must look cheap
    return llama_decode(context, batch);
  };
  wire::LoadConfig with = config(512, 2048);
  wire::LoadConfig without = with;
  without.set_ngram_speculation(false);
  // What the successor model says first, and the beginning of it again: it repeats the rest, and is guessed well.
  DirectScheduler successor(kSuccessor, without);
  const Tokens text = joined(answer_of(successor, request_for({300}, 300)), {300});
  for (const std::string& path : {kTinyLlama, kSuccessor}) {
    DirectScheduler plain(path, without, seams);
    DirectScheduler guessed(path, with, seams);
    DirectScheduler drafted(path, without, seams);
    auto draft = DraftModel::load(path, drafted.model(), {});
    ASSERT_TRUE(draft) << draft.error().message;
    const wire::Generate request = shifting(part(text, 0, 10), part(text, 10), 700);
    const Tokens expected = answer_of(plain, request);
    ASSERT_EQ(expected.size(), 700U);
    EXPECT_EQ(answer_of(guessed, request), expected);
    const auto id = drafted.submit(request, *draft);
    drafted.run();
    EXPECT_EQ(said(drafted.answer(id)), expected);
    EXPECT_GT(guessed.info().draft_tokens_accepted(), path == kSuccessor ? 50U : 0U) << path;
    EXPECT_GT(drafted.info().draft_tokens_accepted(), 50U) << path;
    EXPECT_GT(guessed.info().context_shifts(), 1U);
  }
}

TEST(ContextShift, LogProbabilitiesOfThePromptComeOnce) {
  std::mt19937 random(8);
  DirectScheduler engine(kTinyLlama, config(128, 512));
  wire::Generate request = shifting(random_tokens(random, 10), random_tokens(random, 90), 200);
  request.set_prompt_logprobs(true);
  request.set_logprobs(true);
  const auto id = engine.submit(request);
  engine.run();
  EXPECT_EQ(engine.answer(id).prompt_pieces.size(), 100U);
  EXPECT_EQ(engine.answer(id).done->predicted_tokens(), 200U);
}

// ---------------------------------------------------------------- others

TEST(ContextShift, WhatARunningNeighbourSharesIsNotMovedButComputedAgain) {
  std::mt19937 random(9);
  DirectScheduler engine(kTinyLlama, config(256, 1024));
  const Tokens head = random_tokens(random, 30);
  const Tokens shared = random_tokens(random, 100);
  const Tokens prompt = joined(joined(head, shared), random_tokens(random, 8));
  const auto neighbour = engine.submit(request_for(prompt, 110));
  while (engine.answer(neighbour).pieces.size() < 20) engine.step();
  engine.scheduler().pause(neighbour);
  const auto state = [&] {
    // The paused one was first; its id is 0 as long as nobody ends.
    std::vector<std::uint8_t> bytes(llama_state_seq_get_size(engine.model().context(), 0));
    bytes.resize(llama_state_seq_get_data(engine.model().context(), bytes.data(), bytes.size(), 0));
    return bytes;
  };
  const std::vector<std::uint8_t> before = state();
  const Tokens rest = joined(shared, random_tokens(random, 5));
  const auto id = engine.submit(shifting(head, rest, 500));
  while (engine.info().context_shifts() < 3) {
    engine.step();
    ASSERT_EQ(state(), before);
  }
  // The second and the third found what had been computed again, which is nobody else's.
  EXPECT_EQ(engine.info().context_shifts_computed(), 1U);
  engine.scheduler().resume(neighbour);
  engine.run();
  EXPECT_EQ(said(engine.answer(neighbour)), ShiftingLoop(kTinyLlama).greedy(prompt, 30, 1000, 110));
  // Up to the second shift it is what a loop says that begins again.
  const Tokens answer = said(engine.answer(id));
  ASSERT_EQ(answer.size(), 500U);
  const Tokens expected = ShiftingLoop(kTinyLlama).greedy_again(joined(head, rest), 30, 256, 230);
  EXPECT_EQ(part(answer, 0, 230), expected);
}

TEST(ContextShift, WhatRunsBesideIsTheSameToTheBit) {
  std::mt19937 random(10);
  DirectScheduler engine(kTinyLlama, config(256, 1024, 3));
  const Tokens head = random_tokens(random, 40);
  // One that shares the head, one that shares nothing; both stand still while others are moved.
  const auto sharing = engine.submit(request_for(joined(head, random_tokens(random, 50)), 100));
  const auto other = engine.submit(request_for(random_tokens(random, 50), 100));
  while (engine.answer(other).pieces.size() < 20) engine.step();
  engine.scheduler().pause(sharing);
  engine.scheduler().pause(other);
  const auto states = [&] {
    std::vector<std::vector<std::uint8_t>> all;
    for (llama_seq_id id = 0; id < 2; ++id) {
      auto& bytes = all.emplace_back(llama_state_seq_get_size(engine.model().context(), id));
      bytes.resize(llama_state_seq_get_data(engine.model().context(), bytes.data(), bytes.size(), id));
    }
    return all;
  };
  const auto before = states();
  const Tokens rest = random_tokens(random, 50);
  const auto id = engine.submit(shifting(head, rest, 600));
  engine.run();
  EXPECT_EQ(states(), before);
  EXPECT_GT(engine.info().context_shifts(), 3U);
  EXPECT_EQ(engine.info().context_shifts_computed(), 0U);
  EXPECT_EQ(said(engine.answer(id)), ShiftingLoop(kTinyLlama).greedy(joined(head, rest), 40, 256, 600));
}

TEST(ContextShift, AnEarlierTurnThatIsOnlyCacheGivesWay) {
  std::mt19937 random(11);
  DirectScheduler engine(kTinyLlama, config(256, 1024));
  const Tokens head = random_tokens(random, 30);
  const Tokens first = random_tokens(random, 80);
  const Tokens first_answer = answer_of(engine, request_for(joined(head, first), 30));
  const Tokens rest = joined(joined(first, first_answer), random_tokens(random, 10));
  const auto id = engine.submit(shifting(head, rest, 400));
  engine.run();
  EXPECT_GT(engine.answer(id).done->cached_tokens(), 100U);
  EXPECT_EQ(said(engine.answer(id)), ShiftingLoop(kTinyLlama).greedy(joined(head, rest), 30, 256, 400));
  EXPECT_EQ(engine.info().context_shifts_computed(), 0U);
  const auto again = engine.submit(request_for(joined(head, first), 30));
  engine.run();
  EXPECT_EQ(engine.answer(again).done->cached_tokens(), 30U);
  EXPECT_EQ(said(engine.answer(again)), first_answer);
}

TEST(ContextShift, NothingThatWasMovedIsFoundAgain) {
  std::mt19937 random(12);
  KvBlockStore::Options store;
  store.memory_bytes = std::uint64_t{1} << 30;
  DirectScheduler engine(kTinyLlama, config(1024, 4096, 4), {}, store);
  const Tokens head = random_tokens(random, 100);
  const Tokens rest = random_tokens(random, 500);
  const auto id = engine.submit(shifting(head, rest, 900));
  ShiftingLoop loop(kTinyLlama);
  const auto try_what_it_spells = [&] {
    Tokens held = joined(head, rest);
    for (const std::int32_t token : said(engine.answer(id))) {
      held.push_back(token);
      if (held.size() >= 1024) held = without_older_half(held, 100);
    }
    const Tokens prompt = joined(part(held, 0, held.size() - 2), random_tokens(random, 3));
    const auto asked = engine.submit(request_for(prompt, 10));
    engine.run_until_ended(asked);
    EXPECT_EQ(engine.answer(asked).done->cached_tokens(), 100U);
    EXPECT_EQ(said(engine.answer(asked)), loop.greedy(prompt, 0, 2000, 10));
  };
  while (engine.info().context_shifts() == 0) engine.step();
  for (int i = 0; i < 50; ++i) engine.step();
  try_what_it_spells();
  ASSERT_FALSE(engine.answer(id).ended());
  engine.run();
  try_what_it_spells();
  EXPECT_EQ(engine.info().prompt_tokens_from_memory(), 0U);
}

TEST(ContextShift, OneThatIsPreemptedAndCutOffGoesOn) {
  std::mt19937 random(13);
  // Cells for one and a half.
  DirectScheduler engine(kTinyLlama, config(256, 384, 3));
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(engine.submit(shifting(random_tokens(random, 20), random_tokens(random, 60), 400)));
  }
  engine.run();
  for (const auto id : ids) {
    ASSERT_TRUE(engine.answer(id).done);
    EXPECT_EQ(engine.answer(id).done->predicted_tokens(), 400U);
  }
  EXPECT_EQ(engine.info().cells_used(), 0U);
}

// ---------------------------------------------------------------- other models

TEST(ContextShift, ModelsThatCannotBeShiftedComputeAgain) {
  for (const MemoryKind kind :
       {MemoryKind::kRecurrent, MemoryKind::kSlidingWindow, MemoryKind::kYarn, MemoryKind::kNoPositions}) {
    const ShapedModel model(kind);
    std::mt19937 random(14);
    for (const bool cache : {true, false}) {
      wire::LoadConfig settings = config(128, 512);
      settings.set_prefix_cache(cache);
      DirectScheduler engine(model.path(), settings);
      const Tokens head = random_tokens(random, 20);
      const Tokens rest = random_tokens(random, 40);
      const auto id = engine.submit(shifting(head, rest, 200));
      engine.run();
      EXPECT_EQ(engine.answer(id).done->predicted_tokens(), 200U);
      EXPECT_EQ(engine.info().context_shifts_computed(), engine.info().context_shifts());
      EXPECT_GT(engine.info().context_shifts(), 2U);
      EXPECT_EQ(said(engine.answer(id)), ShiftingLoop(model.path()).greedy_again(joined(head, rest), 20, 128, 200))
          << static_cast<int>(kind) << cache;
    }
  }
}

TEST(ContextShift, IsExactOnlyWhereItLeavesOthersAloneAndIsRight) {
  llama_context_params params = llama_context_default_params();
  params.n_threads = params.n_threads_batch = 1;
  const auto exact = [&](const std::string& path) {
    DirectModel direct(path);
    return shift_is_exact(direct.model(), params);
  };
  // With cells of 16 bits and flash attention, as usual.
  for (const std::string& path : {kTinyLlama, kTinyLlamaQ8, kTinyQwen2, kTinySentencePiece}) EXPECT_TRUE(exact(path));
  for (const MemoryKind kind : {MemoryKind::kRecurrent, MemoryKind::kYarn, MemoryKind::kNoPositions}) {
    EXPECT_FALSE(exact(ShapedModel(kind).path())) << static_cast<int>(kind);
  }
  params.type_k = GGML_TYPE_Q8_0;
  EXPECT_FALSE(exact(kTinyLlama));
}

}  // namespace
}  // namespace atelier::engine::test
