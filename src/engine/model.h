// One model, loaded: weights, vocabulary and, unless only the vocabulary was asked for, a context with its cache.
//
// Loaded and used on the decode thread; the vocabulary may be used from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/error.h"
#include "engine/cell_cache.h"
#include "engine/vocabulary.h"

struct llama_context;
struct llama_context_params;
struct llama_model;

namespace atelier::wire {
class Estimated;
class Load;
class LoadConfig;
class ModelInfo;
}  // namespace atelier::wire

namespace atelier::engine {

struct ModelDeleter {
  void operator()(llama_model* model) const;
};
struct ContextDeleter {
  void operator()(llama_context* context) const;
};

class Model {
 public:
  struct Hooks {
    // 0 to 1, never decreasing, at most about a hundred calls; on the decode thread.
    std::function<void(float)> progress;
    std::function<void(const std::string&)> warn;
    // While it is true, loads and computations give up as soon as the library lets them. Outlives the model.
    const std::atomic<bool>* abandon = nullptr;
  };

  // Fails with kInvalidRequest (a setting), kModelLoadFailed (the library's own words in the message),
  // kInsufficientResources (numbers), kNotImplemented (a kind of model that the engine does not run) or
  // kCancelled (abandoned).
  static Result<std::unique_ptr<Model>> load(const wire::Load& load, const Hooks& hooks);
  // What load() would take, without reading the weights or taking memory for them. Fails like it, but for lack of memory.
  static Result<wire::Estimated> estimate(const wire::Load& load, const Hooks& hooks);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  llama_model* library_model() const { return model_.get(); }
  // Null where only the vocabulary was loaded.
  llama_context* context() const { return context_.get(); }
  bool for_embedding() const { return for_embedding_; }

  std::uint32_t context_length() const { return context_length_; }
  std::uint32_t kv_cells() const { return kv_cells_; }
  std::uint32_t parallel() const { return parallel_; }
  // Predictions that may have cells at once: more than run, because paused ones keep theirs. For embeddings the
  // inputs of one batch.
  std::uint32_t max_sequences() const { return max_sequences_; }
  // Whether tokens that were computed can be taken back exactly, as verifying guesses wants it.
  bool can_take_back() const { return can_take_back_; }
  // Whether cells that are moved to earlier positions are right there, and the others untouched. Found out at the first
  // call, which takes a few tokens' time (shift_probe.h).
  bool shifts_exactly() const;
  // Whether sequences have a state each beside their cells or in place of them (recurrent and hybrid models), which
  // the library moves about while it computes.
  bool moves_states() const { return moves_states_; }
  // Whether guesses are to be made from the text itself (ngram_lookup.h).
  bool guesses_from_text() const;
  // What the cache of cells may do with this model.
  CellCache::Limits cell_limits() const;
  std::uint32_t batch_size() const { return batch_size_; }
  // Positions of one batch that may give logits.
  std::uint32_t max_outputs() const { return max_outputs_; }
  // Whether the layers run on the processor, where a long batch keeps everyone waiting.
  bool runs_on_cpu() const { return runs_on_cpu_; }
  // Whether attention takes 64 rows together and leaves out cells that none of them looks at: flash attention on processors,
  // with cells that are not quantized.
  bool attends_in_tiles() const { return attends_in_tiles_; }
  // The longest pause that prompts should cause between tokens of running predictions; 0: no such aim.
  std::chrono::milliseconds token_gap() const { return token_gap_; }
  std::optional<std::uint64_t> default_seed() const { return default_seed_; }
  // Numbers of one embedding.
  std::uint32_t embedding_dimensions() const { return embedding_dimensions_; }

  // The settings really applied, and what clients may know of the model.
  void describe(wire::LoadConfig& config, wire::ModelInfo& info) const;

 private:
  friend class ModelLoader;
  Model();

  std::unique_ptr<llama_model, ModelDeleter> model_;
  std::unique_ptr<llama_context, ContextDeleter> context_;
  std::unique_ptr<Vocabulary> vocabulary_;
  std::unique_ptr<wire::LoadConfig> applied_;
  std::unique_ptr<llama_context_params> context_params_;
  mutable std::optional<bool> shifts_exactly_;
  bool for_embedding_ = false;
  bool runs_on_cpu_ = true;
  bool attends_in_tiles_ = false;
  std::uint32_t context_length_ = 0;
  std::uint32_t kv_cells_ = 0;
  std::uint32_t parallel_ = 0;
  std::uint32_t max_sequences_ = 0;
  std::uint32_t kept_sequences_ = 0;
  bool spare_sequence_ = false;
  Reuse reuse_ = Reuse::kOff;
  bool can_take_back_ = false;
  bool moves_states_ = false;
  std::uint32_t batch_size_ = 0;
  std::uint32_t max_outputs_ = 0;
  std::uint32_t embedding_dimensions_ = 0;
  std::optional<std::uint64_t> default_seed_;
  std::chrono::milliseconds token_gap_{0};
};

}  // namespace atelier::engine
