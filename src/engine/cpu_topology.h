// How many threads are worth using: physical cores (two hyper-threads of one core share what matrix products
// need) that this process may run on, and no more than a control group's quota gives. Any thread.
#pragma once

#include <filesystem>
#include <vector>

namespace atelier::engine {

// At least 1. `system_root` is where /sys is looked for (tests have their own); `allowed` are the processors of
// the affinity mask.
unsigned physical_cores(const std::vector<int>& allowed, const std::filesystem::path& system_root = "/");

// Of this process, now.
std::vector<int> allowed_processors();

}  // namespace atelier::engine
