// Where Atelier's files are. Two places: the parts that were installed with the program, found relative to it
// (so the installed folder can be moved), and the user's home of Atelier. Pure but for Home::create and the
// reading of the environment; any thread.
#pragma once

#include <filesystem>

#include "base/error.h"

namespace atelier::paths {

// This program's file. An engine that was started through a loader gets the loader's: only `atelier` and `lms`
// may use it.
Result<std::filesystem::path> executable();

// The installed parts: PREFIX/bin, PREFIX/lib/atelier, PREFIX/share/atelier; a build tree has the same shape.
struct Resources {
  std::filesystem::path prefix;

  std::filesystem::path programs() const { return prefix / "bin"; }
  std::filesystem::path runtimes() const { return prefix / "lib/atelier/runtimes"; }
  std::filesystem::path default_runtime() const { return runtimes() / "default/runtime.json"; }
  std::filesystem::path share() const { return prefix / "share/atelier"; }
  std::filesystem::path bundled_models() const { return share() / "models"; }
};

// $ATELIER_RESOURCES (a PREFIX) where set and not empty, else the folder above the program's own.
Result<Resources> find_resources();

// The user's files (docs/architecture.md has the layout).
struct Home {
  std::filesystem::path root;

  std::filesystem::path models() const { return root / "models"; }
  std::filesystem::path hub() const { return root / "hub"; }
  std::filesystem::path config_presets() const { return root / "config-presets"; }
  std::filesystem::path conversations() const { return root / "conversations"; }
  std::filesystem::path runtimes() const { return root / "runtimes"; }
  std::filesystem::path kv_cache() const { return root / "cache/kv"; }
  std::filesystem::path server_logs() const { return root / "server-logs"; }
  std::filesystem::path internal() const { return root / ".internal"; }
  std::filesystem::path user_model_defaults() const { return internal() / "user-concrete-model-default-config"; }
  std::filesystem::path settings() const { return root / "settings.json"; }
  std::filesystem::path mcp() const { return root / "mcp.json"; }
  std::filesystem::path database() const { return root / "atelier.db"; }

  // Makes the folders that are missing, for this user alone (mode 0700; the mode of those that exist is
  // theirs). kIo names the folder that could not be made.
  Result<void> create() const;
};

// $ATELIER_HOME where set and not empty (made absolute), else ~/.atelier. kIo where there is no home directory.
Result<Home> find_home();

}  // namespace atelier::paths
