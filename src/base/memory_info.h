// How much memory this process may use: the machine's, or less where a control group (container, systemd
// slice) sets a limit. Read anew on each call (about 20 microseconds); any thread.
#pragma once

#include <cstdint>
#include <filesystem>

namespace atelier {

struct MemoryInfo {
  std::uint64_t total_bytes = 0;      // the machine's memory or the tightest limit, whichever is less
  std::uint64_t available_bytes = 0;  // what can be allocated without swapping; caches count as free
};

// `system_root` is where /proc and /sys are looked for; tests put files of their own there. Where nothing
// can be read, the figures come from sysconf, and are 0 where that fails too.
MemoryInfo read_memory_info(const std::filesystem::path& system_root = "/");

}  // namespace atelier
