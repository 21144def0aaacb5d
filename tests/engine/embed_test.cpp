// Embeddings through the socket, against the inference library used directly.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "tests/engine/engine_client.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

const std::vector<std::string> kInputs = {"the answer is short", "a model reads the question", "one",
                                          "words and more words, and then some"};

struct Rows {
  std::uint32_t dimensions = 0;
  std::vector<std::vector<float>> rows;
  std::vector<std::uint64_t> counts;
};

Rows rows_of(const wire::FromEngine& answer) {
  Rows out;
  EXPECT_TRUE(answer.has_embeddings()) << answer.error().message();
  const wire::Embeddings& e = answer.embeddings();
  out.dimensions = e.dimensions();
  out.counts.assign(e.token_counts().begin(), e.token_counts().end());
  for (std::size_t at = 0; at < e.values().size(); at += out.dimensions * sizeof(float)) {
    auto& row = out.rows.emplace_back(out.dimensions);
    std::memcpy(row.data(), e.values().data() + at, out.dimensions * sizeof(float));
  }
  return out;
}

wire::ToEngine embed(const std::vector<std::string>& texts, bool normalize = false, bool truncate = false) {
  wire::ToEngine message;
  for (const std::string& text : texts) {
    *message.mutable_embed()->add_inputs() = text_segment(text, wire::PROVENANCE_CONTENT);
  }
  message.mutable_embed()->set_normalize(normalize);
  message.mutable_embed()->set_truncate(truncate);
  return message;
}

// One text at a time, by the library.
std::vector<float> embed_directly(DirectModel& direct, std::vector<std::int32_t> tokens,
                                  enum llama_pooling_type pooling) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = params.n_batch = params.n_ubatch = 512;
  params.embeddings = true;
  params.pooling_type = pooling;
  params.n_threads = params.n_threads_batch = 1;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.type_k = params.type_v = GGML_TYPE_F32;
  const std::unique_ptr<llama_context, ContextDeleter> context(llama_init_from_model(direct.model(), params));
  llama_batch batch = llama_batch_init(512, 0, 1);
  for (const std::int32_t token : tokens) {
    batch.token[batch.n_tokens] = token;
    batch.pos[batch.n_tokens] = batch.n_tokens;
    batch.n_seq_id[batch.n_tokens] = 1;
    batch.seq_id[batch.n_tokens][0] = 0;
    batch.logits[batch.n_tokens++] = 1;
  }
  EXPECT_EQ(llama_decode(context.get(), batch), 0);
  llama_batch_free(batch);
  const float* row = llama_get_embeddings_seq(context.get(), 0);
  return {row, row + llama_model_n_embd(direct.model())};
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-4) << i;
}

TEST(Embed, EqualsTheLibrarysOwnForEveryPooling) {
  DirectModel direct(kTinyBert, false);
  const std::pair<const char*, enum llama_pooling_type> kinds[] = {{"", LLAMA_POOLING_TYPE_MEAN},
                                                                   {"mean", LLAMA_POOLING_TYPE_MEAN},
                                                                   {"cls", LLAMA_POOLING_TYPE_CLS},
                                                                   {"last", LLAMA_POOLING_TYPE_LAST}};
  for (const auto& [name, pooling] : kinds) {
    EngineClient engine;
    wire::LoadConfig config = exact_config();
    config.set_pooling(name);
    const auto loaded = engine.load(kTinyBert, config, true);
    ASSERT_TRUE(loaded.has_loaded()) << loaded.error().message();
    EXPECT_EQ(loaded.loaded().config().pooling(), *name == 0 ? "mean" : name);
    const Rows rows = rows_of(engine.ask(embed(kInputs)));
    ASSERT_EQ(rows.rows.size(), kInputs.size());
    for (std::size_t i = 0; i < kInputs.size(); ++i) {
      const auto tokens = direct.tokenize(kInputs[i], true, false);
      EXPECT_EQ(rows.counts[i], tokens.size());
      expect_near(rows.rows[i], embed_directly(direct, tokens, pooling));
    }
  }
}

TEST(Embed, ATextModelGivesTheStateOfTheLastToken) {
  DirectModel direct(kTinyLlama, false);
  EngineClient engine;
  const auto loaded = engine.load(kTinyLlama, exact_config(), true);
  ASSERT_TRUE(loaded.has_loaded()) << loaded.error().message();
  EXPECT_EQ(loaded.loaded().config().pooling(), "last");
  const Rows rows = rows_of(engine.ask(embed(kInputs)));
  for (std::size_t i = 0; i < kInputs.size(); ++i) {
    expect_near(rows.rows[i],
                embed_directly(direct, direct.tokenize(kInputs[i], true, false), LLAMA_POOLING_TYPE_LAST));
  }
}

