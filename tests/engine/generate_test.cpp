// Generation through the socket, against the inference library used directly.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "tests/engine/engine_client.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

const std::vector<std::string> kTexts = {
    "A model that runs on your own machine answers",
    "one",
    "The cache keeps what was computed, so that the next question is answered at once. The cache keeps",
    "def f(x):\n    return x",
    "Grüße aus der Küche",
    "1 2 3 4 5 6 7 8 9 10 11 12 13",
    "Once upon a time, in a small town by the sea, there was a clockmaker who",
    "SELECT name FROM models WHERE",
};

std::vector<std::vector<std::int32_t>> prompts_for(DirectModel& direct) {
  std::vector<std::vector<std::int32_t>> prompts;
  for (const std::string& text : kTexts) prompts.push_back(direct.tokenize(text, true, true));
  return prompts;
}

wire::FromEngine load_exact(EngineClient& engine, const std::string& path = kTinyLlama,
                            wire::LoadConfig config = exact_config()) {
  wire::FromEngine loaded = engine.load(path, config);
  EXPECT_TRUE(loaded.has_loaded()) << loaded.error().message();
  return loaded;
}

TEST(Generate, GreedyEqualsTheLibrarysOwn) {
  for (const std::string& path : {kTinyLlama, kTinyQwen2, kTinySentencePiece}) {
    DirectModel direct(path);
    EngineClient engine;
    load_exact(engine, path);
    const auto prompt = direct.tokenize(kTexts[0], true, true);
    const Answer& answer = engine.wait_for(engine.generate(greedy_request(prompt, 200)));
    ASSERT_TRUE(answer.done) << (answer.error ? answer.error->message() : "");
    EXPECT_EQ(answer.tokens(), direct.greedy(prompt, 200)) << path;
    EXPECT_EQ(answer.done->prompt_tokens(), prompt.size());
    EXPECT_EQ(answer.accepted->prompt_tokens(), prompt.size());
    EXPECT_TRUE(answer.started);
  }
}

// Quantised weights: the last bits depend on how the work was batched, so a token may differ where the two best
// are as good as equal. Each is compared behind the same tokens.
TEST(Generate, WithDefaultSettingsEveryTokenIsAsGoodAsTheLibrarysBest) {
  DirectModel direct(kTinyLlamaQ8);
  EngineClient engine;
  ASSERT_TRUE(engine.load(kTinyLlamaQ8).has_loaded());
  auto tokens = direct.tokenize(kTexts[0], true, true);
  const Answer& answer = engine.wait_for(engine.generate(greedy_request(tokens, 60)));
  int different = 0;
  for (const std::int32_t token : answer.tokens()) {
    const auto logits = direct.logits(tokens);
    const auto best = std::max_element(logits.begin(), logits.end());
    if (best - logits.begin() != token) ++different;
    EXPECT_GT(logits[static_cast<std::size_t>(token)], *best - 0.05F);
    tokens.push_back(token);
  }
  RecordProperty("different_tokens", different);
  EXPECT_LE(different, 3);
}

TEST(Generate, ALongPromptIsComputedInSlicesWithTheSameResult) {
  DirectModel direct(kTinyLlama);
  EngineClient engine;
  load_exact(engine);
  std::mt19937 random(1);
  std::vector<std::int32_t> prompt(1500);
  for (auto& token : prompt) token = static_cast<std::int32_t>(300 + random() % 700);
  const Answer& answer = engine.wait_for(engine.generate(greedy_request(prompt, 50)));
  EXPECT_EQ(answer.tokens(), direct.greedy(prompt, 50));
  ASSERT_GT(answer.progress.size(), 1U);
  for (std::size_t i = 1; i < answer.progress.size(); ++i) {
    EXPECT_GT(answer.progress[i].processed_tokens(), answer.progress[i - 1].processed_tokens());
  }
  EXPECT_EQ(answer.progress.back().processed_tokens(), prompt.size());
  EXPECT_EQ(answer.progress.back().total_tokens(), prompt.size());
}

