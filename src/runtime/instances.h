// Loaded models: one engine process each. Spawns, supervises and reaps the processes; loads on request and
// on demand (JIT), one load shared by everyone who waits for it; unloads by hand, by time or to make room.
// Everything here lives on the server's loop thread; coroutines run there too.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/error.h"
#include "runtime/generation.h"

namespace atelier::runtime {

// A folder with an engine and its libraries: runtime.json `{exe, loader?, library_path, backends_dir, version}`,
// paths relative to that file. The engine is started through `loader` where there is one.
struct EngineRuntime {
  std::string name;
  std::string version;
  std::filesystem::path exe;
  std::filesystem::path loader;        // empty: start exe directly
  std::filesystem::path library_path;  // for the loader
  std::filesystem::path backends_dir;  // passed to the engine as --backends
  std::vector<std::string> arguments;  // more arguments, for engines that want them (tests)

  static Result<EngineRuntime> read(const std::filesystem::path& runtime_json);
};

enum class ModelKind { kLlm, kEmbedding };

// Load settings; absent: chosen by the engine (proto/engine.proto, LoadConfig).
struct LoadConfig {
  std::optional<std::uint32_t> context_length;
  std::optional<std::uint32_t> kv_cells;
  std::optional<std::uint32_t> cache_tokens;
  std::optional<std::uint32_t> parallel;
  std::optional<std::uint32_t> eval_batch_size;
  std::optional<std::uint32_t> threads;
  std::optional<std::uint32_t> batch_threads;
  std::optional<std::int32_t> gpu_layers;
  std::optional<bool> flash_attention;
  std::optional<bool> offload_kv_cache_to_gpu;
  std::optional<std::string> k_cache_type;
  std::optional<std::string> v_cache_type;
  std::optional<bool> use_mmap;
  std::optional<bool> use_mlock;
  std::optional<float> rope_freq_base;
  std::optional<float> rope_freq_scale;
  std::optional<std::uint64_t> seed;
  std::optional<std::uint32_t> num_experts;
  std::optional<std::string> pooling;
  std::optional<bool> prefix_cache;
  std::optional<bool> ngram_speculation;
  std::optional<std::uint32_t> token_gap_ms;
  std::optional<std::uint64_t> kv_memory_bytes;
};

// What the engine says about the model it loaded.
struct EngineModelInfo {
  std::string architecture;
  std::string description;
  std::uint64_t parameter_count = 0;
  std::uint64_t size_bytes = 0;
  std::uint32_t trained_context_length = 0;
  std::uint32_t embedding_length = 0;
  std::uint32_t vocabulary_size = 0;
  bool adds_bos = false;
  std::string bos_text;
  std::string eos_text;
  bool can_shift = false;
  bool has_fill_in_middle = false;
};

// A smaller model that guesses for a larger one.
struct DraftModel {
  std::string key;  // as the catalog has it
  std::filesystem::path path;
};

struct LoadRequest {
  std::string model_key;   // as the catalog has it; also the default identifier
  std::string identifier;  // empty: model_key, or model_key:2, :3, … where taken
  ModelKind kind = ModelKind::kLlm;
  std::filesystem::path path;         // the first GGUF
  std::filesystem::path mmproj_path;  // empty: none
  std::uint64_t size_bytes = 0;
  LoadConfig config;
  std::optional<std::chrono::seconds> ttl;  // idle time before it is unloaded; absent: never
  bool jit = false;
  std::optional<DraftModel> draft_model;  // for requests that name none
  // Share of the free memory that it may take (at most 0.95, which absent means too).
  std::optional<float> memory_share;
  // Set by Instances.
  std::vector<std::filesystem::path> model_folders;
  std::filesystem::path kv_cache_folder;
  std::uint64_t kv_cache_disk_bytes = 0;
};

// What a load would take, as an engine counts it without reading the weights. Bytes.
struct MemoryEstimate {
  LoadConfig config;  // what the load would apply
  std::uint64_t weight_bytes = 0;
  std::uint64_t kv_cache_bytes = 0;
  std::uint64_t state_bytes = 0;    // of recurrent layers
  std::uint64_t compute_bytes = 0;  // the largest graph, and rows of logits
  std::uint64_t process_bytes = 0;
  std::uint64_t gpu_bytes = 0;  // of all these, what is in a GPU's own memory
  std::uint64_t available_bytes = 0;
  bool fits = true;
  bool lowered = false;  // the context or its cells, for lack of memory
  bool exact = false;    // false: some of it is reckoned from metadata

  std::uint64_t total_bytes() const {
    return weight_bytes + kv_cache_bytes + state_bytes + compute_bytes + process_bytes;
  }
};

enum class InstanceStatus { kLoading, kIdle, kProcessingPrompt, kGenerating, kComputingEmbedding, kUnloading, kDead };

struct InstanceInfo {
  std::string id;
  std::string model_key;
  ModelKind kind = ModelKind::kLlm;
  InstanceStatus status = InstanceStatus::kLoading;
  std::uint32_t queued = 0;  // waiting and running requests
  LoadConfig config;         // the applied values once loaded
  EngineModelInfo model;
  std::optional<std::chrono::seconds> ttl;
  std::chrono::milliseconds idle{0};
  std::chrono::system_clock::time_point last_used;
  bool jit = false;
  std::uint64_t size_bytes = 0;
  std::optional<DraftModel> draft_model;
  double load_seconds = 0;
  int pid = 0;
};

struct InstanceStatistics {
  InstanceInfo info;
  std::optional<EngineStatistics> engine;  // absent: it did not answer in time
};

// A loaded model, as one user holds it: a lease. While a lease exists its instance is neither unloaded for
// idleness nor evicted by a JIT load, so hold it for one request (all rounds of it) and let it go; do not wait
// for another model with one in hand, which could wait for this one in turn. An instance that dies or is
// unloaded by name answers every further call with an error, so holders need not watch it.
class Instance {
 public:
  virtual ~Instance() = default;
  virtual InstanceInfo info() const = 0;

