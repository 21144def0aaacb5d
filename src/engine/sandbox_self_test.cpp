// test_sandbox: a sandbox, tried from inside.
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <future>
#include <string>
#include <string_view>
#include <thread>

#include "engine/sandbox.h"

namespace atelier::engine {

namespace {

// 0, or the error.
int open_and_close(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (file < 0) return errno;
  ::close(file);
  return 0;
}

int error_of(long result) { return result < 0 ? errno : 0; }

int map_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno;
  void* memory = ::mmap(nullptr, 1, PROT_READ, MAP_PRIVATE, file, 0);
  const int error = memory == MAP_FAILED ? errno : 0;
  if (error == 0) ::munmap(memory, 1);
  ::close(file);
  return error;
}

int run_program() {
  std::string name = "/bin/true";
  char* arguments[] = {name.data(), nullptr};
  pid_t child = 0;
  return ::posix_spawn(&child, name.c_str(), nullptr, nullptr, arguments, environ);
}

int become_program() {
  std::string name = "/bin/true";
  char* arguments[] = {name.data(), nullptr};
  return error_of(::execv(name.c_str(), arguments));
}

int start_thread() {
  pthread_t thread{};
  const int error = ::pthread_create(&thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
  return error != 0 ? error : ::pthread_join(thread, nullptr);
}

class Trial {
 public:
  // `expected`: an errno, or 0 where it must go well.
  void expect(std::string_view what, int got, int expected) {
    const bool good = got == expected;
    fmt::print("{}: {} ({})\n", good ? "ok" : "WRONG", what, got == 0 ? "it went well" : std::strerror(got));
    failed_ = failed_ || !good;
  }
  bool failed() const { return failed_; }

 private:
  bool failed_ = false;
};

}  // namespace

int test_sandbox(const std::string& folder) {
  const std::string model = folder + "/model.gguf";
  const char* home = std::getenv("HOME");
  const std::string secret = std::string(home != nullptr ? home : "") + "/secret";
  const std::string parent = fmt::format("/proc/{}/environ", ::getppid());

  // A thread from before, as the engine has some.
  std::promise<void> entered;
  std::future<int> from_before = std::async(std::launch::async, [&, wait = entered.get_future()] {
    wait.wait();
    return open_and_close(secret, O_RDONLY);
  });
  SandboxPlan plan = plan_sandbox({model}, "");
  plan.writable.push_back(folder + "/cache");
  const SandboxReport report = enter_sandbox(plan);
  entered.set_value();
  fmt::print("{}\n", report.describe());
  if (report.landlock_version == 0 && !report.system_calls) return 3;

  Trial trial;
  if (report.landlock_version > 0) {
    trial.expect("a thread from before reads a file in the home folder", from_before.get(), EACCES);
    trial.expect("read a file in the home folder", open_and_close(secret, O_RDONLY), EACCES);
    trial.expect("list the home folder", open_and_close(home != nullptr ? home : "", O_RDONLY | O_DIRECTORY), EACCES);
    trial.expect("read a file beside the model", open_and_close(folder + "/other", O_RDONLY), EACCES);
    trial.expect("write beside the model", open_and_close(folder + "/new", O_WRONLY | O_CREAT), EACCES);
    trial.expect("write the model", open_and_close(model, O_WRONLY), EACCES);
    trial.expect("remove the model", error_of(::unlink(model.c_str())), EACCES);
    trial.expect("read another process's environment", open_and_close(parent, O_RDONLY), EACCES);
  }
  if (report.system_calls) {
    trial.expect("open an internet socket", error_of(::socket(AF_INET, SOCK_STREAM, 0)), EPERM);
    trial.expect("open a local socket", error_of(::socket(AF_UNIX, SOCK_STREAM, 0)), EPERM);
    trial.expect("start a program", run_program(), EPERM);
    trial.expect("become a program", become_program(), EPERM);
    trial.expect("make a process", error_of(::fork()), EPERM);
    trial.expect("be traced", error_of(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)), EPERM);
    trial.expect("signal another process", error_of(::kill(::getppid(), 0)), EPERM);
  }
  trial.expect("read the model", open_and_close(model, O_RDONLY), 0);
  trial.expect("map the model into memory", map_file(model), 0);
  trial.expect("write into the cache's folder", open_and_close(folder + "/cache/new", O_WRONLY | O_CREAT), 0);
  trial.expect("read about itself", open_and_close("/proc/self/status", O_RDONLY), 0);
  trial.expect("read how much memory is free", open_and_close("/proc/meminfo", O_RDONLY), 0);
  trial.expect("read the processor's shape", open_and_close("/sys/devices/system/cpu/online", O_RDONLY), 0);
  trial.expect("read which memory nodes there are", open_and_close("/sys/devices/system/node", O_RDONLY | O_DIRECTORY),
               ::access("/sys/devices/system/node", F_OK) == 0 ? 0 : ENOENT);
  cpu_set_t processors;
  CPU_ZERO(&processors);
  trial.expect("ask where it may run", error_of(::sched_getaffinity(0, sizeof processors, &processors)), 0);
  trial.expect("stay on a processor", error_of(::sched_setaffinity(0, sizeof processors, &processors)), 0);
  trial.expect("start a thread", start_thread(), 0);
  return trial.failed() ? 1 : 0;
}

}  // namespace atelier::engine
