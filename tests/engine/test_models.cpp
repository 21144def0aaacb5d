#include "tests/engine/test_models.h"

#include <ggml-backend.h>

#include <algorithm>
#include <stdexcept>

namespace atelier::engine::test {

void load_backends() {
  static const bool kLoaded = [] {
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    const std::string folder = ATELIER_BACKENDS_DIR;
    if (folder.empty())
      ggml_backend_load_all();
    else
      ggml_backend_load_all_from_path(folder.c_str());
    llama_backend_init();
    return true;
  }();
  (void)kLoaded;
}

DirectModel::DirectModel(const std::string& path, bool vocabulary_only) {
  load_backends();
  llama_model_params model_params = llama_model_default_params();
  model_params.vocab_only = vocabulary_only;
  model_.reset(llama_model_load_from_file(path.c_str(), model_params));
  if (!model_) throw std::runtime_error("no model at " + path + " (run the test fixtures_set first)");
  if (vocabulary_only) return;
  llama_context_params params = llama_context_default_params();
  params.n_ctx = 2048;
  params.n_batch = 2048;
  params.n_ubatch = 2048;
  params.n_threads = 1;
  params.n_threads_batch = 1;
  params.type_k = GGML_TYPE_F32;
  params.type_v = GGML_TYPE_F32;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  context_.reset(llama_init_from_model(model_.get(), params));
  if (!context_) throw std::runtime_error("no context for " + path);
}

std::vector<std::int32_t> DirectModel::tokenize(const std::string& text, bool add_special, bool parse_special) const {
  std::vector<std::int32_t> ids(text.size() + 16);
  const auto n = llama_tokenize(vocab(), text.data(), static_cast<std::int32_t>(text.size()), ids.data(),
                                static_cast<std::int32_t>(ids.size()), add_special, parse_special);
  if (n < 0) throw std::runtime_error("llama_tokenize");
  ids.resize(static_cast<std::size_t>(n));
  return ids;
}

std::string DirectModel::bytes(std::int32_t token) const {
  char buffer[256];
  const auto n = llama_token_to_piece(vocab(), token, buffer, sizeof buffer, 0, true);
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
}

const float* DirectModel::decode(std::vector<std::int32_t> tokens) {
  if (llama_decode(context_.get(), llama_batch_get_one(tokens.data(), static_cast<std::int32_t>(tokens.size()))) != 0) {
    throw std::runtime_error("llama_decode");
  }
  return llama_get_logits_ith(context_.get(), -1);
}

std::vector<float> DirectModel::logits(const std::vector<std::int32_t>& tokens) {
  llama_memory_clear(llama_get_memory(context_.get()), true);
  const float* row = decode(tokens);
  return {row, row + llama_vocab_n_tokens(vocab())};
}

std::vector<std::int32_t> DirectModel::greedy(std::vector<std::int32_t> tokens, int count) {
  llama_memory_clear(llama_get_memory(context_.get()), true);
  std::vector<std::int32_t> answer;
  const auto size = llama_vocab_n_tokens(vocab());
  while (static_cast<int>(answer.size()) < count) {
    const float* row = decode(std::move(tokens));
    const auto next = static_cast<std::int32_t>(std::max_element(row, row + size) - row);
    if (llama_vocab_is_eog(vocab(), next)) break;
    answer.push_back(next);
    tokens = {next};
  }
  return answer;
}

}  // namespace atelier::engine::test
