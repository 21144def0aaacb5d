// The steps of loading a model, from the request's settings to a warmed-up context; and the same steps without weights
// (llama.cpp's no_alloc), which tell how much memory a load would take. Decode thread; used by Model alone.
//
// That is what a plan is best made with, but it reads the vocabulary a second time: 300 ms of a 1B model with 128,256
// tokens, 5 ms of one with 1,000. So a load does it only where a rough estimate takes more than half of the memory that
// the load may have; below that the rough one is good enough to see that everything fits.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "engine/load_plan.h"
#include "engine/model.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

// A load's memory beside the weights. Bytes.
struct MeasuredMemory {
  std::uint64_t kv_cache = 0;
  std::uint64_t state = 0;
  std::uint64_t compute = 0;  // the graph, and rows of logits
  std::uint64_t on_gpu = 0;   // of all these
  bool exact = false;         // the library told all of it

  std::uint64_t sum() const { return kv_cache + state + compute; }
};

class ModelLoader {
 public:
  ModelLoader(const wire::Load& load, const Model::Hooks& hooks) : load_(load), hooks_(hooks) {}
  Result<std::unique_ptr<Model>> run();
  // Fails as a load would, but for lack of memory, which is an answer.
  Result<wire::Estimated> estimate();

 private:
  Result<void> check_settings();
  Result<void> check_file();
  Result<void> load_weights();
  void choose_threads();
  void choose_sequences();
  std::uint32_t choose_kept_states();
  std::uint64_t measure_state();
  Result<void> plan_ahead();
  Result<void> plan();
  LoadWishes wishes() const;
  void apply(const LoadPlan& plan);
  std::uint64_t process_bytes() const;
  Result<std::uint64_t> measure(const LoadPlan& plan);
  Result<LoadPlan> plan_without_weights();
  Result<void> make_context();
  Result<void> check_abilities();
  Result<void> choose_pooling(llama_context_params& params);
  void warm_up();

  llama_model_params model_params();
  llama_context_params context_params() const;
  ModelShape shape() const;
  std::string meta(const std::string& key) const;
  std::uint32_t meta_number(const std::string& key, std::uint32_t otherwise) const;
  bool on_progress(float fraction);
  void give_up_copied_pages();
  bool abandoned() const { return hooks_.abandon != nullptr && *hooks_.abandon; }
  Error library_error(ErrorCode code, const std::string& what) const;

  const wire::Load& load_;
  const Model::Hooks& hooks_;
  std::unique_ptr<Model> out_;
  wire::LoadConfig config_;  // becomes the applied one, member by member
  std::string architecture_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t available_bytes_ = 0;
  std::uint64_t free_bytes_ = 0;  // what of these the load may take
  // Their buffers' size; absent: as in the file.
  std::optional<std::uint64_t> weight_bytes_;
  bool without_weights_ = false;
  std::optional<std::uint64_t> given_bytes_;  // the load may take, whatever is free
  LoadWishes wishes_;
  std::optional<LoadPlan> exact_plan_;
  MeasuredMemory measured_;  // for the plan that was measured last
  float progress_ = -1;
  std::uint64_t state_bytes_ = 0;  // of one sequence of a recurrent or hybrid model, beside its cells
  ggml_type k_type_ = GGML_TYPE_F16;
  ggml_type v_type_ = GGML_TYPE_F16;
  bool has_gpu_ = false;
  llama_model_kv_override overrides_[2] = {};
};

}  // namespace atelier::engine
