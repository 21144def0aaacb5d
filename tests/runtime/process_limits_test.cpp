// What the engines leave behind: no descriptors, no zombies, no processes without a server.
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/process.h"
#include "tests/runtime/harness.h"

namespace atelier::runtime {
namespace {

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

TEST(Leaks, FiftyLoadsAndEndsLeaveNothing) {
  Engines engines;
  engines.start();
  const LoadRequest good = engines.request("m", R"({"generate": {"steps": [{"text": "x"}, {"hang": true}]}})");
  const LoadRequest crashing = engines.request("c", R"({"load": {"crash": "exit"}})");
  // One of each first: what is opened once stays open.
  ASSERT_TRUE(engines.loop.run(engines.load(good)));
  ASSERT_TRUE(engines.loop.run(engines.instances->unload("m")));
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 50; ++i) {
    auto instance = engines.loop.run(engines.load(good));
    ASSERT_TRUE(instance) << instance.error().message;
    const auto generation = generate(**instance, prompt("x"));
    if (i % 2 == 0) {
      ASSERT_TRUE(engines.loop.run(engines.instances->unload("m")));
    } else {
      kill((*instance)->info().pid, SIGKILL);
    }
    EXPECT_TRUE(engines.loop.run(read_all(generation)).error());
    engines.loop.run_until([&] { return engines.instances->list().empty(); });
    if (i % 10 == 0) {
      EXPECT_FALSE(engines.loop.run(engines.load(crashing)));
    }
  }
  engines.loop.run_ready();
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no children are left, not even zombies";
  EXPECT_EQ(errno, ECHILD);
}

// A server with two engines, one of which ends when its socket does, and one that heeds nothing but SIGKILL: the
// parent-death signal. Writes their numbers to the pipe and runs for ever.
[[noreturn]] void run_server(int pipe) {
  Engines engines;
  const auto first = engines.loaded("first", R"({"generate": {"steps": [{"text": "x", "times": "forever"}]}})");
  const auto second = engines.loaded("second", R"({"ignore_end": true})");
  [[maybe_unused]] const auto generation = generate(*first, prompt("x"));
  const int pids[2] = {first->info().pid, second->info().pid};
  if (write(pipe, pids, sizeof pids) != sizeof pids) _exit(1);
  engines.loop.run_until([] { return false; });
  _exit(1);
}

TEST(ServerDeath, TakesTheEnginesWithIt) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t server = fork();
  if (server == 0) {
    close(pipe_ends[0]);
    run_server(pipe_ends[1]);
  }
  close(pipe_ends[1]);
  int pids[2] = {0, 0};
  ASSERT_EQ(read(pipe_ends[0], pids, sizeof pids), static_cast<ssize_t>(sizeof pids));
  close(pipe_ends[0]);
  std::vector<pollfd> ends;
  for (const int pid : pids) {
    const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    ASSERT_GE(fd, 0) << "engine " << pid << " does not run";
    ends.push_back({fd, POLLIN, 0});
    EXPECT_EQ(poll(&ends.back(), 1, 0), 0) << "it runs";
  }
  ASSERT_EQ(kill(server, SIGKILL), 0);
  ASSERT_EQ(waitpid(server, nullptr, 0), server);
  for (pollfd& end : ends) {
    EXPECT_EQ(poll(&end, 1, 30'000), 1) << "an engine outlived its server";
    close(end.fd);
  }
}

}  // namespace
}  // namespace atelier::runtime
