#include "api/rest_v1/model_json.h"

#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "api/fields.h"

namespace atelier::api::rest_v1 {
namespace {

using predict::InstanceInfo;
using predict::InstanceStatus;
using predict::ModelKind;

std::string_view status_name(InstanceStatus status) {
  switch (status) {
    case InstanceStatus::kLoading: return "loading";
    case InstanceStatus::kProcessingPrompt: return "processingPrompt";
    case InstanceStatus::kGenerating: return "generating";
    case InstanceStatus::kComputingEmbedding: return "computingEmbedding";
    case InstanceStatus::kUnloading: return "unloading";
    case InstanceStatus::kIdle:
    case InstanceStatus::kDead: return "idle";
  }
  return "idle";
}

// The settings that apply to this kind of model; what the engine did not report is left out.
json::Object config_json(const predict::LoadConfig& config, ModelKind kind) {
  json::Object object;
  if (config.context_length) object.append("context_length", *config.context_length);
  if (kind == ModelKind::kEmbedding) return object;
  if (config.eval_batch_size) object.append("eval_batch_size", *config.eval_batch_size);
  if (config.parallel) object.append("parallel", *config.parallel);
  if (config.flash_attention) object.append("flash_attention", *config.flash_attention);
  if (config.num_experts) object.append("num_experts", *config.num_experts);
  if (config.offload_kv_cache_to_gpu) object.append("offload_kv_cache_to_gpu", *config.offload_kv_cache_to_gpu);
  return object;
}

json::Value instance_json(const InstanceInfo& instance) {
  json::Object object{
      {"id", instance.id},
      {"config", config_json(instance.config, instance.kind)},
      {"status", status_name(instance.status)},
      {"queued", instance.queued},
      {"ttl_seconds", instance.ttl ? json::Value(instance.ttl->count()) : json::Value()},
      {"idle_seconds", std::chrono::duration<double>(instance.idle).count()},
      {"last_used_unix_ms",
       std::chrono::duration_cast<std::chrono::milliseconds>(instance.last_used.time_since_epoch()).count()},
      {"jit", instance.jit},
      {"size_bytes", instance.size_bytes}};
  return object;
}

json::Value text_or_null(const std::string& text) { return text.empty() ? json::Value() : json::Value(text); }

}  // namespace

json::Value model_json(const predict::ModelDescription& model) {
  const models::ModelEntry& entry = *model.entry;
  const bool is_llm = entry.type != models::ModelType::kEmbedding;
  json::Object object{{"type", is_llm ? "llm" : "embedding"},
                      {"publisher", entry.publisher},
                      {"key", entry.key},
                      {"display_name", entry.display_name}};
  if (is_llm) object.append("architecture", text_or_null(entry.architecture));
  object.append("quantization",
                json::Object{{"name", text_or_null(entry.quantization.name)},
                             {"bits_per_weight",
                              entry.quantization.bits > 0 ? json::Value(entry.quantization.bits) : json::Value()}});
  object.append("size_bytes", entry.size_bytes);
  object.append("params_string", text_or_null(entry.params_string));
  json::Array instances;
  for (const InstanceInfo& instance : model.instances) instances.push_back(instance_json(instance));
  object.append("loaded_instances", std::move(instances));
  object.append("max_context_length", entry.max_context_length);
  object.append("format", "gguf");
  if (is_llm) {
    json::Object capabilities{{"vision", entry.vision},
                              {"trained_for_tool_use", entry.trained_for_tool_use.value_or(false)}};
    if (entry.reasoning) {
      json::Array allowed;
      for (const std::string& option : entry.reasoning->allowed) allowed.emplace_back(option);
      capabilities.append(
          "reasoning", json::Object{{"allowed_options", std::move(allowed)}, {"default", entry.reasoning->standard}});
    }
    object.append("capabilities", std::move(capabilities));
    object.append("description", text_or_null(entry.description));
  }
  if (!entry.variants.empty()) {
    json::Array variants;
    for (const std::string& variant : entry.variants) variants.emplace_back(variant);
    object.append("variants", std::move(variants));
    object.append("selected_variant", entry.selected_variant);
  }
  object.append("path", entry.relative_path);
  object.append("bundled", entry.bundled);
  return object;
}

namespace {

// The share of the layers that goes to the GPU; nothing for "auto", or where it is not said.
std::optional<double> gpu_ratio(Fields& fields) {
  const json::Value* gpu = fields.value("gpu");
  if (gpu == nullptr) return std::nullopt;
  const std::string word = gpu->if_string() == nullptr ? "" : *gpu->if_string();
  if (word == "off") return 0;
  if (word == "max") return 1;
  const auto ratio = gpu->number();
  if (ratio && *ratio >= 0 && *ratio <= 1) return ratio;
  if (word != "auto") fields.fail("gpu", "'gpu' must be a number between 0 and 1, \"max\", \"off\" or \"auto\"");
  return std::nullopt;
}

}  // namespace

Result<LoadCall> decode_load(const json::Object& body) {
  Fields fields(body);
  fields.allow_only({"model",
                     "context_length",
                     "eval_batch_size",
                     "flash_attention",
                     "num_experts",
                     "offload_kv_cache_to_gpu",
                     "echo_load_config",
                     "identifier",
                     "ttl",
                     "parallel",
                     "gpu",
                     "k_cache_type",
                     "v_cache_type",
                     "draft_model",
                     "estimate_only",
                     "threads",
                     "seed",
                     "rope_freq_base",
                     "rope_freq_scale",
                     "use_mmap",
                     "use_mlock",
                     "pooling",
                     "prefix_cache",
                     "cache_tokens",
                     "ngram_speculation",
                     "token_gap_ms",
                     "kv_memory_bytes"});
  fields.require("model");
  LoadCall call;
  predict::LoadConfig& config = call.request.config;
  call.request.model = fields.string("model").value_or("");
  if (call.request.model.empty()) {
    fields.fail("model", "'model' field is required", ErrorCode::kMissingParameter);
  }
  const auto natural = [&](std::string_view name) -> std::optional<std::uint32_t> {
    const auto value = fields.integer(name, 1, INT32_MAX);
    return value ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
  };
  config.context_length = natural("context_length");
  config.eval_batch_size = natural("eval_batch_size");
  config.parallel = natural("parallel");
  config.num_experts = natural("num_experts");
  config.threads = natural("threads");
  config.flash_attention = fields.boolean("flash_attention");
  config.offload_kv_cache_to_gpu = fields.boolean("offload_kv_cache_to_gpu");
  config.use_mmap = fields.boolean("use_mmap");
  config.use_mlock = fields.boolean("use_mlock");
  config.k_cache_type = fields.string("k_cache_type");
  config.v_cache_type = fields.string("v_cache_type");
  config.pooling = fields.string("pooling");
  config.prefix_cache = fields.boolean("prefix_cache");
  config.ngram_speculation = fields.boolean("ngram_speculation");
  const auto count = [&](std::string_view name, std::int64_t most) -> std::optional<std::uint32_t> {
    const auto value = fields.integer(name, 0, most);
    return value ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
  };
  config.cache_tokens = count("cache_tokens", 60'000'000);
  if (const auto bytes = fields.integer("kv_memory_bytes", 0, INT64_MAX)) {
    config.kv_memory_bytes = static_cast<std::uint64_t>(*bytes);
  }
  config.token_gap_ms = count("token_gap_ms", 3'600'000);
  if (const auto base = fields.number("rope_freq_base", 0, 1e12)) config.rope_freq_base = static_cast<float>(*base);
  if (const auto scale = fields.number("rope_freq_scale", 0, 1e6)) config.rope_freq_scale = static_cast<float>(*scale);
  if (const auto seed = fields.integer("seed", -1, INT64_MAX); seed && *seed >= 0) {
    config.seed = static_cast<std::uint64_t>(*seed);
  }
  call.request.gpu_ratio = gpu_ratio(fields);
  call.request.draft_model = fields.string("draft_model").value_or("");
  if (const auto ttl = fields.integer("ttl", 1, INT32_MAX)) call.request.ttl = std::chrono::seconds(*ttl);
  call.request.identifier = fields.string("identifier").value_or("");
  call.echo_load_config = fields.boolean("echo_load_config").value_or(false);
  call.estimate_only = fields.boolean("estimate_only").value_or(false);
  if (fields.error()) return std::unexpected(*fields.error());
  return call;
}

json::Object loaded_json(const predict::LoadedModel& loaded, bool echo_load_config) {
  json::Object object{{"type", loaded.instance.kind == ModelKind::kEmbedding ? "embedding" : "llm"},
                      {"instance_id", loaded.instance.id},
                      {"load_time_seconds", loaded.instance.load_seconds},
                      {"status", "loaded"}};
  if (echo_load_config) object.append("load_config", config_json(loaded.instance.config, loaded.instance.kind));
  return object;
}

json::Value estimate_json(const predict::LoadEstimate& estimate) {
  return json::Object{{"model", estimate.model_key},
                      {"context_length", estimate.context_length},
                      {"estimated_gpu_memory_bytes", estimate.gpu_bytes},
                      {"estimated_total_memory_bytes", estimate.total_bytes},
                      {"available_memory_bytes", estimate.available_bytes},
                      {"kv_cells", estimate.kv_cells},
                      {"weight_bytes", estimate.weight_bytes},
                      {"kv_cache_bytes", estimate.kv_cache_bytes},
                      {"state_bytes", estimate.state_bytes},
                      {"compute_bytes", estimate.compute_bytes},
                      {"fits", estimate.fits},
                      {"confidence", estimate.confident ? "high" : "low"}};
}

}  // namespace atelier::api::rest_v1
