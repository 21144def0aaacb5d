// The models as every dialect sees them: what is downloaded, what is loaded, and how a `model` field finds its
// instance. Lives on the server's loop thread; files are read on the pool.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/error.h"
#include "models/catalog.h"
#include "predict/request.h"
#include "prompt/chat.h"
#include "runtime/instances.h"

namespace atelier::predict {

using runtime::EngineStatistics;
using runtime::InstanceInfo;
using runtime::InstanceStatistics;
using runtime::InstanceStatus;
using runtime::LoadConfig;
using runtime::ModelKind;

// Settings that decide how models are loaded and how their answers are read.
struct ModelSettings {
  bool jit = true;                     // load on demand
  bool jit_auto_unload = true;         // give models loaded on demand an idle time
  std::chrono::seconds jit_ttl{3600};  // and this is it
  bool separate_reasoning = true;      // reasoning in a field of its own, not in the message
  enum class Guardrails { kOff, kRelaxed, kBalanced, kStrict } guardrails = Guardrails::kBalanced;
};

// A downloaded model with its loaded instances.
struct ModelDescription {
  models::ModelPtr entry;
  std::vector<InstanceInfo> instances;
};

struct ModelLoadRequest {
  std::string model;       // key, key@variant or relative path
  std::string identifier;  // empty: chosen
  LoadConfig config;
  std::optional<double> gpu_ratio;  // share of the layers on the GPU, 0 to 1; absent: as many as fit
  std::optional<std::chrono::seconds> ttl;
  std::string draft_model;  // for requests that name none; empty: none
};

struct LoadedModel {
  InstanceInfo instance;
  models::ModelPtr entry;
};

// What a load would take, without loading. Bytes.
struct LoadEstimate {
  std::string model_key;
  std::uint32_t context_length = 0;
  std::uint32_t kv_cells = 0;
  std::uint64_t weight_bytes = 0;
  std::uint64_t kv_cache_bytes = 0;
  std::uint64_t state_bytes = 0;    // of recurrent layers
  std::uint64_t compute_bytes = 0;  // and what the process takes in any case
  std::uint64_t gpu_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
  bool fits = true;
  bool confident = true;  // counted by an engine; false where it is reckoned from metadata
};

struct EmbeddingResult {
  std::string model;  // the instance's identifier
  std::vector<std::vector<float>> vectors;
  std::uint64_t prompt_tokens = 0;
};

// An instance for a request, with what its dialect and its prompt need to know about the model.
struct AcquiredModel {
  std::shared_ptr<runtime::Instance> instance;
  models::ModelPtr entry;
  bool loaded_now = false;
  double load_seconds = 0;
};

// Reports of a load that a request causes.
struct LoadObserver {
  std::function<void(const std::string& model_key)> started;
  std::function<void(const std::string& model_key, double fraction)> progress;
};

// Some models ship a second template, named tool_use, for requests with tools (Hermes, Command R).
enum class TemplateUse { kChat, kTools };

// Whether the model's own chat template takes tools, and what can be asked of its reasoning: what the catalog asks once for
// each file (models::CatalogOptions::template_facts). Any thread.
models::TemplateFacts template_facts(const models::ModelEntry& entry);

// The template that a model's prompts are made with: the user's, else model.yaml's (either may be a manual one), else the
// file's own, else ChatML. Costs some milliseconds; ModelService::chat_template remembers what it gave. Any thread.
Result<prompt::ChatTemplate> compile_chat_template(const models::ModelEntry& entry,
                                                   TemplateUse use = TemplateUse::kChat);

class ModelService {
 public:
  // The catalog and the instances must outlive the service. `pool` runs file work, one piece at a time.
  ModelService(models::Catalog& catalog, runtime::Instances& instances, boost::asio::any_io_executor pool,
               ModelSettings settings);

  const ModelSettings& settings() const { return settings_; }

  // Every downloaded model, sorted by key.
  boost::asio::awaitable<Result<std::vector<ModelDescription>>> list();

  // The loaded instances, and what their engines say within this time.
  boost::asio::awaitable<std::vector<InstanceStatistics>> statistics(std::chrono::milliseconds limit);

  // Always a new instance; never unloaded to make room for another.
  boost::asio::awaitable<Result<LoadedModel>> load(ModelLoadRequest request, runtime::LoadProgress progress,
                                                   std::stop_token stop);
  // Counted by an engine (runtime/load_estimates.h), or where none can be asked reckoned from the file's metadata.
  boost::asio::awaitable<Result<LoadEstimate>> estimate(ModelLoadRequest request, std::stop_token stop);
  boost::asio::awaitable<Result<void>> unload(std::string instance_id);

  // The draft model that a request is to use: the one it names, else the instance's. Fails with kModelNotFound or
  // kInvalidModelType, parameter "draft_model".
  boost::asio::awaitable<Result<std::optional<runtime::DraftModel>>> draft_model(std::string key,
                                                                                 InstanceInfo instance);

  // The instance that a request's `model` names (rest-api: identifier, loaded key, downloaded key, …), loading it
  // where it must. An empty name takes the only or the last used loaded model.
  boost::asio::awaitable<Result<AcquiredModel>> acquire(std::string model, ModelKind kind,
                                                        std::optional<std::chrono::seconds> ttl, LoadObserver observer,
                                                        std::stop_token stop);

  boost::asio::awaitable<Result<EmbeddingResult>> embed(EmbeddingRequest request, std::stop_token stop);

  // The model's own chat template, or ChatML where it has none; compiled once per file.
  Result<std::shared_ptr<const prompt::ChatTemplate>> chat_template(const models::ModelEntry& entry,
                                                                    TemplateUse use = TemplateUse::kChat);

 private:
  boost::asio::awaitable<std::shared_ptr<const models::CatalogSnapshot>> catalog();
  boost::asio::awaitable<Result<models::ModelPtr>> resolve(std::string model);
  std::shared_ptr<runtime::Instance> loaded_by_name(std::string_view model) const;
  Result<std::shared_ptr<runtime::Instance>> only_or_last_used(ModelKind kind) const;
  runtime::LoadRequest load_request(const models::ModelEntry& entry, const LoadConfig& config,
                                    std::optional<double> gpu_ratio) const;
  LoadEstimate estimate_from_metadata(const models::ModelEntry& entry, const LoadConfig& config) const;
  Error with_way_out(Error error) const;

  struct CompiledTemplate {
    std::string source;
    std::shared_ptr<const prompt::ChatTemplate> compiled;  // null where it does not compile
    std::optional<Error> error;
  };
  const CompiledTemplate& compiled_template(const models::ModelEntry& entry, TemplateUse use);

  models::Catalog& catalog_;
  runtime::Instances& instances_;
  boost::asio::any_io_executor pool_;
  ModelSettings settings_;
  std::unordered_map<std::string, models::ModelPtr> loaded_;     // by model key: what was last loaded under it
  std::unordered_map<std::string, CompiledTemplate> templates_;  // by variant key; replaced when the source changes
};

}  // namespace atelier::predict
