// Embeddings through the socket, against the inference library used directly.
#include "engine/embedder.h"

#include <ggml.h>
#include <gguf.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/model.h"
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
  const auto size = pooling == LLAMA_POOLING_TYPE_RANK
                        ? static_cast<std::int32_t>(llama_model_n_cls_out(direct.model()))
                        : llama_model_n_embd(direct.model());
  return {row, row + size};
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
  // The first 31 tokens and the one that the vocabulary puts at the end.
  DirectModel direct(kTinyBert, false);
  auto tokens = direct.tokenize(text, true, false);
  tokens.erase(tokens.begin() + 31, tokens.end() - 1);
  expect_near(cut.rows.at(0), embed_directly(direct, tokens, LLAMA_POOLING_TYPE_MEAN));
}

// The fixture with a head that gives one number, as rerankers of this architecture have it.
class Reranker {
 public:
  Reranker() {
    std::string folder = (std::filesystem::temp_directory_path() / "atelier-reranker-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = folder;
    path_ = folder + "/reranker.gguf";
    ggml_context* data = nullptr;
    gguf_context* source = gguf_init_from_file(kTinyBert.c_str(), {.no_alloc = false, .ctx = &data});
    gguf_context* out = gguf_init_empty();
    gguf_set_kv(out, source);
    for (ggml_tensor* t = ggml_get_first_tensor(data); t != nullptr; t = ggml_get_next_tensor(data, t)) {
      // One more tensor holds the bytes of all.
      if (gguf_find_tensor(source, ggml_get_name(t)) >= 0) gguf_add_tensor(out, t);
    }
    ggml_context* added = ggml_init({.mem_size = std::size_t{4} << 20, .mem_buffer = nullptr, .no_alloc = false});
    const auto add = [&](const char* name, std::int64_t columns, std::int64_t rows, std::vector<float>& values) {
      std::mt19937 random(static_cast<unsigned>(columns + 7 * rows));
      std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(columns)));
      ggml_tensor* tensor = rows == 0 ? ggml_new_tensor_1d(added, GGML_TYPE_F32, columns)
                                      : ggml_new_tensor_2d(added, GGML_TYPE_F32, columns, rows);
      ggml_set_name(tensor, name);
      values.resize(static_cast<std::size_t>(ggml_nelements(tensor)));
      for (float& value : values) value = normal(random);
      std::copy(values.begin(), values.end(), static_cast<float*>(tensor->data));
      gguf_add_tensor(out, tensor);
    };
    add("cls.weight", kWidth, kWidth, weight_);
    add("cls.bias", kWidth, 0, bias_);
    add("cls.output.weight", kWidth, 1, out_weight_);
    add("cls.output.bias", 1, 0, out_bias_);
    const bool written = gguf_write_to_file(out, path_.c_str(), false);
    gguf_free(out);
    gguf_free(source);
    ggml_free(data);
    ggml_free(added);
    if (!written) throw std::runtime_error("cannot write " + path_);
  }
  ~Reranker() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Reranker(const Reranker&) = delete;
  Reranker& operator=(const Reranker&) = delete;

  const std::string& path() const { return path_; }
  // A tanh layer and one number, of the first token's state.
  double rank(const std::vector<float>& state) const {
    double out = out_bias_.at(0);
    for (std::size_t row = 0; row < kWidth; ++row) {
      double sum = bias_.at(row);
      for (std::size_t i = 0; i < kWidth; ++i) sum += weight_.at(row * kWidth + i) * state.at(i);
      out += out_weight_.at(row) * std::tanh(sum);
    }
    return out;
  }

 private:
  static constexpr int kWidth = 128;
  std::string folder_;
  std::string path_;
  std::vector<float> weight_, bias_, out_weight_, out_bias_;
};

TEST(Embed, ARerankerGivesTheNumberOfItsHead) {
  const Reranker reranker;
  EngineClient engine;
  wire::LoadConfig config = exact_config();
  config.set_pooling("rank");
  const auto loaded = engine.load(reranker.path(), config, true);
  ASSERT_TRUE(loaded.has_loaded()) << loaded.error().message();
  const Rows ranks = rows_of(engine.ask(embed(kInputs)));
  DirectModel direct(kTinyBert, false);
  for (std::size_t i = 0; i < kInputs.size(); ++i) {
    ASSERT_EQ(ranks.rows.at(i).size(), 1U);
    const auto state = embed_directly(direct, direct.tokenize(kInputs[i], true, false), LLAMA_POOLING_TYPE_CLS);
    EXPECT_NEAR(ranks.rows[i][0], reranker.rank(state), 1e-4);
  }
}

TEST(Embed, AModelWithoutARankingHeadGivesNoRanks) {
  EngineClient engine;
  wire::LoadConfig config = exact_config();
  config.set_pooling("rank");
  const auto refused = engine.load(kTinyBert, config, true);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().kind(), wire::ERROR_INVALID_REQUEST);
  EXPECT_EQ(refused.error().param(), "pooling");
}

// Without socket and threads: the test says when a batch is computed.
TEST(Embed, InputsOfWaitingRequestsShareBatches) {
  load_backends();
  wire::Load load;
  load.set_path(kTinyBert);
  load.set_embedding(true);
  *load.mutable_config() = exact_config();
  const auto model = Model::load(load, {});
  ASSERT_TRUE(model) << model.error().message;
  std::vector<wire::FromEngine> answers;
  Embedder embedder(**model, [&](const wire::FromEngine& message) { answers.push_back(message); });
  const auto submit = [&](std::uint64_t id, std::size_t inputs, std::size_t tokens) {
    EmbedRequest request;
    request.id = id;
    request.inputs.assign(inputs, std::vector<std::int32_t>(tokens, static_cast<std::int32_t>(10 + id)));
    embedder.submit(std::move(request));
  };
  // Six requests with 30 inputs together fit one batch of 32 sequences.
  for (std::uint64_t id = 1; id <= 6; ++id) submit(id, 5, 10);
  embedder.step();
  ASSERT_EQ(answers.size(), 6U);
  EXPECT_FALSE(embedder.has_work());
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(answers[i].id(), i + 1);
  // What each got is what it gets alone.
  submit(7, 1, 10);
  embedder.step();
  submit(3, 1, 10);
  embedder.step();
  EXPECT_NE(answers[6].embeddings().values(), answers[7].embeddings().values());
  const Rows together = rows_of(answers[2]);
  expect_near(rows_of(answers[7]).rows.at(0), together.rows.at(4));
  // A batch has room for 512 tokens: long inputs take several, and one of another request fills up the last.
  answers.clear();
  submit(8, 3, 300);
  submit(9, 1, 200);
  embedder.step();
  embedder.step();
  EXPECT_TRUE(answers.empty());
  embedder.step();
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].embeddings().token_counts_size(), 3);
  EXPECT_EQ(answers[1].id(), 9U);
  // A cancelled one leaves its place to the next.
  answers.clear();
  submit(10, 40, 10);
  submit(11, 1, 10);
  embedder.step();
  EXPECT_TRUE(embedder.cancel(10));
  EXPECT_FALSE(embedder.cancel(10));
  embedder.step();
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].error().kind(), wire::ERROR_CANCELLED);
  EXPECT_EQ(answers[1].id(), 11U);
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
