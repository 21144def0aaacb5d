#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace atelier::process {
namespace {

using namespace std::chrono_literals;

Command shell(std::string script) { return {"/bin/sh", {"-c", std::move(script)}, {}}; }

// Everything up to end of file; the descriptor may be non-blocking.
std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  while (true) {
    pollfd entry{fd, POLLIN, 0};
    if (poll(&entry, 1, 30'000) <= 0) return text + "<no end>";
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

std::string output_of(const Command& command, std::vector<std::pair<int, int>> descriptors = {}) {
  auto child = spawn(command, std::move(descriptors));
  if (!child) return child.error().message;
  const OwnedFd output = child->take_output();
  std::string text = read_all(output.get());
  child->wait(30s);
  return text;
}

TEST(Process, GivesExitCodesAndSignals) {
  auto exits = spawn(shell("exit 3"));
  ASSERT_TRUE(exits) << exits.error().message;
  const auto code = exits->wait(30s);
  ASSERT_TRUE(code);
  EXPECT_FALSE(code->signalled);
  EXPECT_EQ(code->value, 3);
  EXPECT_EQ(code->describe(), "exit code 3");

  auto killed = spawn(shell("kill -9 $$"));
  ASSERT_TRUE(killed);
  const auto signal = killed->wait(30s);
  ASSERT_TRUE(signal);
  EXPECT_EQ(signal->describe(), "signal 9 (Killed)");
}

TEST(Process, MixesBothOutputsIntoThePipe) {
  const std::string text = output_of(shell("echo out; echo err >&2"));
  EXPECT_EQ(text, "out\nerr\n");
}

TEST(Process, StandardInputIsEmpty) { EXPECT_EQ(output_of(shell("cat; echo end")), "end\n"); }

TEST(Process, ReportsThatAProgramCannotBeStarted) {
  auto child = spawn({"/no/such/program", {}, {}});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().message, "/no/such/program could not be started: exec failed: No such file or directory");
}

TEST(Process, ChildHasOnlyTheDescriptorsItWasGiven) {
  // One that is inheritable by mistake, as libraries leave them.
  const OwnedFd stray(open("/dev/null", O_RDONLY));
  auto pair = socket_pair();
  ASSERT_TRUE(pair);
  // `ls` itself opens one for the folder: 4.
  EXPECT_EQ(output_of(shell("exec ls /proc/self/fd"), {{pair->second.get(), 3}}), "0\n1\n2\n3\n4\n");
}

TEST(Process, GivenSocketIsConnectedToThisEnd) {
  auto pair = socket_pair();
  ASSERT_TRUE(pair);
  auto child = spawn(shell("echo hello >&3"), {{pair->second.get(), 3}});
  ASSERT_TRUE(child);
  pair->second.reset();
  EXPECT_EQ(read_all(pair->first.get()), "hello\n");
}

TEST(Process, DescriptorsMayBeSwapped) {
  // The numbers here and in the child overlap: neither may overwrite the other before it is copied.
  auto first = socket_pair();
  auto second = socket_pair();
  ASSERT_TRUE(first && second);
  const int a = first->second.get();
  const int b = second->second.get();
  ASSERT_LT(std::max(a, b), 10) << "the shell cannot name descriptors above 9";
  const std::string script = "echo to-a >&" + std::to_string(b) + "; echo to-b >&" + std::to_string(a);
  auto child = spawn(shell(script), {{a, b}, {b, a}});
  ASSERT_TRUE(child) << child.error().message;
  first->second.reset();
  second->second.reset();
  EXPECT_EQ(read_all(first->first.get()), "to-a\n");
  EXPECT_EQ(read_all(second->first.get()), "to-b\n");
}

TEST(Process, AddsToTheEnvironmentAndReplaces) {
  setenv("ATELIER_TEST_VARIABLE", "old", 1);
  Command command = shell("echo $ATELIER_TEST_VARIABLE $ATELIER_TEST_OTHER ${PATH:+path}");
  command.environment = {{"ATELIER_TEST_VARIABLE", "new"}, {"ATELIER_TEST_OTHER", "x=y"}};
  EXPECT_EQ(output_of(command), "new x=y path\n");
  unsetenv("ATELIER_TEST_VARIABLE");
}

TEST(Process, WritesNoCoreFiles) { EXPECT_EQ(output_of(shell("ulimit -c")), "0\n"); }

TEST(Process, IgnoredSignalsAreDefaultInTheChild) {
  void (*before)(int) = ::signal(SIGTERM, SIG_IGN);
  auto child = spawn(shell("kill -TERM $$; echo survived"));
  ::signal(SIGTERM, before);
  ASSERT_TRUE(child);
  const OwnedFd output = child->take_output();
  EXPECT_EQ(read_all(output.get()), "");
}

TEST(Process, HasAProcessGroupOfItsOwn) {
  auto child = spawn(shell("exec cat <&3"), {{0, 3}});
  ASSERT_TRUE(child);
  EXPECT_EQ(getpgid(child->pid()), child->pid());
}

TEST(Process, TellsOfAnEndThroughItsDescriptor) {
  auto pair = socket_pair();
  ASSERT_TRUE(pair);
  auto child = spawn(shell("read line <&3; exit 7"), {{pair->second.get(), 3}});
  ASSERT_TRUE(child);
  EXPECT_FALSE(child->reap()) << "it waits for a line";
  ASSERT_EQ(write(pair->first.get(), "go\n", 3), 3);
  pollfd entry{child->exit_fd(), POLLIN, 0};
  ASSERT_EQ(poll(&entry, 1, 30'000), 1);
  const auto status = child->reap();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->value, 7);
  child->signal(SIGKILL);  // no effect, and no harm
  EXPECT_EQ(child->reap()->value, 7);
}

TEST(Process, DestructorKillsAndReaps) {
  int pid = 0;
  {
    auto child = spawn(shell("trap '' TERM HUP INT; while :; do read line <&3 || exec sleep 1000; done"), {});
    ASSERT_TRUE(child);
    pid = child->pid();
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH) << "a zombie would still take signals";
}

TEST(Process, DestructorWaitsAlsoWhenAnEventLoopWatchesTheProcess) {
  int pid = 0;
  {
    auto child = spawn(shell("exec sleep 1000"));
    ASSERT_TRUE(child);
    pid = child->pid();
    ASSERT_EQ(fcntl(child->exit_fd(), F_SETFL, O_NONBLOCK), 0);  // as asio does
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(Process, MovedFromChildLeavesTheProcessAlone) {
  auto child = spawn(shell("exec sleep 1000"));
  ASSERT_TRUE(child);
  Child kept = std::move(*child);
  *child = Child();
  EXPECT_FALSE(kept.reap());
  kept.signal(SIGTERM);
  ASSERT_TRUE(kept.wait(30s));
  EXPECT_EQ(kept.reap()->describe(), "signal 15 (Terminated)");
}

TEST(Process, DetachedChildOutlivesItsHandleAndWritesToItsFile) {
  std::string folder = (std::filesystem::temp_directory_path() / "atelier-process-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::filesystem::path log = std::filesystem::path(folder) / "server.log";
  const std::filesystem::path fifo = std::filesystem::path(folder) / "fifo";
  ASSERT_EQ(std::system(("mkfifo " + fifo.string()).c_str()), 0);
  {
    auto child = spawn_detached(shell("read line < " + fifo.string() + "; echo $line; exec ps -o sid= -p $$"), log);
    ASSERT_TRUE(child) << child.error().message;
    EXPECT_EQ(getsid(child->pid()), child->pid());
    Child kept = std::move(*child);
  }
  // The handle is gone; the child still reads.
  std::ofstream(fifo) << "still here\n";
  int status = 0;
  ASSERT_GT(wait(&status), 0);
  std::stringstream text;
  text << std::ifstream(log).rdbuf();
  EXPECT_EQ(text.str().substr(0, 11), "still here\n");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace atelier::process
