// /proc/meminfo is described in proc(5); control groups in the kernel's admin-guide/cgroup-v2.rst and
// cgroup-v1/memory.rst. A group's limit covers all groups below it, so the way up to the root is walked
// and the tightest one taken.
#include "base/memory_info.h"

#include <unistd.h>
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "base/files.h"

namespace atelier {
namespace {

constexpr std::uint64_t kMaxBytes = 256 * 1024;

std::optional<std::uint64_t> leading_number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> number_in(const files::Path& path) {
  const auto text = files::read_file(path, kMaxBytes);
  return text ? leading_number(*text) : std::nullopt;  // "max" is no number: no limit
}

// The number after `name` at the beginning of a line.
std::optional<std::uint64_t> field(std::string_view text, std::string_view name) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(name)) return leading_number(line.substr(name.size()));
    at = end + 1;
  }
  return std::nullopt;
}

void apply_limit(MemoryInfo& info, std::optional<std::uint64_t> limit, std::optional<std::uint64_t> used,
                 std::uint64_t reclaimable) {
  if (!limit || *limit == 0) return;
  if (info.total_bytes == 0 || *limit < info.total_bytes) info.total_bytes = *limit;
  if (!used) return;
  const std::uint64_t held = *used - std::min(*used, reclaimable);
  const std::uint64_t left = *limit - std::min(*limit, held);
  info.available_bytes = std::min(info.available_bytes, left);
}

void apply_group(MemoryInfo& info, const files::Path& folder, bool version_2) {
  const auto limit = number_in(folder / (version_2 ? "memory.max" : "memory.limit_in_bytes"));
  if (!limit) return;
  std::uint64_t reclaimable = 0;
  if (const auto stat = files::read_file(folder / "memory.stat", kMaxBytes)) {
    reclaimable = field(*stat, version_2 ? "inactive_file " : "total_inactive_file ").value_or(0);
  }
  apply_limit(info, limit, number_in(folder / (version_2 ? "memory.current" : "memory.usage_in_bytes")), reclaimable);
}

// Inside a container the group's path may not be visible; the mount's root is then the container's group.
void apply_groups(MemoryInfo& info, const files::Path& mount, std::string_view group, bool version_2) {
  files::Path at = files::Path(group).relative_path();
  for (int depth = 0; depth < 64; ++depth) {
    apply_group(info, mount / at, version_2);
    if (at.empty()) return;
    at = at.parent_path();
  }
}

}  // namespace

MemoryInfo read_memory_info(const files::Path& system_root) {
  MemoryInfo info;
  if (const auto text = files::read_file(system_root / "proc/meminfo", kMaxBytes)) {
    info.total_bytes = field(*text, "MemTotal:").value_or(0) * 1024;
    info.available_bytes = field(*text, "MemAvailable:").value_or(field(*text, "MemFree:").value_or(0)) * 1024;
  }
  if (info.total_bytes == 0) {
    const auto page = static_cast<std::uint64_t>(std::max(::sysconf(_SC_PAGESIZE), 0L));
    info.total_bytes = page * static_cast<std::uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 0L));
    info.available_bytes = info.total_bytes;
  }
  const auto groups = files::read_file(system_root / "proc/self/cgroup", kMaxBytes);
  if (!groups) return info;
  const std::string_view text = *groups;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    // "0::/path" is version 2; "4:cpu,memory:/path" is version 1.
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string_view group = line.substr(second + 1);
    if (controllers.empty()) apply_groups(info, system_root / "sys/fs/cgroup", group, true);
    if (("," + std::string(controllers) + ",").find(",memory,") != std::string::npos) {
      apply_groups(info, system_root / "sys/fs/cgroup/memory", group, false);
    }
  }
  return info;
}

}  // namespace atelier
