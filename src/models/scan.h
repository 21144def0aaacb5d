// Finds model files: ROOT/PUBLISHER/MODEL/*.gguf and folders below MODEL (publishers put quantizations into
// folders of their own), model.yaml beside them. Looks at names and identities only; opens nothing.
// Symbolic links are followed; the depth is bounded, so that links in a circle end. Names with a leading
// dot are temporary files. Blocks on the disk; no state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "models/file_name.h"
#include "models/model_entry.h"

namespace atelier::models {

struct ModelRoot {
  files::Path path;
  bool bundled = false;
};

struct ScannedFile {
  files::Path path;
  std::string relative_path;  // below the root, with '/'
  std::string subfolder;      // below MODEL; mostly empty
  FileName name;
  files::Identity identity;  // of what a link leads to
  friend bool operator==(const ScannedFile& a, const ScannedFile& b) {
    return a.path == b.path && a.identity == b.identity;
  }
};

struct ScannedFolder {
  std::string publisher;
  std::string model;
  bool bundled = false;
  std::vector<ScannedFile> files;  // .gguf, in the order of their paths
  std::optional<ScannedFile> yaml;
  friend bool operator==(const ScannedFolder&, const ScannedFolder&) = default;
};

struct Scan {
  std::vector<ScannedFolder> folders;
  std::vector<Problem> problems;
  friend bool operator==(const Scan&, const Scan&) = default;
};

Scan scan_roots(const std::vector<ModelRoot>& roots);

}  // namespace atelier::models
