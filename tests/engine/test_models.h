// The fixture models by name, and the inference library used directly, without any of our code: the oracle.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace atelier::engine::test {

// Loads the library's plug-ins, once.
void load_backends();

inline const std::string kModels = std::string(ATELIER_FIXTURES_DIR) + "/models/atelier/";
inline const std::string kTinyLlama = kModels + "tiny-llama-GGUF/tiny-llama-F32.gguf";
inline const std::string kTinyLlamaQ8 = kModels + "tiny-llama-GGUF/tiny-llama-Q8_0.gguf";
inline const std::string kTinyQwen2 = kModels + "tiny-qwen2-GGUF/tiny-qwen2-F32.gguf";
inline const std::string kTinySentencePiece = kModels + "tiny-sentencepiece-GGUF/tiny-sentencepiece-F32.gguf";
inline const std::string kTinyBert = kModels + "tiny-bert-GGUF/tiny-bert-F32.gguf";
inline const std::string kSuccessor = kModels + "successor-GGUF/successor-F32.gguf";

struct ModelDeleter {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct ContextDeleter {
  void operator()(llama_context* context) const { llama_free(context); }
};

// A model with one sequence at a time, F32 cache, no flash attention.
class DirectModel {
 public:
  explicit DirectModel(const std::string& path, bool vocabulary_only = false);

  const llama_vocab* vocab() const { return llama_model_get_vocab(model_.get()); }
  std::vector<std::int32_t> tokenize(const std::string& text, bool add_special, bool parse_special) const;
  std::string bytes(std::int32_t token) const;

  // The logits behind a sequence, computed from nothing in one batch.
  std::vector<float> logits(const std::vector<std::int32_t>& tokens);
  // The simplest greedy loop: decode, take the largest, decode it.
  std::vector<std::int32_t> greedy(std::vector<std::int32_t> tokens, int count);
  llama_model* model() { return model_.get(); }

 private:
  const float* decode(std::vector<std::int32_t> tokens);

  std::unique_ptr<llama_model, ModelDeleter> model_;
  std::unique_ptr<llama_context, ContextDeleter> context_;
};

}  // namespace atelier::engine::test
