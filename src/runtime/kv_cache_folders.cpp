#include "runtime/kv_cache_folders.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/files.h"
#include "base/sha256.h"

namespace atelier::runtime {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kNameLength = 32;
constexpr std::uint64_t kMostPathBytes = 64 * 1024;
constexpr std::string_view kMarker = "model";

bool is_cache_name(const std::string& name) {
  return name.size() == kNameLength && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

fs::path kv_cache_folder(const fs::path& root, const fs::path& model) {
  const std::string& path = model.native();
  return root / to_hex(sha256(std::as_bytes(std::span(path)))).substr(0, kNameLength);
}

Result<void> make_kv_cache_folder(const fs::path& root, const fs::path& model) {
  const fs::path folder = kv_cache_folder(root, model);
  std::error_code error;
  fs::create_directories(root.parent_path(), error);
  for (const fs::path& path : {root, folder}) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return std::unexpected(files::io_error("make the folder", path, errno));
    }
  }
  const fs::path marker = folder / kMarker;
  if (fs::exists(marker, error)) return {};
  return files::write_atomically(marker, model.native(), 0600);
}

void remove_orphaned_kv_caches(const fs::path& root) {
  std::error_code error;
  std::vector<fs::path> orphans;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    if (!is_cache_name(it->path().filename().string()) || !it->is_directory(error)) continue;
    const auto model = files::read_file(it->path() / kMarker, kMostPathBytes);
    if (!model && model.error().code != ErrorCode::kNotFound) continue;
    if (!model || !fs::exists(*model, error)) orphans.push_back(it->path());
  }
  for (const fs::path& orphan : orphans) fs::remove_all(orphan, error);
}

}  // namespace atelier::runtime