TEST(Generate, SlicesOfAnySizeGiveTheSameBits) {
  DirectModel direct(kTinyLlama);
  const auto prompt = direct.tokenize(kTexts[6] + kTexts[2] + kTexts[0], true, true);
  std::vector<std::vector<float>> logprobs;
  for (const std::uint32_t batch : {512U, 40U, 48U}) {
    EngineClient engine;
    wire::LoadConfig config = exact_config();
    config.set_eval_batch_size(batch);
    config.set_micro_batch_size(batch == 48 ? 7 : 0);
    load_exact(engine, kTinyLlama, config);
    wire::Generate request = greedy_request(prompt, 60);
    request.set_logprobs(true);
    auto& values = logprobs.emplace_back();
    for (const wire::Piece& piece : engine.wait_for(engine.generate(request)).pieces) values.push_back(piece.logprob());
  }
  ASSERT_FALSE(logprobs[0].empty());
  EXPECT_EQ(logprobs[0], logprobs[1]);
  EXPECT_EQ(logprobs[0], logprobs[2]);
}

TEST(Generate, EightTogetherEqualEightAlone) {
  DirectModel direct(kTinyLlama);
  EngineClient engine;
  wire::LoadConfig config = exact_config();
  config.set_parallel(8);
  load_exact(engine, kTinyLlama, config);
  const auto prompts = prompts_for(direct);
  std::vector<std::vector<float>> alone_logprobs;
  std::vector<std::vector<std::int32_t>> alone;
  const auto request_for = [&](std::size_t i) {
    // Of different lengths, so that sequences end and change their ids while others go on.
    wire::Generate request = greedy_request(prompts[i], 20 + 15 * i);
    request.set_logprobs(true);
    return request;
  };
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const Answer& answer = engine.wait_for(engine.generate(request_for(i)));
    alone.push_back(answer.tokens());
    for (const wire::Piece& piece : answer.pieces) alone_logprobs.emplace_back().push_back(piece.logprob());
    EXPECT_EQ(alone.back(), direct.greedy(prompts[i], static_cast<int>(20 + 15 * i)));
  }
  const auto steps_before = engine.info().decode_steps();
  std::vector<std::uint64_t> ids;
  for (std::size_t i = 0; i < prompts.size(); ++i) ids.push_back(engine.generate(request_for(i)));
  std::size_t row = 0;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const Answer& answer = engine.wait_for(ids[i]);
    EXPECT_EQ(answer.tokens(), alone[i]) << i;
    for (const wire::Piece& piece : answer.pieces) EXPECT_NEAR(piece.logprob(), alone_logprobs[row++][0], 1e-5);
  }
  // They were really computed together.
  EXPECT_LT(engine.info().decode_steps() - steps_before, 200U);
  EXPECT_EQ(engine.info().cells_used(), 0U);
}

TEST(Generate, WhenCellsRunOutTheLatestWaitsAndNothingIsLost) {
  DirectModel direct(kTinyLlama);
  EngineClient engine;
  wire::LoadConfig config = exact_config();
  config.set_context_length(512);
  config.set_kv_cells(512);
  load_exact(engine, kTinyLlama, config);
  ASSERT_EQ(engine.info().cells_total(), 512U);
  const auto prompts = prompts_for(direct);
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 4; ++i) {
    wire::Generate request = greedy_request(prompts[static_cast<std::size_t>(i)], 300);
    request.set_logprobs(true);
    request.mutable_limits()->set_ignore_end_tokens(true);
    ids.push_back(engine.generate(request));
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Answer& answer = engine.wait_for(ids[i]);
    ASSERT_TRUE(answer.done);
    EXPECT_EQ(answer.done->predicted_tokens(), 300U);
    // Progress is the prompt's, once; not that of the second computation.
    EXPECT_EQ(answer.progress.back().processed_tokens(), prompts[i].size());
    EngineClient fresh;
    load_exact(fresh);
    wire::Generate request = greedy_request(prompts[i], 300);
    request.mutable_limits()->set_ignore_end_tokens(true);
    EXPECT_EQ(answer.tokens(), fresh.wait_for(fresh.generate(request)).tokens());
  }
  EXPECT_EQ(engine.info().cells_used(), 0U);
  // Something lost its cells, or the test shows nothing.
  EXPECT_GT(engine.info().prompt_tokens_computed() + engine.info().prompt_tokens_from_memory(), 300U);
}

