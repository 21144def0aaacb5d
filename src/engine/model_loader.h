// The steps of loading a model, from the request's settings to a warmed-up context. Decode thread; used by
// Model::load alone.
#pragma once

#include <llama.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "engine/load_plan.h"
#include "engine/model.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

class ModelLoader {
 public:
  ModelLoader(const wire::Load& load, const Model::Hooks& hooks) : load_(load), hooks_(hooks) {}
  Result<std::unique_ptr<Model>> run();

 private:
  Result<void> check_settings();
  Result<void> check_file();
  Result<void> load_weights();
  void choose_threads();
  void choose_sequences();
  Result<void> plan();
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
  bool abandoned() const { return hooks_.abandon != nullptr && *hooks_.abandon; }
  Error library_error(ErrorCode code, const std::string& what) const;

  const wire::Load& load_;
  const Model::Hooks& hooks_;
  std::unique_ptr<Model> out_;
  wire::LoadConfig config_;  // becomes the applied one, member by member
  std::string architecture_;
  std::uint64_t free_bytes_ = 0;
  float progress_ = -1;
  ggml_type k_type_ = GGML_TYPE_F16;
  ggml_type v_type_ = GGML_TYPE_F16;
  bool has_gpu_ = false;
  llama_model_kv_override overrides_[2] = {};
};

}  // namespace atelier::engine
