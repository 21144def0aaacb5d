#include "models/scan.h"

#include <fmt/core.h>
#include <set>
#include <utility>

namespace atelier::models {
namespace {

constexpr std::size_t kMaxEntries = 10'000;  // of one folder
constexpr std::size_t kMaxFiles = 20'000;    // model files in all
constexpr int kMaxDepth = 2;                 // folders below MODEL

class Scanner {
 public:
  Scan take() { return std::move(scan_); }

  void root(const ModelRoot& root) {
    for (const auto& [name, path] : folders_in(root.path, "put it into PUBLISHER/MODEL/ below this folder")) {
      for (const auto& [model, folder] : folders_in(path, "put it into a folder named after the model")) {
        ScannedFolder found;
        found.publisher = name;
        found.model = model;
        found.bundled = root.bundled;
        seen_.clear();
        enter(folder);
        model_folder(folder, name + "/" + model, "", 0, found);
        if (!found.files.empty()) scan_.folders.push_back(std::move(found));
      }
    }
  }

 private:
  void problem(Problem::Kind kind, const files::Path& path, std::string reason) {
    scan_.problems.push_back({kind, path, std::move(reason)});
  }

  std::vector<files::FolderEntry> entries_of(const files::Path& folder) {
    auto entries = files::list_folder(folder, kMaxEntries);
    if (!entries) {
      problem(Problem::Kind::kWarning, folder, entries.error().message);
      return {};
    }
    std::erase_if(*entries, [](const auto& entry) { return entry.name.starts_with('.'); });
    return std::move(*entries);
  }

  // False where the folder was looked into already: a link leads back to it.
  bool enter(const files::Path& folder) {
    const auto identity = files::identity(folder);
    return identity && seen_.emplace(identity->device, identity->inode).second;
  }

  // What the entry leads to; nothing, and a problem where it matters, where it leads nowhere.
  std::optional<files::Status> followed(const files::Path& path, bool matters) {
    const auto status = files::path_status(path);
    if (status) return *status;
    // A file that went away since the folder was read is not worth a word; a link into nothing is.
    if (matters && files::link_status(path)) {
      problem(Problem::Kind::kBroken, path,
              status.error().code == ErrorCode::kNotFound
                  ? std::string("the symbolic link leads to nothing; remove it, or put "
                                "the file back")
                  : status.error().message);
    }
    return std::nullopt;
  }

  // Folders inside `parent`; a model file here is in the wrong place, and said so.
  std::vector<std::pair<std::string, files::Path>> folders_in(const files::Path& parent, std::string_view advice) {
    std::vector<std::pair<std::string, files::Path>> found;
    for (const auto& entry : entries_of(parent)) {
      const files::Path path = parent / entry.name;
      if (entry.kind == files::Kind::kFolder) {
        found.emplace_back(entry.name, path);
        continue;
      }
      const bool gguf = parse_file_name(entry.name).is_gguf;
      if (!gguf && entry.kind != files::Kind::kLink) continue;
      const auto status = followed(path, gguf);
      if (status && status->kind == files::Kind::kFolder) {
        found.emplace_back(entry.name, path);
      } else if (status && gguf) {
        problem(Problem::Kind::kWarning, path,
                fmt::format("the file is not where models are looked for; {}, or use "
                            "lms import",
                            advice));
      }
    }
    return found;
  }

  void model_folder(const files::Path& folder, const std::string& relative, const std::string& subfolder, int depth,
                    ScannedFolder& found) {
    std::vector<std::string> below;
    for (const auto& entry : entries_of(folder)) {
      const files::Path path = folder / entry.name;
      FileName name = parse_file_name(entry.name);
      const bool yaml = depth == 0 && entry.name == "model.yaml";
      if (entry.kind == files::Kind::kFolder) {
        below.push_back(entry.name);
        continue;
      }
      if (!name.is_gguf && !yaml && entry.kind != files::Kind::kLink) continue;
      const auto status = followed(path, name.is_gguf);
      if (!status) continue;
      if (status->kind == files::Kind::kFolder) {
        below.push_back(entry.name);
      } else if (status->kind != files::Kind::kFile) {
        if (name.is_gguf) problem(Problem::Kind::kBroken, path, "not a file");
      } else if (yaml) {
        found.yaml = ScannedFile{path, relative + "/" + entry.name, subfolder, {}, status->identity};
      } else if (name.is_gguf) {
        add({path, relative + "/" + entry.name, subfolder, std::move(name), status->identity}, found);
      }
    }
    if (depth == kMaxDepth) return;
    for (const std::string& name : below) {
      if (!enter(folder / name)) continue;
      model_folder(folder / name, relative + "/" + name, subfolder.empty() ? name : subfolder + "/" + name, depth + 1,
                   found);
    }
  }

  void add(ScannedFile file, ScannedFolder& found) {
    // Two links to one file are one file.
    if (!seen_.emplace(file.identity.device, file.identity.inode).second) return;
    if (++file_count_ > kMaxFiles) {
      if (file_count_ == kMaxFiles + 1) {
        problem(Problem::Kind::kWarning, file.path, fmt::format("only the first {} model files are listed", kMaxFiles));
      }
      return;
    }
    found.files.push_back(std::move(file));
  }

  Scan scan_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen_;  // device and inode, below one MODEL folder
  std::size_t file_count_ = 0;
};

}  // namespace

Scan scan_roots(const std::vector<ModelRoot>& roots) {
  Scanner scanner;
  for (const ModelRoot& root : roots) scanner.root(root);
  return scanner.take();
}

}  // namespace atelier::models