TEST(Generate, TheSameSeedGivesTheSameText) {
  EngineClient engine;
  load_exact(engine);
  wire::Generate request;
  *request.add_prompt() = text_segment("Tell me");
  request.set_add_bos(true);
  request.mutable_sampling()->set_temperature(1);
  request.mutable_sampling()->set_top_k(40);
  request.mutable_sampling()->set_top_p(0.95F);
  request.mutable_sampling()->set_repeat_penalty(1.1F);
  request.mutable_limits()->set_max_tokens(80);
  const Answer drawn = engine.wait_for(engine.generate(request));
  ASSERT_TRUE(drawn.done);
  request.mutable_sampling()->set_seed(drawn.done->seed());
  EXPECT_EQ(engine.wait_for(engine.generate(request)).tokens(), drawn.tokens());
  request.mutable_sampling()->set_seed(drawn.done->seed() + 1);
  EXPECT_NE(engine.wait_for(engine.generate(request)).tokens(), drawn.tokens());
}

TEST(Generate, StopStringsNeverLeaveAndAreNamed) {
  DirectModel direct(kTinyLlama);
  EngineClient engine;
  load_exact(engine);
  const auto prompt = direct.tokenize(kTexts[0], true, true);
  const std::string whole = engine.wait_for(engine.generate(greedy_request(prompt, 80))).text();
  ASSERT_GT(whole.size(), 60U);
  int tried = 0;
  for (std::size_t begin = 5; begin + 4 < whole.size() && begin < 60; begin += 3) {
    const std::string stop = whole.substr(begin, 4);
    if (!utf8::is_valid(stop)) continue;
    ++tried;
    wire::Generate request = greedy_request(prompt, 80);
    request.mutable_limits()->add_stop_strings(stop);
    request.mutable_limits()->add_stop_strings("this is not said");
    const Answer& answer = engine.wait_for(engine.generate(request));
    ASSERT_TRUE(answer.done) << (answer.error ? answer.error->message() : "");
    EXPECT_EQ(answer.text(), whole.substr(0, whole.find(stop)));
    EXPECT_EQ(answer.done->reason(), wire::STOP_STRING);
    EXPECT_EQ(answer.done->stop_string(), stop);
  }
  EXPECT_GT(tried, 3);
}

TEST(Generate, EndsAtItsLimits) {
  EngineClient engine;
  wire::LoadConfig config = exact_config();
  config.set_context_length(64);
  load_exact(engine, kTinyLlama, config);
  const std::vector<std::int32_t> prompt(60, 300);
  wire::Generate request = greedy_request(prompt, 2);
  request.mutable_limits()->set_ignore_end_tokens(true);
  const Answer limited = engine.wait_for(engine.generate(request));
  EXPECT_EQ(limited.done->reason(), wire::STOP_MAX_TOKENS);
  EXPECT_EQ(limited.tokens().size(), 2U);
  EXPECT_EQ(limited.done->predicted_tokens(), 2U);

  request.mutable_limits()->set_max_tokens(0);
  const Answer full = engine.wait_for(engine.generate(request));
  EXPECT_EQ(full.done->reason(), wire::STOP_CONTEXT_LENGTH);
  EXPECT_EQ(full.tokens().size(), 4U);

  const Answer over = engine.wait_for(engine.generate(greedy_request(std::vector<std::int32_t>(64, 300), 1)));
  ASSERT_TRUE(over.error);
  EXPECT_FALSE(over.accepted);
  EXPECT_EQ(over.error->kind(), wire::ERROR_CONTEXT_LENGTH_EXCEEDED);
  EXPECT_EQ(over.error->prompt_tokens(), 64U);
  EXPECT_EQ(over.error->context_length(), 64U);
}

TEST(Generate, AnEndTokenEndsItUnlessIgnored) {
  EngineClient engine;
  const wire::FromEngine loaded = load_exact(engine);
  ASSERT_GT(loaded.loaded().model().end_tokens_size(), 0);
  const std::int32_t end = loaded.loaded().model().end_tokens(0);
  wire::Generate request = greedy_request({300, 301}, 10);
  auto& bias = *request.mutable_sampling()->add_logit_bias();
  bias.set_token(end);
  bias.set_bias(1000);
  const Answer ended = engine.wait_for(engine.generate(request));
  EXPECT_EQ(ended.done->reason(), wire::STOP_END_TOKEN);
  EXPECT_EQ(ended.done->end_token(), end);
  EXPECT_EQ(ended.done->predicted_tokens(), 1U);
  EXPECT_TRUE(ended.pieces.empty());
  request.mutable_limits()->set_ignore_end_tokens(true);
  const Answer ignored = engine.wait_for(engine.generate(request));
  EXPECT_EQ(ignored.done->reason(), wire::STOP_MAX_TOKENS);
  EXPECT_EQ(ignored.tokens().size(), 10U);
}