TEST(Embed, ManyInputsAndRequestsGiveWhatEachGivesAlone) {
  EngineClient engine;
  ASSERT_TRUE(engine.load(kTinyBert, exact_config(), true).has_loaded());
  std::vector<std::vector<float>> alone;
  for (const std::string& input : kInputs) alone.push_back(rows_of(engine.ask(embed({input}))).rows.at(0));
  std::vector<std::string> many(150);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = kInputs[i % kInputs.size()];
  const Rows rows = rows_of(engine.ask(embed(many)));
  ASSERT_EQ(rows.rows.size(), many.size());
  for (std::size_t i = 0; i < many.size(); ++i) expect_near(rows.rows[i], alone[i % kInputs.size()]);
  EXPECT_EQ(rows_of(engine.ask(embed({}))).rows.size(), 0U);
}

TEST(Embed, NormalizedRowsHaveLengthOne) {
  EngineClient engine;
  ASSERT_TRUE(engine.load(kTinyBert, exact_config(), true).has_loaded());
  const Rows plain = rows_of(engine.ask(embed(kInputs)));
  const Rows normal = rows_of(engine.ask(embed(kInputs, true)));
  for (std::size_t i = 0; i < kInputs.size(); ++i) {
    double length = 0;
    double dot = 0;
    double plain_length = 0;
    for (std::size_t j = 0; j < plain.dimensions; ++j) {
      length += normal.rows[i][j] * normal.rows[i][j];
      plain_length += plain.rows[i][j] * plain.rows[i][j];
      dot += normal.rows[i][j] * plain.rows[i][j];
    }
    EXPECT_NEAR(length, 1, 1e-5);
    EXPECT_NEAR(dot, std::sqrt(plain_length), 1e-3);
  }
}

TEST(Embed, TooLongInputsAreRefusedOrCut) {
  EngineClient engine;
  wire::LoadConfig config = exact_config();
  config.set_context_length(32);
  ASSERT_TRUE(engine.load(kTinyBert, config, true).has_loaded());
  std::string text;
  for (int i = 0; i < 60; ++i) text += "word ";
  const auto refused = engine.ask(embed({"one", text}));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().kind(), wire::ERROR_CONTEXT_LENGTH_EXCEEDED);
  EXPECT_EQ(refused.error().context_length(), 32U);
  EXPECT_GT(refused.error().prompt_tokens(), 32U);
  const Rows cut = rows_of(engine.ask(embed({text}, false, true)));
  EXPECT_EQ(cut.counts.at(0), 32U);
}

TEST(Embed, TokenIdsAreTakenAsTheyAre) {
  DirectModel direct(kTinyBert, true);
  EngineClient engine;
  ASSERT_TRUE(engine.load(kTinyBert, exact_config(), true).has_loaded());
  const auto ids = direct.tokenize(kInputs[0], true, false);
  wire::ToEngine message;
  message.mutable_embed()->add_inputs()->mutable_tokens()->mutable_ids()->Add(ids.begin(), ids.end());
  expect_near(rows_of(engine.ask(message)).rows.at(0), rows_of(engine.ask(embed({kInputs[0]}))).rows.at(0));
  message.mutable_embed()->mutable_inputs(0)->mutable_tokens()->add_ids(1 << 28);
  EXPECT_EQ(engine.ask(message).error().kind(), wire::ERROR_INVALID_REQUEST);
  wire::ToEngine empty;
  empty.mutable_embed()->add_inputs()->mutable_tokens();
  EXPECT_TRUE(engine.ask(empty).has_error());
}

TEST(Embed, ModelsDoOnlyWhatTheyWereLoadedFor) {
  EngineClient embedding;
  ASSERT_TRUE(embedding.load(kTinyBert, exact_config(), true).has_loaded());
  EXPECT_EQ(embedding.wait_for(embedding.generate(greedy_request({5}, 1))).error->kind(), wire::ERROR_UNSUPPORTED);
  EngineClient text;
  ASSERT_TRUE(text.load(kTinyLlama, exact_config()).has_loaded());
  EXPECT_EQ(text.ask(embed(kInputs)).error().kind(), wire::ERROR_UNSUPPORTED);
  EngineClient wrong;
  const auto refused = wrong.load(kTinyBert, exact_config());
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().kind(), wire::ERROR_UNSUPPORTED);
}

}  // namespace
}  // namespace atelier::engine::test
