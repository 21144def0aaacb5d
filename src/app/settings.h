// The user's settings: $ATELIER_HOME/settings.json (a file that people edit; unknown keys are kept) and the last
// state of the HTTP listener in .internal/http-server-config.json (rest-api §5).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/paths.h"
#include "predict/model_service.h"

namespace atelier::app {

struct Settings {
  std::filesystem::path models_folder;  // "downloadsFolder"; $ATELIER_HOME/models where absent
  predict::ModelSettings models;  // "jit", "jit_auto_unload", "jit_ttl_seconds", "separate_reasoning", "guardrails"
  bool jit_single = true;         // "jit_single"
  std::uint32_t max_queue = 512;  // "max_queue"
  // "kv_cache_disk_mib": parts of KV caches that outlive their engines, of all models together; 0: none.
  std::uint64_t kv_cache_disk_mib = 2048;
  // "engine_sandbox": engines give up what serving a model does not need (docs/architecture.md).
  bool engine_sandbox = true;
  bool metrics = false;                    // "metrics": GET /metrics answers
  std::vector<std::string> allowed_hosts;  // "allowed_hosts": names this server is reached by, beside localhost

  // Defaults where there is no file. A file that is not what it should be is an error that names the key.
  static Result<Settings> read(const paths::Home& home);
};

// The HTTP listener as it was last started or stopped.
struct ListenerConfig {
  std::uint16_t port = 1234;           // "port"
  std::string host = "127.0.0.1";      // "networkInterface"
  bool cors = false;                   // "cors"
  bool allow_unauthenticated = false;  // "allowUnauthenticated"
  bool running = false;                // "running": whether a service that starts should open it again

  static ListenerConfig read(const paths::Home& home);  // defaults where the file is absent or broken
  Result<void> write(const paths::Home& home) const;
};

}  // namespace atelier::app