TEST(Generate, ControlTokensAreMarked) {
  DirectModel direct(kTinyLlama);
  EngineClient engine;
  load_exact(engine);
  const auto marker = direct.tokenize("<|im_start|>", false, true);
  ASSERT_EQ(marker.size(), 1U);
  wire::Generate request = greedy_request({300, 301}, 3);
  auto& bias = *request.mutable_sampling()->add_logit_bias();
  bias.set_token(marker[0]);
  bias.set_bias(1000);
  const Answer& answer = engine.wait_for(engine.generate(request));
  ASSERT_EQ(answer.pieces.size(), 3U);
  for (const wire::Piece& piece : answer.pieces) {
    EXPECT_TRUE(piece.is_control());
    EXPECT_EQ(piece.text(), "<|im_start|>");
  }
}

double log_softmax(const std::vector<float>& logits, std::int32_t token, double temperature) {
  double best = -INFINITY;
  for (const float logit : logits) best = std::max<double>(best, logit);
  double sum = 0;
  for (const float logit : logits) sum += std::exp((logit - best) / temperature);
  return (logits[static_cast<std::size_t>(token)] - best) / temperature - std::log(sum);
}

TEST(Generate, LogProbabilitiesEqualTheSoftmaxOfTheLibrarysLogits) {
  DirectModel direct(kTinyLlama);
  EngineClient engine;
  load_exact(engine);
  const auto prompt = direct.tokenize(kTexts[0], true, true);
  for (const float temperature : {0.0F, 0.7F}) {
    wire::Generate request = greedy_request(prompt, 20);
    request.mutable_sampling()->set_temperature(temperature);
    request.mutable_sampling()->set_seed(3);
    request.mutable_sampling()->set_top_k(40);
    request.set_logprobs(true);
    request.set_top_logprobs(4);
    const Answer answer = engine.wait_for(engine.generate(request));
    ASSERT_FALSE(answer.pieces.empty());
    std::vector<std::int32_t> tokens = prompt;
    for (const wire::Piece& piece : answer.pieces) {
      const auto logits = direct.logits(tokens);
      const double divisor = temperature > 0 ? temperature : 1;
      EXPECT_NEAR(piece.logprob(), log_softmax(logits, piece.token_id(), divisor), 1e-4);
      ASSERT_EQ(piece.top_size(), 4);
      for (int i = 0; i < 4; ++i) {
        EXPECT_NEAR(piece.top(i).logprob(), log_softmax(logits, piece.top(i).token_id(), divisor), 1e-4);
        EXPECT_EQ(piece.top(i).bytes(), direct.bytes(piece.top(i).token_id()));
        EXPECT_LE(piece.top(i).logprob(), piece.top(std::max(0, i - 1)).logprob());
      }
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      EXPECT_EQ(piece.top(0).token_id(), best);
      EXPECT_EQ(piece.token_bytes(), direct.bytes(piece.token_id()));
      tokens.push_back(piece.token_id());
    }
  }
}

TEST(Generate, PromptLogProbabilitiesComeForEveryTokenButTheFirst) {
  DirectModel direct(kTinyLlama);
  EngineClient engine;
  load_exact(engine);
  const auto prompt = direct.tokenize(kTexts[6] + kTexts[2] + kTexts[4], true, true);
  ASSERT_GT(prompt.size(), 40U);  // more than one slice of them
  wire::Generate request = greedy_request(prompt, 5);
  request.set_prompt_logprobs(true);
  request.set_top_logprobs(1);
  const Answer& answer = engine.wait_for(engine.generate(request));
  ASSERT_EQ(answer.prompt_pieces.size(), prompt.size());
  EXPECT_FALSE(answer.prompt_pieces[0].has_logprob());
  std::string text;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const wire::Piece& piece = answer.prompt_pieces[i];
    EXPECT_EQ(piece.token_id(), prompt[i]);
    if (!piece.is_control()) text += piece.text();
    if (i == 0) continue;
    const auto logits = direct.logits({prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(i)});
    EXPECT_NEAR(piece.logprob(), log_softmax(logits, prompt[i], 1), 1e-4);
  }
  EXPECT_EQ(text, kTexts[6] + kTexts[2] + kTexts[4]);
  EXPECT_EQ(answer.tokens(), direct.greedy(prompt, 5));
}

