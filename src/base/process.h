// Child processes: engines, which must not outlive the server, and a detached server, which must outlive
// the program that started it. All that is particular to Linux about processes is in process.cpp.
//
// A child gets: standard input from /dev/null, the descriptors that it is given by number, and no other (the
// rest become close-on-exec, whatever library opened them); default signal dispositions and an empty signal
// mask; no core file (RLIMIT_CORE 0: an engine's memory is gigabytes). Between fork and exec only
// async-signal-safe calls are made, so spawning is safe in a process with threads.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace atelier::process {

// A file descriptor with one owner; closed by the destructor. -1: none.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~OwnedFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// Two connected Unix stream sockets, close-on-exec.
Result<std::pair<OwnedFd, OwnedFd>> socket_pair();

struct ExitStatus {
  bool signalled = false;
  int value = 0;  // the exit code, or the signal's number

  bool success() const { return !signalled && value == 0; }
  // "exit code 3", "signal 9 (Killed)"
  std::string describe() const;
};

struct Command {
  std::filesystem::path program;       // started as it is: PATH is not searched
  std::vector<std::string> arguments;  // without argv[0], which is the program's path
  // Added to this process's environment, or in place of a variable of that name.
  std::vector<std::pair<std::string, std::string>> environment;
};

// A child of this process. Signals go through a pidfd (pidfd_open(2)), so they never hit another process that
// got the same number. One thread at a time.
class Child {
 public:
  Child() = default;
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  // An attached child that still runs is killed (SIGKILL) and reaped; a detached one runs on.
  ~Child();

  int pid() const { return pid_; }
  // Readable (poll, asio) once the process has ended; then reap() has its status. Owned by the Child.
  int exit_fd() const { return pidfd_.get(); }

  // The status where the process has ended (it is then no zombie any more), else nothing. Does not block.
  std::optional<ExitStatus> reap();
  // The same, after waiting this long at most.
  std::optional<ExitStatus> wait(std::chrono::milliseconds limit);

  // No effect once the process has been reaped.
  void signal(int number);

  // The reading end of standard output and standard error together, non-blocking; empty for a detached child.
  OwnedFd take_output() { return std::move(output_); }

 private:
  friend Result<Child> spawn(const Command&, std::vector<std::pair<int, int>>);
  friend Result<Child> spawn_detached(const Command&, const std::filesystem::path&);
  struct Plan;
  static Result<Child> start(const Command& command, Plan plan);
  void end();

  int pid_ = 0;
  bool detached_ = false;
  OwnedFd pidfd_;
  OwnedFd output_;
  std::optional<ExitStatus> status_;
};

// Starts a child that dies with this process: it gets SIGKILL when the *thread* that called spawn ends
// (PR_SET_PDEATHSIG follows the thread), so call it from one that lives as long as the process. It is in a
// process group of its own: Ctrl+C in the terminal reaches the server, which then ends its children in order.
// `descriptors` maps a descriptor here to the number it has in the child (3 or above).
// An exec that fails is reported here, with its reason.
Result<Child> spawn(const Command& command, std::vector<std::pair<int, int>> descriptors = {});

// Starts a child in a session of its own, which goes on when this process ends; its output is appended to the
// file (created with mode 0600). The Child serves to notice an early end.
Result<Child> spawn_detached(const Command& command, const std::filesystem::path& log_file);

}  // namespace atelier::process
