#include "predict/model_service.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/log.h"
#include "base/memory_info.h"
#include "base/utf8.h"
#include "models/estimate.h"
#include "predict/pool.h"
#include "prompt/manual_template.h"

namespace atelier::predict {
namespace {

using boost::asio::awaitable;

constexpr std::uint32_t kDefaultContextLength = 8192;
constexpr std::uint64_t kDefaultKvMemoryBytes = std::uint64_t{1} << 30;
// Above this a layer count means "all of them" to the inference library.
constexpr std::int32_t kAllLayers = -1;

ModelKind kind_of(const models::ModelEntry& entry) {
  return entry.type == models::ModelType::kEmbedding ? ModelKind::kEmbedding : ModelKind::kLlm;
}

// What names this very entry: the key where it is what the key means, the variant's key otherwise.
std::string own_key(const models::ModelEntry& entry) {
  if (entry.selected_variant.empty() || entry.selected_variant == entry.variant_key()) return entry.key;
  return entry.variant_key();
}

Error wrong_type(std::string_view model, ModelKind wanted) {
  const std::string message =
      wanted == ModelKind::kLlm
          ? fmt::format("'{}' is an embedding model; use it with /v1/embeddings, or name a language model here", model)
          : fmt::format("'{}' is a language model and makes no embeddings; name an embedding model here", model);
  return Error{ErrorCode::kInvalidModelType, message, "model"};
}

template <class T, class U>
void fill(std::optional<T>& target, const std::optional<U>& value) {
  if (!target && value) target = static_cast<T>(*value);
}

// The request's settings first, then the model's own.
LoadConfig with_defaults(LoadConfig config, const models::LoadDefaults& defaults) {
  fill(config.context_length, defaults.context_length);
  fill(config.eval_batch_size, defaults.eval_batch_size);
  fill(config.parallel, defaults.parallel);
  fill(config.threads, defaults.threads);
  fill(config.num_experts, defaults.num_experts);
  fill(config.flash_attention, defaults.flash_attention);
  fill(config.offload_kv_cache_to_gpu, defaults.offload_kv_cache_to_gpu);
  fill(config.use_mlock, defaults.keep_in_memory);
  fill(config.use_mmap, defaults.try_mmap);
  fill(config.rope_freq_base, defaults.rope_frequency_base);
  fill(config.rope_freq_scale, defaults.rope_frequency_scale);
  fill(config.k_cache_type, defaults.k_cache_type);
  fill(config.v_cache_type, defaults.v_cache_type);
  fill(config.prefix_cache, defaults.prefix_cache);
  fill(config.ngram_speculation, defaults.ngram_speculation);
  fill(config.token_gap_ms, defaults.token_gap_ms);
  fill(config.cache_tokens, defaults.cache_tokens);
  fill(config.kv_memory_bytes, defaults.kv_memory_bytes);
  if (!config.seed && defaults.seed && *defaults.seed >= 0) config.seed = static_cast<std::uint64_t>(*defaults.seed);
  return config;
}

// How much of the machine's free memory a load may take.
double allowed_share(ModelSettings::Guardrails level) {
  switch (level) {
    case ModelSettings::Guardrails::kStrict: return 0.7;
    case ModelSettings::Guardrails::kBalanced: return 0.9;
    case ModelSettings::Guardrails::kRelaxed: return 1.0;
    case ModelSettings::Guardrails::kOff: break;
  }
  return INFINITY;
}

prompt::SpecialTokens special_tokens(const models::ModelEntry& entry) {
  const models::TokenizerFacts& tokenizer = entry.tokenizer;
  prompt::SpecialTokens special;
  special.bos = tokenizer.bos.text;
  special.eos = tokenizer.eos.text;
  special.unk = tokenizer.unknown.text;
  special.sep = tokenizer.separator.text;
  special.pad = tokenizer.padding.text;
  return special;
}

// The Jinja text of the model's prompts; empty where it has none.
std::string template_source(const models::ModelEntry& entry, TemplateUse use) {
  if (!entry.defaults.manual_prompt) {
    // A template that somebody set for the model is meant for everything.
    if (use == TemplateUse::kTools && !entry.defaults.chat_template) {
      for (const auto& [name, source] : entry.named_templates) {
        if (name == "tool_use") return source;
      }
    }
    return entry.chat_template;
  }
  const models::ManualPrompt& texts = *entry.defaults.manual_prompt;
  return prompt::manual_template_source({.before_system = texts.before_system,
                                         .after_system = texts.after_system,
                                         .before_user = texts.before_user,
                                         .after_user = texts.after_user,
                                         .before_assistant = texts.before_assistant,
                                         .after_assistant = texts.after_assistant});
}

// Keeps the first dimensions and brings the rest back to length 1.
void shorten(std::vector<float>& vector, std::uint32_t dimensions) {
  vector.resize(dimensions);
  double sum = 0;
  for (const float value : vector) sum += static_cast<double>(value) * static_cast<double>(value);
  const double norm = std::sqrt(sum);
  if (norm == 0) return;
  for (float& value : vector) value = static_cast<float>(static_cast<double>(value) / norm);
}

}  // namespace

ModelService::ModelService(models::Catalog& catalog, runtime::Instances& instances, boost::asio::any_io_executor pool,
                           ModelSettings settings)
    : catalog_(catalog), instances_(instances), pool_(std::move(pool)), settings_(settings) {}

// ---------------------------------------------------------------- what is there

awaitable<std::shared_ptr<const models::CatalogSnapshot>> ModelService::catalog() {
  auto refresh = [this] { return catalog_.refresh(); };
  co_return co_await run_on(pool_, refresh);
}

awaitable<Result<models::ModelPtr>> ModelService::resolve(std::string model) {
  const auto snapshot = co_await catalog();
  Result<models::ModelPtr> found = snapshot->resolve(model);
  if (!found && found.error().param.empty()) found.error().param = "model";
  // The engine protocol carries paths as text.
  if (found && !utf8::is_valid((*found)->path.string())) {
    co_return fail(ErrorCode::kModelLoadFailed,
                   fmt::format("The path of '{}' is not valid UTF-8; rename its file or folder", (*found)->key),
                   "model");
  }
  co_return found;
}

awaitable<Result<std::vector<ModelDescription>>> ModelService::list() {
  const auto snapshot = co_await catalog();
  const std::vector<models::ModelPtr>& entries = snapshot->models();
  const std::vector<InstanceInfo> instances = instances_.list();
  std::vector<ModelDescription> all;
  const auto describe = [&](const models::ModelPtr& entry, auto belongs) {
    ModelDescription description{entry, {}};
    std::ranges::copy_if(instances, std::back_inserter(description.instances), belongs);
    all.push_back(std::move(description));
  };
  for (const models::ModelPtr& entry : entries) {
    // A variant that is loaded by its own name is listed with its model.
    describe(entry, [&](const InstanceInfo& instance) {
      return instance.model_key == entry->key ||
             std::ranges::find(entry->variants, instance.model_key) != entry->variants.end();
    });
  }
  // Loaded models whose file has gone since still answer, so they are listed.
  for (const auto& [key, entry] : loaded_) {
    const auto by_key = [&](const InstanceInfo& instance) { return instance.model_key == key; };
    const bool listed =
        std::ranges::any_of(entries, [&](const models::ModelPtr& other) { return other->key == entry->key; });
    if (!listed && std::ranges::any_of(instances, by_key)) describe(entry, by_key);
  }
  std::ranges::sort(all, {}, [](const ModelDescription& model) -> const std::string& { return model.entry->key; });
  co_return all;
}

// ---------------------------------------------------------------- loading by hand

runtime::LoadRequest ModelService::load_request(const models::ModelEntry& entry, const LoadConfig& config,
                                                std::optional<double> gpu_ratio) const {
  runtime::LoadRequest request;
  request.model_key = own_key(entry);
  request.kind = kind_of(entry);
  request.path = entry.path;
  if (entry.projector) request.mmproj_path = entry.projector->path;
  request.size_bytes = entry.size_bytes;
  request.config = with_defaults(config, entry.defaults.load);
  if (settings_.guardrails != ModelSettings::Guardrails::kOff) {
    request.memory_share = static_cast<float>(allowed_share(settings_.guardrails));
  }
  const std::optional<double> ratio = gpu_ratio ? gpu_ratio : entry.defaults.load.gpu_offload_ratio;
  if (ratio && !request.config.gpu_layers) {
    request.config.gpu_layers =
        *ratio >= 1 ? kAllLayers
                    : static_cast<std::int32_t>(std::lround(*ratio * static_cast<double>(entry.cache.layers)));
  }
  return request;
}

LoadEstimate ModelService::estimate_from_metadata(const models::ModelEntry& entry, const LoadConfig& config) const {
  const std::uint64_t trained = entry.max_context_length == 0 ? kDefaultContextLength : entry.max_context_length;
  std::uint64_t context_length = config.context_length.value_or(
      static_cast<std::uint32_t>(std::min<std::uint64_t>(kDefaultContextLength, trained)));
  models::LoadShape shape;
  // As the engine chooses: room for one full sequence, and as much again for prefixes that are kept.
  shape.kv_cells = config.kv_cells.value_or(static_cast<std::uint32_t>(context_length * 2));
  if (config.parallel) shape.sequences = *config.parallel;
  if (config.eval_batch_size) shape.ubatch = *config.eval_batch_size;
  if (config.flash_attention) shape.flash_attention = *config.flash_attention;
  if (config.k_cache_type) shape.key_type = models::cache_type_from(*config.k_cache_type).value_or(shape.key_type);
  if (config.v_cache_type) shape.value_type = models::cache_type_from(*config.v_cache_type).value_or(shape.value_type);

  LoadEstimate estimate;
  estimate.model_key = own_key(entry);
  estimate.available_bytes = read_memory_info().available_bytes;
  if (config.prefix_cache.value_or(true)) {
    shape.kept_state_bytes =
        config.kv_memory_bytes.value_or(std::min(kDefaultKvMemoryBytes, estimate.available_bytes / 8));
  }
  const double allowed = static_cast<double>(estimate.available_bytes) * allowed_share(settings_.guardrails);
  models::MemoryEstimate memory = models::estimate(entry, shape);
  // A context length that nobody asked for is lowered until it fits, by the engine as here.
  if (static_cast<double>(memory.total()) > allowed && !config.context_length && !config.kv_cells) {
    if (const auto cells = models::cells_that_fit(entry, shape, static_cast<std::uint64_t>(allowed))) {
      shape.kv_cells = *cells;
      context_length = std::min(context_length, *cells);
      memory = models::estimate(entry, shape);
    }
  }
  estimate.context_length = static_cast<std::uint32_t>(context_length);
  estimate.kv_cells = static_cast<std::uint32_t>(shape.kv_cells);
  estimate.weight_bytes = memory.weights + memory.projector;
  estimate.kv_cache_bytes = memory.kv_cache;
  estimate.state_bytes = memory.recurrent_state;
  estimate.compute_bytes = memory.compute;
  estimate.total_bytes = memory.total();
  estimate.fits = static_cast<double>(estimate.total_bytes) <= allowed;
  estimate.confident = false;
  return estimate;
}

// The engine has weighed the load against its share of the memory; who set the share can change it.
Error ModelService::with_way_out(Error error) const {
  if (error.code == ErrorCode::kInsufficientResources && settings_.guardrails != ModelSettings::Guardrails::kOff) {
    error.message += ", or change 'guardrails' in settings.json";
  }
  return error;
}

awaitable<std::vector<InstanceStatistics>> ModelService::statistics(std::chrono::milliseconds limit) {
  return instances_.statistics(limit);
}

awaitable<Result<LoadedModel>> ModelService::load(ModelLoadRequest request, runtime::LoadProgress progress,
                                                  std::stop_token stop) {
  const Result<models::ModelPtr> entry = co_await resolve(request.model);
  if (!entry) co_return std::unexpected(entry.error());
  runtime::LoadRequest load = load_request(**entry, request.config, request.gpu_ratio);
  load.identifier = request.identifier;
  load.ttl = request.ttl;
  std::string draft_key = request.draft_model;
  InstanceInfo no_instance;
  Result<std::optional<runtime::DraftModel>> draft = co_await draft_model(std::move(draft_key), std::move(no_instance));
  if (!draft) co_return std::unexpected(draft.error());
  load.draft_model = std::move(*draft);
  loaded_[load.model_key] = *entry;
  const auto instance = co_await instances_.load(std::move(load), std::move(progress), stop);
  if (!instance) co_return std::unexpected(with_way_out(instance.error()));
  co_return LoadedModel{(*instance)->info(), *entry};
}

awaitable<Result<std::optional<runtime::DraftModel>>> ModelService::draft_model(std::string key,
                                                                                InstanceInfo instance) {
  if (key.empty()) co_return instance.draft_model;
  Result<models::ModelPtr> entry = co_await resolve(key);
  if (!entry) {
    Error error = entry.error();
    error.param = "draft_model";
    co_return std::unexpected(error);
  }
  if (kind_of(**entry) != ModelKind::kLlm) {
    co_return fail(ErrorCode::kInvalidModelType, fmt::format("'{}' is an embedding model and cannot guess text", key),
                   "draft_model");
  }
  co_return runtime::DraftModel{own_key(**entry), (*entry)->path};
}

awaitable<Result<LoadEstimate>> ModelService::estimate(ModelLoadRequest request, std::stop_token stop) {
  const Result<models::ModelPtr> entry = co_await resolve(request.model);
  if (!entry) co_return std::unexpected(entry.error());
  runtime::LoadRequest load = load_request(**entry, request.config, request.gpu_ratio);
  const LoadConfig config = load.config;
  const auto counted = co_await instances_.estimate(std::move(load), std::move(stop));
  if (!counted && counted.error().code != ErrorCode::kUnavailable) co_return std::unexpected(counted.error());
  if (!counted) {
    log::warn("The memory for '{}' is reckoned from its metadata: {}", (*entry)->key, counted.error().message);
    co_return estimate_from_metadata(**entry, config);
  }
  LoadEstimate estimate;
  estimate.model_key = own_key(**entry);
  estimate.context_length = counted->config.context_length.value_or(0);
  estimate.kv_cells = counted->config.kv_cells.value_or(0);
  estimate.weight_bytes = counted->weight_bytes;
  estimate.kv_cache_bytes = counted->kv_cache_bytes;
  estimate.state_bytes = counted->state_bytes;
  estimate.compute_bytes = counted->compute_bytes + counted->process_bytes;
  estimate.gpu_bytes = counted->gpu_bytes;
  estimate.total_bytes = counted->total_bytes();
  estimate.available_bytes = counted->available_bytes;
  estimate.fits = counted->fits;
  estimate.confident = counted->exact;
  co_return estimate;
}

awaitable<Result<void>> ModelService::unload(std::string instance_id) {
  co_return co_await instances_.unload(std::move(instance_id));
}

// ---------------------------------------------------------------- finding what a request names

std::shared_ptr<runtime::Instance> ModelService::loaded_by_name(std::string_view model) const {
  if (auto instance = instances_.find(model)) return instance;
  // Several instances may hold one model: the least busy one answers.
  std::shared_ptr<runtime::Instance> best;
  std::uint32_t best_queued = 0;
  for (const InstanceInfo& info : instances_.list()) {
    const auto loaded = loaded_.find(info.model_key);
    const bool named = info.model_key == model || (loaded != loaded_.end() && loaded->second->variant_key() == model);
    if (!named) continue;
    auto instance = instances_.find(info.id);
    if (instance && (!best || info.queued < best_queued)) {
      best = std::move(instance);
      best_queued = info.queued;
    }
  }
  return best;
}

Result<std::shared_ptr<runtime::Instance>> ModelService::only_or_last_used(ModelKind kind) const {
  std::shared_ptr<runtime::Instance> latest;
  std::chrono::system_clock::time_point latest_use;
  for (const InstanceInfo& info : instances_.list()) {
    auto instance = info.kind == kind ? instances_.find(info.id) : nullptr;
    if (instance && (!latest || info.last_used > latest_use)) {
      latest = std::move(instance);
      latest_use = info.last_used;
    }
  }
  if (latest) return latest;
  return fail(ErrorCode::kMissingParameter,
              "No models loaded, and the request names none. Set 'model' (GET /v1/models lists them) or load one with "
              "`lms load`",
              "model");
}

awaitable<Result<AcquiredModel>> ModelService::acquire(std::string model, ModelKind kind,
                                                       std::optional<std::chrono::seconds> ttl, LoadObserver observer,
                                                       std::stop_token stop) {
  std::shared_ptr<runtime::Instance> instance;
  if (model.empty()) {
    auto found = only_or_last_used(kind);
    if (!found) co_return std::unexpected(found.error());
    instance = std::move(*found);
  } else {
    instance = loaded_by_name(model);
  }
  if (instance) {
    const InstanceInfo info = instance->info();
    const auto entry = loaded_.find(info.model_key);
    if (info.kind != kind) co_return std::unexpected(wrong_type(model, kind));
    if (entry != loaded_.end()) co_return AcquiredModel{std::move(instance), entry->second, false, 0};
  }

  const Result<models::ModelPtr> entry = co_await resolve(model);
  if (!entry) co_return std::unexpected(entry.error());
  if (kind_of(**entry) != kind) co_return std::unexpected(wrong_type(model, kind));
  runtime::LoadRequest load = load_request(**entry, {}, {});
  // Spelled in another way (case, suffix, path) it may still name a loaded model.
  if (auto loaded = loaded_by_name(load.model_key)) co_return AcquiredModel{std::move(loaded), *entry, false, 0};
  if (!settings_.jit) {
    co_return fail(
        ErrorCode::kModelNotLoaded,
        fmt::format("The model '{}' is not loaded. Load it with `lms load {}`, or switch loading on demand on", model,
                    load.model_key),
        "model");
  }
  load.jit = true;
  if (ttl)
    load.ttl = ttl;
  else if (settings_.jit_auto_unload)
    load.ttl = settings_.jit_ttl;
  const std::string key = load.model_key;
  loaded_[key] = *entry;
  if (observer.started) observer.started(key);
  runtime::LoadProgress progress = [key, observer](double fraction) {
    if (observer.progress) observer.progress(key, fraction);
  };
  auto acquired = co_await instances_.acquire(std::move(load), std::move(progress), stop);
  if (!acquired) co_return std::unexpected(with_way_out(acquired.error()));
  co_return AcquiredModel{std::move(acquired->instance), *entry, acquired->loaded_now, acquired->load_seconds};
}

// ---------------------------------------------------------------- templates

const ModelService::CompiledTemplate& ModelService::compiled_template(const models::ModelEntry& entry,
                                                                      TemplateUse use) {
  CompiledTemplate& cached = templates_[entry.variant_key() + (use == TemplateUse::kTools ? "#tool_use" : "")];
  const std::string source = template_source(entry, use);
  const bool fresh = (cached.compiled || cached.error) && cached.source == source;
  if (fresh) return cached;
  cached = CompiledTemplate{source, nullptr, std::nullopt};
  if (source.empty()) log::warn("'{}' has no chat template; ChatML is used for it", entry.key);
  auto compiled = compile_chat_template(entry, use);
  if (!compiled) {
    cached.error =
        Error{ErrorCode::kInvalidRequest,
              fmt::format("The chat template of '{}' cannot be used: {}. Set another one as 'chat_template' in "
                          "model.yaml, or use /v1/completions",
                          entry.key, compiled.error().message),
              "model"};
    return cached;
  }
  cached.compiled = std::make_shared<const prompt::ChatTemplate>(std::move(*compiled));
  return cached;
}

Result<prompt::ChatTemplate> compile_chat_template(const models::ModelEntry& entry, TemplateUse use) {
  std::string source = template_source(entry, use);
  if (source.empty()) return prompt::ChatTemplate::chatml(special_tokens(entry));
  return prompt::ChatTemplate::compile(std::move(source), special_tokens(entry));
}

models::TemplateFacts template_facts(const models::ModelEntry& entry) {
  models::TemplateFacts facts;
  if (entry.type == models::ModelType::kEmbedding || entry.chat_template.empty()) return facts;
  auto compiled = compile_chat_template(entry, TemplateUse::kChat);
  if (compiled) {
    prompt::ReasoningChoices choices = prompt::reasoning_choices(compiled->capabilities());
    if (!choices.allowed.empty()) {
      facts.reasoning = models::ReasoningOptions{std::move(choices.allowed), std::move(choices.standard)};
    }
  }
  if (template_source(entry, TemplateUse::kTools) != template_source(entry, TemplateUse::kChat)) {
    compiled = compile_chat_template(entry, TemplateUse::kTools);
  }
  facts.trained_for_tool_use = compiled && compiled->capabilities().native_tool_format != nullptr;
  return facts;
}

Result<std::shared_ptr<const prompt::ChatTemplate>> ModelService::chat_template(const models::ModelEntry& entry,
                                                                                TemplateUse use) {
  const CompiledTemplate& cached = compiled_template(entry, use);
  if (cached.error) return std::unexpected(*cached.error);
  return cached.compiled;
}

// ---------------------------------------------------------------- embeddings

awaitable<Result<EmbeddingResult>> ModelService::embed(EmbeddingRequest request, std::stop_token stop) {
  LoadObserver unwatched;
  const Result<AcquiredModel> model =
      co_await acquire(std::move(request.model), ModelKind::kEmbedding, request.ttl, unwatched, stop);
  if (!model) co_return std::unexpected(model.error());

  runtime::EmbedRequest embed;
  embed.truncate = request.truncate;
  for (PromptInput& input : request.inputs) {
    runtime::EmbedInput& each = embed.inputs.emplace_back();
    if (auto* text = std::get_if<std::string>(&input))
      each.text = std::move(*text);
    else
      each.tokens = std::move(std::get<std::vector<std::int32_t>>(input));
  }
  const std::size_t count = embed.inputs.size();
  Result<runtime::EmbedResult> embedded = co_await model->instance->embed(std::move(embed), stop);
  if (!embedded) co_return std::unexpected(embedded.error());

  const std::size_t width = embedded->dimensions;
  if (request.dimensions && *request.dimensions > width) {
    co_return fail(ErrorCode::kInvalidRequest,
                   fmt::format("'dimensions' is {}, but this model's embeddings have {}", *request.dimensions, width),
                   "dimensions");
  }
  EmbeddingResult result;
  result.model = model->instance->info().id;
  for (std::size_t i = 0; i < count; ++i) {
    const auto begin = embedded->values.begin() + static_cast<std::ptrdiff_t>(i * width);
    std::vector<float>& vector = result.vectors.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(width));
    if (request.dimensions) shorten(vector, *request.dimensions);
  }
  for (const std::uint64_t tokens : embedded->token_counts) result.prompt_tokens += tokens;
  co_return result;
}

}  // namespace atelier::predict