struct BadRequest {
  const char* param;
  void (*spoil)(wire::Generate&);
};

TEST(Generate, WrongValuesAreRefusedAndNamed) {
  EngineClient engine;
  load_exact(engine);
  const BadRequest bad[] = {
      {"temperature", [](wire::Generate& g) { g.mutable_sampling()->set_temperature(-1); }},
      {"temperature", [](wire::Generate& g) { g.mutable_sampling()->set_temperature(NAN); }},
      {"temperature", [](wire::Generate& g) { g.mutable_sampling()->set_temperature(INFINITY); }},
      {"top_p", [](wire::Generate& g) { g.mutable_sampling()->set_top_p(-0.1F); }},
      {"min_p", [](wire::Generate& g) { g.mutable_sampling()->set_min_p(1.5F); }},
      {"repeat_penalty", [](wire::Generate& g) { g.mutable_sampling()->set_repeat_penalty(0); }},
      {"mirostat", [](wire::Generate& g) { g.mutable_sampling()->set_mirostat(3); }},
      {"dry_base", [](wire::Generate& g) { g.mutable_sampling()->set_dry_base(NAN); }},
      {"dry_sequence_breakers", [](wire::Generate& g) { g.mutable_sampling()->add_dry_sequence_breakers(""); }},
      {"logit_bias", [](wire::Generate& g) { g.mutable_sampling()->add_logit_bias()->set_token(-1); }},
      {"logit_bias", [](wire::Generate& g) { g.mutable_sampling()->add_logit_bias()->set_token(1 << 30); }},
      {"logit_bias", [](wire::Generate& g) { g.mutable_sampling()->add_logit_bias()->set_bias(INFINITY); }},
      {"top_logprobs", [](wire::Generate& g) { g.set_top_logprobs(100000); }},
      {"stop_strings", [](wire::Generate& g) { g.mutable_limits()->add_stop_strings(std::string(100000, 'x')); }},
      {"tokens", [](wire::Generate& g) { g.mutable_prompt(0)->mutable_tokens()->add_ids(-7); }},
      {"tokens", [](wire::Generate& g) { g.mutable_prompt(0)->mutable_tokens()->add_ids(1 << 20); }},
      {"prompt", [](wire::Generate& g) { g.clear_prompt(); }},
  };
  for (const auto& [param, spoil] : bad) {
    wire::Generate request = greedy_request({300, 301}, 1);
    spoil(request);
    const Answer& answer = engine.wait_for(engine.generate(request));
    ASSERT_TRUE(answer.error) << param;
    EXPECT_EQ(answer.error->kind(), wire::ERROR_INVALID_REQUEST) << param;
    EXPECT_EQ(answer.error->param(), param);
    EXPECT_FALSE(answer.error->message().empty());
  }
  wire::Generate image = greedy_request({300}, 1);
  image.add_prompt()->mutable_media()->set_data("x");
  EXPECT_EQ(engine.wait_for(engine.generate(image)).error->kind(), wire::ERROR_UNSUPPORTED);
  EXPECT_TRUE(engine.wait_for(engine.generate(greedy_request({300}, 1))).done);
}

TEST(Generate, EverySamplingParameterWorksInTheEngine) {
  EngineClient engine;
  load_exact(engine);
  for (int mirostat = 0; mirostat < 3; ++mirostat) {
    wire::Generate request = greedy_request({300, 301, 302, 300, 301, 302}, 30);
    wire::Sampling& s = *request.mutable_sampling();
    s.set_temperature(0.8F);
    s.set_top_k(50);
    s.set_top_p(0.9F);
    s.set_min_p(0.01F);
    s.set_typical_p(0.95F);
    s.set_repeat_penalty(1.2F);
    s.set_presence_penalty(0.5F);
    s.set_frequency_penalty(0.5F);
    s.set_repeat_last_n(-1);
    s.set_dry_multiplier(0.8F);
    s.set_xtc_probability(0.5F);
    s.set_xtc_threshold(0.1F);
    s.set_mirostat(mirostat);
    s.set_seed(1);
    const Answer& answer = engine.wait_for(engine.generate(request));
    ASSERT_TRUE(answer.done) << answer.error->message();
    EXPECT_EQ(answer.done->seed(), 1U);
  }
}

}  // namespace
}  // namespace atelier::engine::test
