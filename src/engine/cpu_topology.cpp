#include "engine/cpu_topology.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <thread>

namespace atelier::engine {

namespace {

std::string first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Whole processors that the control group's quota amounts to; 0: no limit.
unsigned quota_processors(const std::filesystem::path& root) {
  // cgroup v2: "max 100000" or "150000 100000", microseconds of each period.
  std::ifstream file(root / "sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  try {
    return std::max(1U, static_cast<unsigned>(std::ceil(std::stod(quota) / period)));
  } catch (const std::exception&) {
    return 0;
  }
}

}  // namespace

std::vector<int> allowed_processors() {
  std::vector<int> allowed;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) allowed.push_back(i);
    }
  }
  // More processors than a cpu_set_t holds.
  if (allowed.empty()) {
    for (int i = 0; i < static_cast<int>(std::thread::hardware_concurrency()); ++i) allowed.push_back(i);
  }
  return allowed;
}

unsigned physical_cores(const std::vector<int>& allowed, const std::filesystem::path& system_root) {
  std::set<std::string> cores;
  for (const int processor : allowed) {
    const auto topology = system_root / fmt::format("sys/devices/system/cpu/cpu{}/topology", processor);
    std::string siblings = first_line(topology / "thread_siblings_list");
    // Without the file each processor counts as a core.
    cores.insert(siblings.empty() ? fmt::format("cpu{}", processor) : siblings);
  }
  const auto count = std::max<unsigned>(1, static_cast<unsigned>(cores.size()));
  const unsigned quota = quota_processors(system_root);
  return quota > 0 ? std::min(count, quota) : count;
}

}  // namespace atelier::engine
