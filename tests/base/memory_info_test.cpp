#include "base/memory_info.h"

#include <gtest/gtest.h>

#include "tests/base/temporary_folder.h"

namespace atelier {
namespace {

constexpr std::uint64_t kGiB = 1ull << 30;

void write_machine(const TemporaryFolder& root) {
  root.write("proc/meminfo", "MemTotal:       33554432 kB\nMemFree:         1048576 kB\nMemAvailable:   20971520 kB\n");
}

TEST(MemoryInfo, ReadsThisMachine) {
  const MemoryInfo info = read_memory_info();
  EXPECT_GT(info.total_bytes, 64u << 20);
  EXPECT_GT(info.available_bytes, 0u);
  EXPECT_LE(info.available_bytes, info.total_bytes);
}

TEST(MemoryInfo, ReadsTheMachineWithoutLimits) {
  const TemporaryFolder root;
  write_machine(root);
  const MemoryInfo info = read_memory_info(root.path());
  EXPECT_EQ(info.total_bytes, 32 * kGiB);
  EXPECT_EQ(info.available_bytes, 20 * kGiB);
}

TEST(MemoryInfo, TakesTheTightestLimitOfTheGroupsAbove) {
  const TemporaryFolder root;
  write_machine(root);
  root.write("proc/self/cgroup", "0::/outer/inner\n");
  root.write("sys/fs/cgroup/outer/memory.max", "4294967296\n");
  root.write("sys/fs/cgroup/outer/memory.current", "3221225472\n");
  root.write("sys/fs/cgroup/outer/memory.stat", "anon 1\ninactive_file 1073741824\n");
  root.write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  const MemoryInfo info = read_memory_info(root.path());
  EXPECT_EQ(info.total_bytes, 4 * kGiB);
  EXPECT_EQ(info.available_bytes, 2 * kGiB);  // 4 less 3 used, of which 1 can be taken back
}

TEST(MemoryInfo, ReadsGroupsOfVersionOne) {
  const TemporaryFolder root;
  write_machine(root);
  root.write("proc/self/cgroup", "5:cpu,memory:/box\n1:name=systemd:/box\n");
  root.write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "8589934592\n");
  root.write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "8589934592\n");
  const MemoryInfo info = read_memory_info(root.path());
  EXPECT_EQ(info.total_bytes, 8 * kGiB);
  EXPECT_EQ(info.available_bytes, 0u);
}

TEST(MemoryInfo, AGroupThatUsesMoreThanItsLimitHasNothingLeft) {
  const TemporaryFolder root;
  write_machine(root);
  root.write("proc/self/cgroup", "0::/\n");
  root.write("sys/fs/cgroup/memory.max", "1073741824\n");
  root.write("sys/fs/cgroup/memory.current", "2147483648\n");
  EXPECT_EQ(read_memory_info(root.path()).available_bytes, 0u);
}

}  // namespace
}  // namespace atelier