  // Starts a prediction. Refused with kQueueFull beyond the queue's bound. Errors of the prompt (too long, …)
  // come as the stream's Error event.
  virtual Result<std::unique_ptr<Generation>> generate(GenerateRequest request) = 0;

  virtual asio::awaitable<Result<EmbedResult>> embed(EmbedRequest request, std::stop_token stop) = 0;
  virtual asio::awaitable<Result<std::vector<std::int32_t>>> tokenize(std::vector<PromptSegment> segments,
                                                                      bool add_bos) = 0;
  virtual asio::awaitable<Result<std::string>> detokenize(std::vector<std::int32_t> tokens) = 0;
  virtual asio::awaitable<Result<std::uint64_t>> count(std::vector<PromptSegment> segments, bool add_bos) = 0;
};

struct InstancesConfig {
  EngineRuntime runtime;
  std::filesystem::path log_folder;  // each engine's output goes to LOG_FOLDER/engine-ID.log, bounded
  std::uint32_t max_queue = 512;     // waiting requests of one instance
  bool jit_single = true;            // at most one JIT instance of each kind
  // Where models are: engines may read these, because a request may name a draft model.
  std::vector<std::filesystem::path> model_folders;
  // Where engines keep parts of KV caches between their lives, for all models together (kv_cache_folders.h); empty or
  // 0: nowhere.
  std::filesystem::path kv_cache_root;
  std::uint64_t kv_cache_disk_bytes = 0;
  std::chrono::milliseconds engine_start_timeout{60'000};  // from spawn to Hello
  // An engine that is told to end gets this long, then SIGTERM, then as long again, then SIGKILL.
  std::chrono::milliseconds engine_stop_grace{5'000};
  std::chrono::milliseconds estimate_timeout{20'000};  // of an engine that is asked what a load would take
};

using LoadProgress = std::function<void(double fraction)>;  // 0 to 1, never decreasing

class Instances {
 public:
  // The executor must be the loop's. Engines are spawned from the thread that runs the loop, which must live as
  // long as the process (their parent-death signal follows that thread).
  static std::unique_ptr<Instances> create(asio::any_io_executor executor, InstancesConfig config);
  // Engines that are left are killed. Call shutdown first for an orderly end.
  virtual ~Instances() = default;

  // Always a new instance. kConflict where the identifier is taken. A failed load reports the engine's reason
  // and its last log lines (kModelLoadFailed, kInsufficientResources). Cancelled by the stop token: the process
  // is ended. `progress` is called on the loop; it may be null.
  virtual asio::awaitable<Result<std::shared_ptr<Instance>>> load(LoadRequest request, LoadProgress progress,
                                                                  std::stop_token stop) = 0;

  // A live instance of that model (the least busy one), else a JIT load: shared by all who ask at the same
  // time, and cancelled only when all of them have gone (a load by `load` that is under way is joined too).
  // With jit_single an idle or running other JIT instance of the same kind is unloaded first, once its leases
  // are gone and its running predictions have ended; requests for the victim that come meanwhile wait behind
  // the switch. A model whose engine crashes while loading is refused for a while, with the reason, from the
  // second crash in a row on (restart_backoff.h). `loaded_now` is set where this call waited for a load.
  struct Acquired {
    std::shared_ptr<Instance> instance;
    bool loaded_now = false;
    double load_seconds = 0;
  };
  virtual asio::awaitable<Result<Acquired>> acquire(LoadRequest request, LoadProgress progress,
                                                    std::stop_token stop) = 0;

  // What a load would take, asked of an engine that is started for that and ended again (load_estimates.h), or
  // remembered. kUnavailable where no engine could be asked.
  virtual asio::awaitable<Result<MemoryEstimate>> estimate(LoadRequest request, std::stop_token stop) = 0;

  // Null where there is none, while it loads, and while a JIT load waits to take its place (acquire then
  // waits behind that switch).
  virtual std::shared_ptr<Instance> find(std::string_view id) const = 0;
  virtual std::vector<InstanceInfo> list() const = 0;  // loading ones included, by id

  // Those that are loaded, by id, with what their engines say within this time; all are asked at once. Being watched
  // keeps no instance loaded.
  virtual asio::awaitable<std::vector<InstanceStatistics>> statistics(std::chrono::milliseconds limit) = 0;

  // Ends its running predictions (their streams end with kCancelled), ends the process and waits for it; one that
  // is still loading is cancelled. kInstanceNotFound where there is none.
  virtual asio::awaitable<Result<void>> unload(std::string id) = 0;

  // Unloads everything, loads under way included; running predictions end with kShuttingDown. Afterwards every
  // call is refused with kShuttingDown.
  virtual asio::awaitable<void> shutdown() = 0;
};

}  // namespace atelier::runtime
