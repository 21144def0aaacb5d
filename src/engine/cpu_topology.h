// What the machine's processors look like to this process. Any thread.
//
// How many threads are worth using: physical cores (two hyper-threads of one core share what matrix products
// need) that this process may run on, and no more than a control group's quota gives.
#pragma once

#include <filesystem>
#include <vector>

namespace atelier::engine {

// At least 1. `system_root` is where /sys is looked for (tests have their own); `allowed` are the processors of
// the affinity mask.
unsigned physical_cores(const std::vector<int>& allowed, const std::filesystem::path& system_root = "/");

// The memory nodes (NUMA) that have some of these processors, by number. Empty where the system tells of none; nodes
// of memory alone do not count.
std::vector<int> memory_nodes(const std::vector<int>& allowed, const std::filesystem::path& system_root = "/");

// Of this process, now.
std::vector<int> allowed_processors();

}  // namespace atelier::engine
