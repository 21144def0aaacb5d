#include "cli/model_json.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "cli/format.h"

namespace atelier::cli {
namespace {

const std::string& path_of(const client::Model& model) { return model.path.empty() ? model.key : model.path; }

json::Value bits_json(double bits) {
  double whole = 0;
  if (std::modf(bits, &whole) == 0) return static_cast<std::int64_t>(whole);
  return bits;
}

}  // namespace

json::Object model_json(const client::Model& model) {
  bool llm = model.type == client::ModelType::kLlm;
  json::Object out;
  out.append("type", llm ? "llm" : "embedding");
  out.append("modelKey", model.key);
  out.append("format", model.format.empty() ? "gguf" : model.format);
  out.append("displayName", model.display_name);
  out.append("publisher", model.publisher);
  out.append("path", path_of(model));
  out.append("sizeBytes", model.size_bytes);
  out.append("indexedModelIdentifier", path_of(model));
  out.append("deviceIdentifier", nullptr);
  if (!model.params_string.empty()) out.append("paramsString", model.params_string);
  if (!model.architecture.empty()) out.append("architecture", model.architecture);
  if (model.quantization && !model.quantization->name.empty()) {
    json::Object quantization{{"name", model.quantization->name}};
    if (auto bits = model.quantization->bits_per_weight) quantization.append("bits", bits_json(*bits));
    out.append("quantization", std::move(quantization));
  }
  if (!model.variants.empty()) {
    json::Array variants;
    for (const std::string& variant : model.variants) variants.push_back(variant);
    out.append("variants", std::move(variants));
    if (!model.selected_variant.empty()) out.append("selectedVariant", model.selected_variant);
  }
  if (llm) {
    out.append("vision", model.vision);
    out.append("trainedForToolUse", model.trained_for_tool_use);
  }
  out.append("maxContextLength", model.max_context_length);
  return out;
}

json::Object variant_json(const client::Model& model, const std::string& variant) {
  json::Object out = model_json(model);
  out.erase("variants");
  out.erase("selectedVariant");
  out.set("modelKey", variant);
  if (variant == model.selected_variant || variant == model.key) return out;
  out.erase("sizeBytes");
  out.erase("quantization");
  std::size_t at = variant.rfind('@');
  if (at == std::string::npos) return out;
  std::string name = variant.substr(at + 1);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  out.set("quantization", json::Object{{"name", name}});
  return out;
}

json::Object instance_json(const client::Model& model, const client::LoadedInstance& instance, std::int64_t now_ms) {
  json::Object out = model_json(model);
  if (instance.size_bytes) out.set("sizeBytes", *instance.size_bytes);
  out.append("identifier", instance.id);
  std::optional<std::int64_t> ttl_ms, last_used;
  if (instance.ttl_seconds) ttl_ms = *instance.ttl_seconds * 1000;
  if (instance.idle_seconds) last_used = now_ms - static_cast<std::int64_t>(*instance.idle_seconds * 1000);
  out.append("ttlMs", ttl_ms);
  out.append("lastUsedTime", last_used);
  out.append("contextLength", instance.context_length);
  out.append("status", status_word(instance.status));
  out.append("queued", instance.queued);
  out.append("parallel", instance.parallel);
  return out;
}

}  // namespace atelier::cli
