#include "engine/model.h"

#include <llama.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "engine/model_loader.h"
#include "engine/shift_probe.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

void ModelDeleter::operator()(llama_model* model) const { llama_model_free(model); }
void ContextDeleter::operator()(llama_context* context) const { llama_free(context); }

Model::Model() = default;
Model::~Model() = default;

Result<std::unique_ptr<Model>> Model::load(const wire::Load& load, const Hooks& hooks) {
  return ModelLoader(load, hooks).run();
}

Result<wire::Estimated> Model::estimate(const wire::Load& load, const Hooks& hooks) {
  return ModelLoader(load, hooks).estimate();
}

bool Model::shifts_exactly() const {
  if (!shifts_exactly_) shifts_exactly_ = shift_is_exact(model_.get(), *context_params_);
  return *shifts_exactly_;
}

bool Model::guesses_from_text() const { return can_take_back_ && applied_->ngram_speculation(); }

CellCache::Limits Model::cell_limits() const {
  CellCache::Limits limits;
  limits.cells = kv_cells_;
  limits.running_sequences = max_sequences_;
  limits.kept_sequences = kept_sequences_;
  limits.reuse = reuse_;
  limits.spare_sequence = spare_sequence_;
  limits.can_shift = can_take_back_ && llama_memory_can_shift(llama_get_memory(context_.get()));
  limits.window = static_cast<std::size_t>(std::max(0, llama_model_n_swa(model_.get())));
  return limits;
}

namespace {

std::string metadata(const llama_model* model, const char* key) {
  char buffer[256];
  const std::int32_t n = llama_model_meta_val_str(model, key, buffer, sizeof buffer);
  return n < 0 ? std::string() : std::string(buffer);
}

void describe_vocabulary(const Vocabulary& vocabulary, wire::ModelInfo& info) {
  const llama_vocab* vocab = vocabulary.library_vocab();
  info.set_vocabulary_size(static_cast<std::uint32_t>(vocabulary.size()));
  if (vocabulary.size() == 0) return;
  info.set_adds_bos(!vocabulary.prefix().empty());
  info.set_adds_eos(!vocabulary.suffix().empty());
  if (const auto bos = llama_vocab_bos(vocab); vocabulary.contains(bos)) {
    info.set_bos_token(bos);
    info.set_bos_text(llama_vocab_get_text(vocab, bos));
  }
  if (const auto eos = llama_vocab_eos(vocab); vocabulary.contains(eos)) {
    info.set_eos_token(eos);
    info.set_eos_text(llama_vocab_get_text(vocab, eos));
  }
  for (const std::int32_t token : vocabulary.end_tokens()) info.add_end_tokens(token);
  info.set_has_fill_in_middle(vocabulary.contains(llama_vocab_fim_pre(vocab)) &&
                              vocabulary.contains(llama_vocab_fim_suf(vocab)));
}

}  // namespace

void Model::describe(wire::LoadConfig& config, wire::ModelInfo& info) const {
  config = *applied_;
  const llama_model* model = model_.get();
  char description[256] = "";
  llama_model_desc(model, description, sizeof description);
  const std::string architecture = metadata(model, "general.architecture");
  info.set_architecture(architecture);
  info.set_description(description);
  info.set_parameter_count(llama_model_n_params(model));
  info.set_size_bytes(llama_model_size(model));
  // A model of which only the vocabulary was loaded knows nothing of its sizes but what the file says.
  const auto size = [&](std::int32_t known, const char* key) {
    if (known > 0) return static_cast<std::uint32_t>(known);
    return static_cast<std::uint32_t>(std::strtoul(metadata(model, (architecture + key).c_str()).c_str(), nullptr, 10));
  };
  info.set_trained_context_length(size(llama_model_n_ctx_train(model), ".context_length"));
  info.set_embedding_length(size(llama_model_n_embd(model), ".embedding_length"));
  info.set_layer_count(size(llama_model_n_layer(model), ".block_count"));
  info.set_has_encoder(llama_model_has_encoder(model));
  if (context_ && llama_get_memory(context_.get()) != nullptr) {
    info.set_can_shift(llama_memory_can_shift(llama_get_memory(context_.get())));
  }
  if (const char* chat_template = llama_model_chat_template(model, nullptr)) info.set_chat_template(chat_template);
  describe_vocabulary(*vocabulary_, info);
}

}  // namespace atelier::engine
