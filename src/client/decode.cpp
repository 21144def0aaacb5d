#include "client/decode.h"

#include <fmt/format.h>

#include <charconv>

namespace atelier::client {
namespace {

std::string string_member(const json::Value& object, std::string_view key) {
  const json::Value* value = object.find(key);
  const std::string* text = value ? value->if_string() : nullptr;
  return text ? *text : std::string();
}

std::optional<std::int64_t> integer_member(const json::Value& object, std::string_view key) {
  const json::Value* value = object.find(key);
  if (!value) return std::nullopt;
  return value->integer();
}

std::optional<double> number_member(const json::Value& object, std::string_view key) {
  const json::Value* value = object.find(key);
  if (!value) return std::nullopt;
  return value->number();
}

std::optional<std::uint64_t> bytes_member(const json::Value& object, std::string_view key) {
  std::optional<double> value = number_member(object, key);
  if (!value || *value < 0 || *value > 1e18) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

bool bool_member(const json::Value& object, std::string_view key) {
  const json::Value* value = object.find(key);
  const bool* flag = value ? value->if_bool() : nullptr;
  return flag && *flag;
}

std::optional<std::uint16_t> port_member(const json::Value& object, std::string_view key) {
  std::optional<std::int64_t> value = integer_member(object, key);
  if (!value || *value < 1 || *value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

ModelType type_named(std::string_view name) {
  return name == "embedding" || name == "embeddings" ? ModelType::kEmbedding : ModelType::kLlm;
}

std::optional<ErrorCode> code_named(std::string_view name) {
  if (name.empty()) return std::nullopt;
  for (int i = 0; i <= static_cast<int>(ErrorCode::kCorrupt); ++i) {
    auto code = static_cast<ErrorCode>(i);
    if (to_string(code) == name) return code;
  }
  if (name == "port_in_use") return ErrorCode::kConflict;
  return std::nullopt;
}

ErrorCode code_of_status(int status) {
  switch (status) {
    case 401: return ErrorCode::kInvalidApiKey;
    case 403: return ErrorCode::kPermissionDenied;
    case 404: return ErrorCode::kNotFound;
    case 405: return ErrorCode::kMethodNotAllowed;
    case 408: return ErrorCode::kRequestTimeout;
    case 409: return ErrorCode::kConflict;
    case 413: return ErrorCode::kBodyTooLarge;
    case 415: return ErrorCode::kUnsupportedMediaType;
    case 429: return ErrorCode::kQueueFull;
    case 501: return ErrorCode::kNotImplemented;
    case 502: return ErrorCode::kUnavailable;
    case 503: return ErrorCode::kOverloaded;
    case 507: return ErrorCode::kInsufficientResources;
    default: return status >= 400 && status < 500 ? ErrorCode::kInvalidRequest : ErrorCode::kInternal;
  }
}

LoadedInstance decode_instance(const json::Value& body) {
  LoadedInstance instance;
  instance.id = string_member(body, "id");
  if (const json::Value* config = body.find("config")) {
    instance.context_length = integer_member(*config, "context_length").value_or(0);
    instance.parallel = integer_member(*config, "parallel");
  }
  instance.status = string_member(body, "status");
  instance.queued = integer_member(body, "queued").value_or(0);
  instance.ttl_seconds = integer_member(body, "ttl_seconds");
  instance.idle_seconds = number_member(body, "idle_seconds");
  instance.size_bytes = bytes_member(body, "size_bytes");
  instance.jit = bool_member(body, "jit");
  return instance;
}

Model decode_model(const json::Value& body) {
  Model model;
  model.type = type_named(string_member(body, "type"));
  model.key = string_member(body, "key");
  model.publisher = string_member(body, "publisher");
  model.display_name = string_member(body, "display_name");
  if (model.display_name.empty()) model.display_name = model.key;
  model.architecture = string_member(body, "architecture");
  if (const json::Value* quantization = body.find("quantization"); quantization && quantization->is_object()) {
    model.quantization =
        Quantization{string_member(*quantization, "name"), number_member(*quantization, "bits_per_weight")};
  }
  model.size_bytes = bytes_member(body, "size_bytes").value_or(0);
  model.params_string = string_member(body, "params_string");
  model.max_context_length = integer_member(body, "max_context_length").value_or(0);
  model.format = string_member(body, "format");
  model.path = string_member(body, "path");
  model.description = string_member(body, "description");
  if (const json::Value* capabilities = body.find("capabilities")) {
    model.vision = bool_member(*capabilities, "vision");
    model.trained_for_tool_use = bool_member(*capabilities, "trained_for_tool_use");
  }
  model.bundled = bool_member(body, "bundled");
  model.selected_variant = string_member(body, "selected_variant");
  const json::Value* variants = body.find("variants");
  if (const json::Array* list = variants ? variants->if_array() : nullptr) {
    for (const json::Value& variant : *list) {
      if (const std::string* name = variant.if_string()) model.variants.push_back(*name);
    }
  }
  const json::Value* instances = body.find("loaded_instances");
  if (const json::Array* list = instances ? instances->if_array() : nullptr) {
    for (const json::Value& instance : *list) model.loaded_instances.push_back(decode_instance(instance));
  }
  return model;
}

template <class T>
void set_if(json::Object& object, std::string_view key, const std::optional<T>& value) {
  if (value) object.set(key, *value);
}

}  // namespace

Error decode_error(const json::Value& body, int status) {
  Error error{code_of_status(status), {}, {}};
  const json::Value* inner = body.find("error");
  if (inner && inner->is_object()) {
    error.message = string_member(*inner, "message");
    error.param = string_member(*inner, "param");
    if (auto code = code_named(string_member(*inner, "code"))) {
      error.code = *code;
    } else if (auto type = code_named(string_member(*inner, "type")); type && *type != ErrorCode::kInvalidRequest) {
      error.code = *type;
    }
  } else if (inner && inner->if_string()) {
    error.message = *inner->if_string();
  }
  if (error.message.empty()) {
    error.message = status ? fmt::format("The server answered with status {} and no explanation.", status)
                           : "The server reported an error without an explanation.";
  }
  return error;
}

Error decode_error_text(std::string_view body, int status) {
  auto parsed = json::parse(body);
  return decode_error(parsed ? *parsed : json::Value(), status);
}

Result<std::vector<Model>> decode_models(const json::Value& body) {
  const json::Value* list = body.find("models");
  const json::Array* models = list ? list->if_array() : nullptr;
  if (!models) return fail(ErrorCode::kUnavailable, "The server's list of models has no \"models\" array.");
  std::vector<Model> result;
  result.reserve(models->size());
  for (const json::Value& model : *models) {
    Model decoded = decode_model(model);
    if (!decoded.key.empty()) result.push_back(std::move(decoded));
  }
  return result;
}

Result<LoadResult> decode_load_result(const json::Value& body) {
  LoadResult result;
  result.instance_id = string_member(body, "instance_id");
  if (result.instance_id.empty()) {
    return fail(ErrorCode::kUnavailable, "The server's answer to the load has no \"instance_id\".");
  }
  std::string type = string_member(body, "model_type");
  result.type = type_named(type.empty() ? string_member(body, "type") : type);
  result.load_time_seconds = number_member(body, "load_time_seconds").value_or(0);
  return result;
}

Result<LoadEstimate> decode_estimate(const json::Value& body) {
  auto total = bytes_member(body, "estimated_total_memory_bytes");
  if (!total) {
    return fail(ErrorCode::kUnavailable, "The server's estimate has no \"estimated_total_memory_bytes\".");
  }
  LoadEstimate estimate;
  estimate.model = string_member(body, "model");
  estimate.context_length = integer_member(body, "context_length");
  estimate.gpu_memory_bytes = bytes_member(body, "estimated_gpu_memory_bytes").value_or(0);
  estimate.total_memory_bytes = *total;
  estimate.fits = bool_member(body, "fits");
  estimate.confidence = string_member(body, "confidence");
  return estimate;
}

HttpListener decode_listener(const json::Value& body) {
  return {bool_member(body, "running"), port_member(body, "port"), string_member(body, "host")};
}

Result<ServerInfo> decode_server_info(const json::Value& body) {
  if (!body.is_object()) return fail(ErrorCode::kUnavailable, "The server's description of itself is no JSON object.");
  ServerInfo info;
  info.version = string_member(body, "version");
  info.build_id = string_member(body, "build_id");
  info.pid = integer_member(body, "pid").value_or(0);
  info.uptime_seconds = number_member(body, "uptime_seconds").value_or(0);
  if (const json::Value* http = body.find("http")) info.http = decode_listener(*http);
  info.models_folder = string_member(body, "models_folder");
  info.ends_with_http = bool_member(body, "ends_with_http");
  if (const json::Value* settings = body.find("settings")) info.settings = *settings;
  return info;
}

std::string encode_load(const LoadRequest& request, bool estimate_only) {
  json::Object body;
  body.set("model", request.model);
  set_if(body, "context_length", request.context_length);
  set_if(body, "parallel", request.parallel);
  if (request.gpu) {
    double ratio = 0;
    const char* end = request.gpu->data() + request.gpu->size();
    auto [stopped, problem] = std::from_chars(request.gpu->data(), end, ratio);
    bool number = problem == std::errc() && stopped == end;
    body.set("gpu", number ? json::Value(ratio) : json::Value(*request.gpu));
  }
  set_if(body, "ttl", request.ttl_seconds);
  set_if(body, "identifier", request.identifier);
  set_if(body, "draft_model", request.draft_model);
  if (estimate_only) body.set("estimate_only", true);
  return json::dump(json::Value(std::move(body)));
}

std::string encode_chat(const ChatRequest& request) {
  json::Array messages;
  for (const ChatMessage& message : request.messages) {
    messages.push_back(json::Object{{"role", message.role}, {"content", message.content}});
  }
  json::Object body;
  if (!request.model.empty()) body.set("model", request.model);
  body.set("messages", std::move(messages));
  body.set("stream", true);
  body.set("stream_options", json::Object{{"include_usage", true}});
  set_if(body, "temperature", request.temperature);
  set_if(body, "top_p", request.top_p);
  set_if(body, "max_tokens", request.max_tokens);
  set_if(body, "seed", request.seed);
  if (!request.stop.empty()) {
    json::Array stop;
    for (const std::string& text : request.stop) stop.push_back(text);
    body.set("stop", std::move(stop));
  }
  set_if(body, "ttl", request.ttl_seconds);
  set_if(body, "reasoning_effort", request.reasoning_effort);
  for (const json::Member& member : request.more) body.set(member.first, member.second);
  return json::dump(json::Value(std::move(body)));
}

Result<ChatChunk> fold_chat_chunk(const json::Value& chunk, ChatResult& result) {
  if (!chunk.is_object())
    return fail(ErrorCode::kUnavailable, "The server's stream holds something that is no object.");
  if (chunk.find("error")) return std::unexpected(decode_error(chunk, 0));
  ChatChunk added;
  if (std::string model = string_member(chunk, "model"); !model.empty()) result.model = std::move(model);
  const json::Value* choices = chunk.find("choices");
  const json::Array* list = choices ? choices->if_array() : nullptr;
  if (list && !list->empty()) {
    const json::Value& choice = list->front();
    if (const json::Value* delta = choice.find("delta")) {
      added.content = string_member(*delta, "content");
      // Some models' reasoning comes under both names with the same text.
      added.reasoning = string_member(*delta, "reasoning_content");
      if (added.reasoning.empty()) added.reasoning = string_member(*delta, "reasoning");
    }
    if (std::string reason = string_member(choice, "finish_reason"); !reason.empty()) result.finish_reason = reason;
  }
  if (const json::Value* usage = chunk.find("usage"); usage && usage->is_object()) {
    TokenUsage counts;
    counts.prompt_tokens = integer_member(*usage, "prompt_tokens").value_or(0);
    counts.completion_tokens = integer_member(*usage, "completion_tokens").value_or(0);
    counts.total_tokens = integer_member(*usage, "total_tokens").value_or(0);
    result.usage = counts;
  }
  result.content += added.content;
  result.reasoning += added.reasoning;
  return added;
}

}  // namespace atelier::client
