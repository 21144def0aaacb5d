#include "runtime/file_version.h"

#include <sys/stat.h>

#include <fmt/format.h>

namespace atelier::runtime {

std::string file_version(const std::filesystem::path& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return "absent";
  return fmt::format("{}:{}:{}.{}", status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

}  // namespace atelier::runtime
