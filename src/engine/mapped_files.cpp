#include "engine/mapped_files.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

namespace atelier::engine {

namespace {

using FileIdentity = std::pair<dev_t, ino_t>;

std::set<FileIdentity> identities(const std::vector<std::filesystem::path>& files) {
  std::set<FileIdentity> result;
  for (const auto& file : files) {
    struct stat status = {};
    if (stat(file.c_str(), &status) == 0) result.emplace(status.st_dev, status.st_ino);
  }
  return result;
}

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

std::size_t give_up_mapped_pages(const std::vector<std::filesystem::path>& files) {
  const std::set<FileIdentity> wanted = identities(files);
  if (wanted.empty()) return 0;
  const std::unique_ptr<std::FILE, FileCloser> maps(std::fopen("/proc/self/maps", "re"));
  if (!maps) return 0;
  // "7f00-7f80 r--s 00000000 fd:00 4711   /a/model.gguf": proc_pid_maps(5). A line that is longer than the buffer goes on
  // with a path, which is not looked at.
  std::size_t bytes = 0;
  char line[512];
  bool at_start = true;
  while (std::fgets(line, sizeof line, maps.get()) != nullptr) {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    char permissions[5] = {};
    unsigned major = 0;
    unsigned minor = 0;
    std::uint64_t inode = 0;
    const int fields = std::sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %x:%x %" SCNu64, &begin, &end, permissions,
                                   &major, &minor, &inode);
    const bool is_entry = at_start && fields == 6 && permissions[0] == 'r' && permissions[1] == '-';
    at_start = std::string_view(line).ends_with('\n');
    if (!is_entry || !wanted.contains({makedev(major, minor), static_cast<ino_t>(inode)})) continue;
    // What is mapped privately and was written to would be lost; a read-only mapping was not.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel writes addresses as numbers.
    if (madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED) == 0) bytes += end - begin;
  }
  return bytes;
}

}  // namespace atelier::engine
