// What the server's answers say, as plain values. Members that a server may leave out are optional; sizes are bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace atelier::client {

enum class ModelType { kLlm, kEmbedding };

struct Quantization {
  std::string name{};  // "Q4_K_M"; may be empty
  std::optional<double> bits_per_weight{};
};

// A model in memory.
struct LoadedInstance {
  std::string id{};
  std::int64_t context_length = 0;
  std::optional<std::int64_t> parallel{};     // predictions at a time; none for embedding models
  std::string status{};                       // as sent: "idle", "generating", …; empty where it is not sent
  std::int64_t queued = 0;                    // requests, the running ones included
  std::optional<std::int64_t> ttl_seconds{};  // unloaded after this much idle time
  std::optional<double> idle_seconds{};       // since the last use
  std::optional<std::uint64_t> size_bytes{};
  bool jit = false;  // loaded by a request, not by a load command
};

// A model on disk.
struct Model {
  ModelType type = ModelType::kLlm;
  std::string key{};
  std::string publisher{};
  std::string display_name{};
  std::string architecture{};  // as the file names it: "llama"; empty where unknown
  std::optional<Quantization> quantization{};
  std::uint64_t size_bytes = 0;
  std::string params_string{};  // "7B"; empty where unknown
  std::int64_t max_context_length = 0;
  std::string format{};  // "gguf"; empty where unknown
  std::string path{};    // below the models folder
  std::string description{};
  bool vision = false;
  bool trained_for_tool_use = false;
  bool bundled = false;                 // part of the installation, not of the models folder
  std::vector<std::string> variants{};  // only where there are several
  std::string selected_variant{};
  std::vector<LoadedInstance> loaded_instances{};
};

struct LoadRequest {
  std::string model{};  // key, or key@variant
  std::optional<std::int64_t> context_length{};
  std::optional<std::int64_t> parallel{};
  std::optional<std::string> gpu{};  // "off", "max", or a number from 0 to 1 as text
  std::optional<std::int64_t> ttl_seconds{};
  std::optional<std::string> identifier{};
  std::optional<std::string> draft_model{};
};

struct LoadResult {
  std::string instance_id{};
  ModelType type = ModelType::kLlm;
  double load_time_seconds = 0;
};

struct LoadEstimate {
  std::string model{};
  std::optional<std::int64_t> context_length{};
  std::uint64_t gpu_memory_bytes = 0;
  std::uint64_t total_memory_bytes = 0;
  bool fits = false;
  std::string confidence{};  // "low", "high"; may be empty
};

struct HttpListener {
  bool running = false;
  std::optional<std::uint16_t> port{};  // none where it never ran
  std::string host{};
};

struct ServerInfo {
  std::string version{};
  std::string build_id{};
  std::int64_t pid = 0;
  double uptime_seconds = 0;
  HttpListener http{};
  std::string models_folder{};
  bool ends_with_http = false;  // the service ends when its HTTP listener is closed
  json::Value settings{};
};

struct ChatMessage {
  std::string role{};  // "system", "user", "assistant"
  std::string content{};
};

struct ChatRequest {
  std::string model{};
  std::vector<ChatMessage> messages{};
  std::optional<double> temperature{};
  std::optional<double> top_p{};
  std::optional<std::int64_t> max_tokens{};
  std::optional<std::int64_t> seed{};
  std::vector<std::string> stop{};
  std::optional<std::int64_t> ttl_seconds{};
  std::optional<std::string> reasoning_effort{};
  json::Object more{};  // any other field of the request; wins over the ones above
};

// A piece of an answer; one of the two is empty.
struct ChatDelta {
  std::string_view content;
  std::string_view reasoning;
};

struct TokenUsage {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::int64_t total_tokens = 0;
};

struct ChatResult {
  std::string model{};  // the instance that answered
  std::string content{};
  std::string reasoning{};
  std::string finish_reason{};  // "stop", "length", …; empty where cancelled
  bool cancelled = false;       // by the stop token: the text is what came until then
  std::optional<TokenUsage> usage{};
  // Measured here, from sending the request; the first is none where no text came.
  std::optional<std::chrono::duration<double>> time_to_first_token{};
  std::chrono::duration<double> total_time{0};

  // Predicted tokens by the time between the first and the last; none where there were not at least two.
  std::optional<double> tokens_per_second() const;
};

}  // namespace atelier::client
