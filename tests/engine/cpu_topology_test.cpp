#include "engine/cpu_topology.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace atelier::engine {
namespace {

namespace fs = std::filesystem;

class CpuTopology : public testing::Test {
 protected:
  CpuTopology() {
    std::string pattern = (fs::temp_directory_path() / "cpu-topology-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~CpuTopology() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << "\n";
  }
  void siblings(int processor, const std::string& list) {
    write("sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology/thread_siblings_list", list);
  }

  fs::path root_;
};

TEST_F(CpuTopology, HyperThreadsOfOneCoreCountOnce) {
  siblings(0, "0,2");
  siblings(1, "1,3");
  siblings(2, "0,2");
  siblings(3, "1,3");
  EXPECT_EQ(physical_cores({0, 1, 2, 3}, root_), 2U);
  EXPECT_EQ(physical_cores({0, 2}, root_), 1U);
  EXPECT_EQ(physical_cores({0, 3}, root_), 2U);
}

TEST_F(CpuTopology, AQuotaOfTheControlGroupIsALimit) {
  for (int i = 0; i < 8; ++i) siblings(i, std::to_string(i));
  write("sys/fs/cgroup/cpu.max", "max 100000");
  EXPECT_EQ(physical_cores({0, 1, 2, 3, 4, 5, 6, 7}, root_), 8U);
  write("sys/fs/cgroup/cpu.max", "150000 100000");
  EXPECT_EQ(physical_cores({0, 1, 2, 3, 4, 5, 6, 7}, root_), 2U);
  write("sys/fs/cgroup/cpu.max", "nonsense");
  EXPECT_EQ(physical_cores({0, 1}, root_), 2U);
}

TEST_F(CpuTopology, MemoryNodesAreThoseWithProcessorsOfOurs) {
  write("sys/devices/system/node/online", "0-2,4");
  write("sys/devices/system/node/node0/cpulist", "0-3,8-11");
  write("sys/devices/system/node/node1/cpulist", "4-7,12-15");
  write("sys/devices/system/node/node2/cpulist", "");  // memory alone
  write("sys/devices/system/node/node4/cpulist", "16");
  EXPECT_EQ(memory_nodes({0, 1, 5, 12}, root_), (std::vector<int>{0, 1}));
  EXPECT_EQ(memory_nodes({8, 11}, root_), (std::vector<int>{0}));
  EXPECT_EQ(memory_nodes({15, 16}, root_), (std::vector<int>{1, 4}));
  EXPECT_TRUE(memory_nodes({99}, root_).empty());
}

TEST_F(CpuTopology, WithoutNodesThereAreNone) {
  EXPECT_TRUE(memory_nodes({0, 1}, root_).empty());
  for (const char* nonsense : {"", "x", "1-", "-1", "3-1", "0,", "0-99999999999", "0-1;2"}) {
    write("sys/devices/system/node/online", nonsense);
    write("sys/devices/system/node/node0/cpulist", nonsense);
    EXPECT_LE(memory_nodes({0, 1}, root_).size(), 1U) << nonsense;
  }
}

TEST_F(CpuTopology, WithoutATopologyEveryProcessorCounts) {
  EXPECT_EQ(physical_cores({0, 1, 5}, root_), 3U);
  EXPECT_EQ(physical_cores({}, root_), 1U);
  EXPECT_GE(allowed_processors().size(), 1U);
}

}  // namespace
}  // namespace atelier::engine
