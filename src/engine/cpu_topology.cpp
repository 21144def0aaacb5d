#include "engine/cpu_topology.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

namespace atelier::engine {

namespace {

std::string first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The kernel's lists of numbers: "0-3,8,10-11". What is no such list is empty.
std::set<int> numbers_of(std::string_view list) {
  constexpr int kMost = 1 << 16;
  std::set<int> numbers;
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), part.size() + 1));
    int first = -1;
    const char* const begin = part.data();
    const char* const end = begin + part.size();
    auto read = std::from_chars(begin, end, first);
    int last = first;
    if (read.ec == std::errc() && read.ptr != end && *read.ptr == '-') {
      read = std::from_chars(read.ptr + 1, end, last);
    }
    if (read.ec != std::errc() || read.ptr != end || first < 0 || last < first || last > kMost) return {};
    for (int number = first; number <= last; ++number) numbers.insert(number);
  }
  return numbers;
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

std::vector<int> memory_nodes(const std::vector<int>& allowed, const std::filesystem::path& system_root) {
  std::vector<int> nodes;
  const auto folder = system_root / "sys/devices/system/node";
  for (const int node : numbers_of(first_line(folder / "online"))) {
    const std::set<int> processors = numbers_of(first_line(folder / fmt::format("node{}", node) / "cpulist"));
    const bool ours =
        std::any_of(allowed.begin(), allowed.end(), [&](int processor) { return processors.contains(processor); });
    if (ours) nodes.push_back(node);
  }
  return nodes;
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
