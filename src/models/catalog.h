// What models are on disk: the list that every dialect shows, and names resolved to it.
//
// refresh() looks at the folders (names and identities: about a millisecond for a hundred models), reads
// the metadata of files that are new or changed, and gives a snapshot that never changes afterwards. It is
// called before each listing and each resolution, so files may come and go at any time. A file that cannot
// be used is a problem in the list and never hides another.
//
// Catalog: any thread; calls of refresh() wait for each other. Blocks on the disk: call it from where
// blocking is allowed. CatalogSnapshot: immutable, any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "models/model_entry.h"
#include "models/scan.h"

namespace atelier::models {

class CatalogSnapshot {
 public:
  CatalogSnapshot(std::vector<ModelPtr> entries, std::vector<ModelPtr> broken, std::vector<Problem> problems);

  // One entry for each key (its selected variant), sorted by key.
  const std::vector<ModelPtr>& models() const { return models_; }
  // Every variant of every key, sorted.
  const std::vector<ModelPtr>& all_variants() const { return entries_; }
  std::vector<ModelPtr> variants_of(std::string_view key) const;
  // Models that cannot be loaded, with ModelEntry::error.
  const std::vector<ModelPtr>& broken() const { return broken_; }
  const std::vector<Problem>& problems() const { return problems_; }

  // A name from a request, tried in this order: the exact key or key@variant; the path below the models
  // folder (of the model's folder or a file); the same in other letter case; the end of one key only, after
  // its '/'; the file's name, with or without quantization and ending, where one model only has it. A name
  // is looked up, never joined to a path. Errors: kModelNotFound with the nearest keys, or with all that fit
  // where several do; kModelLoadFailed where only a broken model has the name, with what is wrong with it.
  Result<ModelPtr> resolve(std::string_view model) const;

 private:
  std::vector<ModelPtr> entries_;
  std::vector<ModelPtr> models_;
  std::vector<ModelPtr> broken_;
  std::vector<Problem> problems_;
};

struct CatalogOptions {
  std::vector<ModelRoot> roots;
  files::Path cache_file;      // empty: facts are remembered in memory only
  files::Path selection_file;  // the user's choice of variants; empty: not kept
  // The user's defaults for model files, PUBLISHER/MODEL/FILE.gguf.json (defaults.h); empty: there are none.
  files::Path user_defaults_folder;
  // What the model's template shows; called once for each file while it is unchanged, inside refresh().
  std::function<TemplateFacts(const ModelEntry& model)> template_facts;
  files::FileSystem* system = &files::FileSystem::real();
};

class Catalog {
 public:
  explicit Catalog(CatalogOptions options);
  ~Catalog();
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  std::shared_ptr<const CatalogSnapshot> refresh();
  // The snapshot of the last refresh; an empty one before the first.
  std::shared_ptr<const CatalogSnapshot> current() const;

  // Makes the bare key mean this variant from now on ("q8_0", or "key@q8_0"). kModelNotFound names those that
  // there are; kIo where the choice could not be written (it then holds until the program ends).
  Result<void> select_variant(std::string_view key, std::string_view variant);

  // How many model files were read since the beginning; for tests and statistics.
  std::uint64_t files_read() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace atelier::models
