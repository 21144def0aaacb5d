// Where engines keep parts of KV caches between their lives: ROOT/HASH/, one folder for each model file, made for this
// user alone. What is in it is the engine's (engine/kv_block_store.h), but for the file `model`, which names the model's
// path: when that is gone, so is the folder.
//
// Functions block for a moment; any thread.
#pragma once

#include <filesystem>

#include "base/error.h"

namespace atelier::runtime {

std::filesystem::path kv_cache_folder(const std::filesystem::path& root, const std::filesystem::path& model);

// Makes the folder. Fails with kIo.
Result<void> make_kv_cache_folder(const std::filesystem::path& root, const std::filesystem::path& model);

// Removes the folders of models that are no longer there. What is not such a folder is left alone.
void remove_orphaned_kv_caches(const std::filesystem::path& root);

}  // namespace atelier::runtime
