#include "base/paths.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include <fmt/format.h>

namespace atelier::paths {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<fs::path> absolute(const std::string& text, std::string_view what) {
  std::error_code error;
  fs::path path = fs::absolute(text, error);
  if (error) return fail(ErrorCode::kIo, fmt::format("{} ({}) is no usable path: {}", what, text, error.message()));
  return path.lexically_normal();
}

Result<void> make_private_folder(const fs::path& folder) {
  if (mkdir(folder.c_str(), 0700) == 0) return {};
  const int reason = errno;
  std::error_code error;
  if (reason == EEXIST && fs::is_directory(folder, error)) return {};
  return fail(ErrorCode::kIo, fmt::format("The folder {} could not be made: {}", folder.string(),
                                          std::generic_category().message(reason)));
}

}  // namespace

Result<fs::path> executable() {
  std::error_code error;
  fs::path path = fs::read_symlink("/proc/self/exe", error);
  if (error)
    return fail(ErrorCode::kIo, "This program's own file cannot be found (/proc/self/exe): " + error.message());
  return path;
}

Result<Resources> find_resources() {
  if (const std::string prefix = variable("ATELIER_RESOURCES"); !prefix.empty()) {
    auto path = absolute(prefix, "ATELIER_RESOURCES");
    if (!path) return std::unexpected(path.error());
    return Resources{*path};
  }
  auto program = executable();
  if (!program) return std::unexpected(program.error());
  return Resources{program->parent_path().parent_path()};
}

Result<void> Home::create() const {
  std::error_code error;
  if (root.has_parent_path()) fs::create_directories(root.parent_path(), error);  // a failure shows below
  for (const fs::path& folder : {root, models(), hub(), config_presets(), conversations(), runtimes(), root / "cache",
                                 kv_cache(), server_logs(), internal()}) {
    if (auto made = make_private_folder(folder); !made) return made;
  }
  return {};
}

Result<Home> find_home() {
  if (const std::string home = variable("ATELIER_HOME"); !home.empty()) {
    auto path = absolute(home, "ATELIER_HOME");
    if (!path) return std::unexpected(path.error());
    return Home{*path};
  }
  std::string user_home = variable("HOME");
  if (user_home.empty()) {
    const passwd* entry = getpwuid(getuid());
    if (entry != nullptr && entry->pw_dir != nullptr) user_home = entry->pw_dir;
  }
  if (user_home.empty()) {
    return fail(ErrorCode::kIo,
                "There is no home directory: set HOME, or ATELIER_HOME to a folder for Atelier's files");
  }
  auto path = absolute(user_home, "HOME");
  if (!path) return std::unexpected(path.error());
  return Home{*path / ".atelier"};
}

}  // namespace atelier::paths
