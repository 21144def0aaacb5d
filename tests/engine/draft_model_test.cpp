// A second model guesses: nothing changes but the number of steps. Exact settings, as in speculation_test.cpp.
#include "engine/draft_model.h"

#include <gtest/gtest.h>
#include <llama.h>

#include <memory>
#include <random>
#include <vector>

#include "tests/engine/direct_scheduler.h"
#include "tests/engine/engine_client.h"
#include "tests/engine/shaped_models.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

using Tokens = std::vector<std::int32_t>;

wire::LoadConfig config(std::uint32_t parallel, std::uint32_t cells = 4096) {
  wire::LoadConfig config = exact_config();
  config.set_context_length(1024);
  config.set_kv_cells(cells);
  config.set_parallel(parallel);
  // Only the draft model guesses.
  config.set_ngram_speculation(false);
  return config;
}

wire::Generate request_for(const Tokens& prompt, std::uint64_t max_tokens) {
  wire::Generate request = greedy_request(prompt, max_tokens);
  request.mutable_limits()->set_ignore_end_tokens(true);
  return request;
}

class Drafted : public testing::Test {
 protected:
  // A step of the large model takes a second, so that guesses always pay.
  Scheduler::Seams seams() {
    Scheduler::Seams seams;
    seams.now = [this] { return now_; };
    seams.decode = [this](llama_context* context, const llama_batch& batch) {
      now_ += std::chrono::seconds(1);
      return llama_decode(context, batch);
    };
    return seams;
  }
  static std::shared_ptr<DraftModel> draft(const std::string& path, DirectScheduler& engine) {
    auto loaded = DraftModel::load(path, engine.model(), {});
    EXPECT_TRUE(loaded) << loaded.error().message;
    return loaded ? *loaded : nullptr;
  }

  Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(Drafted, ByItselfAModelGuessesNearlyEverything) {
  std::mt19937 random(1);
  DirectScheduler engine(kTinyLlama, config(1), seams());
  const auto draft_model = draft(kTinyLlama, engine);
  const Tokens prompt = random_tokens(random, 50);
  const auto id = engine.submit(request_for(prompt, 120), draft_model);
  engine.run();
  const wire::Done& done = *engine.answer(id).done;
  // With random weights it is never sure, so that it takes a while until it is trusted.
  EXPECT_GT(done.accepted_draft_tokens(), 60U);
  EXPECT_LE(done.rejected_draft_tokens(), 5U);
  EXPECT_LT(engine.info().decode_steps(), 60U);
  DirectModel direct(kTinyLlama);
  Tokens said = engine.answer(id).tokens();
  said.resize(120);
  EXPECT_EQ(said, direct.greedy(prompt, 120));
}

TEST_F(Drafted, NoTokenDiffersOverRandomMixes) {
  std::mt19937 random(2);
  std::uint64_t accepted = 0;
  std::uint64_t rejected = 0;
  for (int round = 0; round < 8; ++round) {
    wire::LoadConfig settings = config(1 + random() % 4, random() % 3 == 0 ? 1024 : 4096);
    settings.set_ngram_speculation(random() % 2 == 0);
    DirectScheduler with(kTinyLlama, settings, seams());
    DirectScheduler without(kTinyLlama, config(1));
    const auto draft_model = draft(kTinyLlamaQ8, with);
    std::vector<wire::Generate> requests;
    std::vector<std::uint64_t> ids;
    for (int i = 0; i < 10; ++i) {
      wire::Generate request = request_for(random_tokens(random, 5 + random() % 400), 1 + random() % 80);
      const float temperatures[] = {0, 0.1F, 0.5F, 1};
      request.mutable_sampling()->set_temperature(temperatures[random() % 4]);
      request.mutable_sampling()->set_seed(random());
      if (random() % 2 == 0) request.mutable_sampling()->set_top_k(2);
      requests.push_back(request);
      // Some without.
      ids.push_back(with.submit(request, random() % 5 == 0 ? nullptr : draft_model));
      for (std::size_t steps = random() % 15; steps > 0 && with.scheduler().has_work(); --steps) with.step();
      if (random() % 10 == 0) with.scheduler().cancel(ids.back());
    }
    with.run();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const Answer& answer = with.answer(ids[i]);
      if (answer.done->reason() == wire::STOP_CANCELLED) continue;
      const Answer& expected = without.answer(without.submit(requests[i]));
      without.run();
      ASSERT_EQ(answer.tokens(), expected.tokens()) << requests[i].sampling().DebugString();
      accepted += answer.done->accepted_draft_tokens();
      rejected += answer.done->rejected_draft_tokens();
    }
  }
  EXPECT_GT(accepted, 300U);
  EXPECT_GT(rejected, 50U);
}

TEST_F(Drafted, ItsOwnCacheKnowsTheBeginningOfThePrompt) {
  std::mt19937 random(3);
  DirectScheduler engine(kTinyLlama, config(1), seams());
  const auto draft_model = draft(kTinyLlama, engine);
  const Tokens prompt = random_tokens(random, 700);
  const auto computed_for = [&](const Tokens& tokens) {
    const auto before = draft_model->computed_tokens();
    engine.submit(request_for(tokens, 20), draft_model);
    engine.run();
    return draft_model->computed_tokens() - before;
  };
  EXPECT_GE(computed_for(prompt), 700U);
  EXPECT_LE(computed_for(prompt), 100U);
}

TEST_F(Drafted, OtherVocabulariesAndMemoriesAreRefused) {
  DirectScheduler engine(kTinyLlama, config(1));
  const ShapedModel recurrent(MemoryKind::kRecurrent);
  for (const std::string& path : {kTinyQwen2, kTinySentencePiece, recurrent.path()}) {
    const auto loaded = DraftModel::load(path, engine.model(), {});
    ASSERT_FALSE(loaded) << path;
    EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidRequest);
    EXPECT_EQ(loaded.error().param, "draft_model");
  }
  EXPECT_FALSE(DraftModel::load("/no/such/file.gguf", engine.model(), {}));
  DirectScheduler target(recurrent.path(), config(1));
  EXPECT_FALSE(DraftModel::load(kTinyLlama, target.model(), {}));
}

// ---------------------------------------------------------------- through the protocol

TEST(DraftedOverTheWire, IsLoadedWhenARequestNamesIt) {
  EngineClient engine;
  ASSERT_TRUE(engine.load(kTinyLlama, config(2)).has_loaded());
  wire::Generate request = request_for({300, 301, 302, 303}, 60);
  const auto plain = engine.generate(request);
  engine.wait_for(plain);
  request.set_draft_model_path(kTinyLlamaQ8);
  const auto drafted = engine.generate(request);
  EXPECT_TRUE(engine.wait_for(drafted).done);
  EXPECT_EQ(engine.answer(drafted).tokens(), engine.answer(plain).tokens());
  request.set_draft_model_path(kTinyQwen2);
  const auto refused = engine.generate(request);
  ASSERT_TRUE(engine.wait_for(refused).error);
  EXPECT_EQ(engine.answer(refused).error->param(), "draft_model");
  request.set_draft_model_path("/no/such/file.gguf");
  const auto absent = engine.generate(request);
  EXPECT_TRUE(engine.wait_for(absent).error);
  // And it goes on.
  request.set_draft_model_path(kTinyLlamaQ8);
  const auto again = engine.generate(request);
  EXPECT_TRUE(engine.wait_for(again).done);
}

}  // namespace
}  // namespace atelier::engine::test
