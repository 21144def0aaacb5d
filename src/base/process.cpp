#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>

namespace atelier::process {
namespace {

// Linux names that older C library headers lack.
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
constexpr unsigned kCloseRangeCloexec = 1U << 2;
constexpr idtype_t kWaitPidfd = static_cast<idtype_t>(3);  // P_PIDFD

std::string reason(int error) { return std::generic_category().message(error); }

std::unexpected<Error> system_failure(std::string_view what, int error) {
  return fail(ErrorCode::kIo, fmt::format("{}: {}", what, reason(error)));
}

struct Pipe {
  OwnedFd read;
  OwnedFd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return system_failure("A pipe could not be made", errno);
  return Pipe{OwnedFd(ends[0]), OwnedFd(ends[1])};
}

std::vector<std::string> merged_environment(const std::vector<std::pair<std::string, std::string>>& additions) {
  std::vector<std::string> result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    const bool replaced =
        std::any_of(additions.begin(), additions.end(), [&](const auto& addition) { return addition.first == name; });
    if (!replaced) result.emplace_back(text);
  }
  for (const auto& [name, value] : additions) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// What the child tells its parent over the error pipe where it cannot become the program.
struct StartFailure {
  int step = 0;
  int error = 0;
};
constexpr const char* kSteps[] = {"its descriptors could not be set up", "its parent ended", "exec failed"};
enum Step { kDescriptors, kParentGone, kExec };

// Everything the child needs, made before fork.
struct ChildPlan {
  const char* program = nullptr;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  // Source and target, 0 to 2 included. Sources are above every target, so that no dup2 overwrites one.
  const std::pair<int, int>* descriptors = nullptr;
  std::size_t descriptor_count = 0;
  int highest_target = 2;
  int error_fd = -1;
  pid_t parent = 0;
  bool detached = false;
};

// From here to exec: async-signal-safe calls only (signal-safety(7)).
[[noreturn]] void give_up(int error_fd, Step step) {
  const StartFailure failure{step, errno};
  [[maybe_unused]] const ssize_t written = write(error_fd, &failure, sizeof failure);
  _exit(127);
}

void reset_signals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) sigaction(number, &action, nullptr);  // fails for two; no matter
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_others_on_exec(int first) {
  if (syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, kCloseRangeCloexec) == 0) return;
  rlimit limit = {};
  const int end =
      getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 65536)) : 1024;
  for (int fd = first; fd < end; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

[[noreturn]] void run_child(const ChildPlan& plan) {
  if (plan.detached) {
    setsid();
  } else {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The parent may have ended before the line above: nobody would send the signal then.
    if (getppid() != plan.parent) give_up(plan.error_fd, kParentGone);
  }
  for (std::size_t i = 0; i < plan.descriptor_count; ++i) {
    const auto& [source, target] = plan.descriptors[i];
    if (dup2(source, target) < 0) give_up(plan.error_fd, kDescriptors);
  }
  for (int fd = 0; fd <= plan.highest_target; ++fd) {
    bool given = false;
    for (std::size_t i = 0; i < plan.descriptor_count; ++i) given = given || plan.descriptors[i].second == fd;
    if (!given && fd != plan.error_fd) close(fd);
  }
  close_others_on_exec(plan.highest_target + 1);
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  reset_signals();
  execve(plan.program, plan.arguments, plan.environment);
  give_up(plan.error_fd, kExec);
}

bool wait_readable(int fd, std::chrono::milliseconds limit) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + limit;
  while (true) {
    pollfd entry{fd, POLLIN, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    const int result = poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000)));
    if (result > 0) return true;
    if (result < 0 && errno != EINTR) return false;
    if (Clock::now() >= end) return false;
  }
}

// A copy of the descriptor whose number is above every target.
Result<OwnedFd> copy_above(int fd, int floor) {
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, floor);
  if (copy < 0) return system_failure("A descriptor could not be copied for a child process", errno);
  return OwnedFd(copy);
}

}  // namespace

void OwnedFd::reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Result<std::pair<OwnedFd, OwnedFd>> socket_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return system_failure("A socket pair could not be made", errno);
  }
  return std::pair(OwnedFd(ends[0]), OwnedFd(ends[1]));
}

std::string ExitStatus::describe() const {
  if (!signalled) return fmt::format("exit code {}", value);
  const char* name = sigdescr_np(value);
  return fmt::format("signal {} ({})", value, name != nullptr ? name : "unknown");
}

// How standard output is set up and what else the child holds.
struct Child::Plan {
  std::vector<std::pair<int, int>> descriptors;
  int output = -1;
  bool detached = false;
};

Result<Child> Child::start(const Command& command, Plan plan) {
  auto error_pipe = make_pipe();
  if (!error_pipe) return std::unexpected(error_pipe.error());
  const OwnedFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null) return system_failure("/dev/null could not be opened", errno);

  plan.descriptors.insert(plan.descriptors.end(), {{null.get(), 0}, {plan.output, 1}, {plan.output, 2}});
  int highest_target = 2;
  for (const auto& [source, target] : plan.descriptors) highest_target = std::max(highest_target, target);
  std::vector<OwnedFd> copies;
  std::vector<std::pair<int, int>> mapping;
  for (const auto& [source, target] : plan.descriptors) {
    auto copy = copy_above(source, highest_target + 1);
    if (!copy) return std::unexpected(copy.error());
    mapping.emplace_back(copy->get(), target);
    copies.push_back(std::move(*copy));
  }
  auto error_writer = copy_above(error_pipe->write.get(), highest_target + 1);
  if (!error_writer) return std::unexpected(error_writer.error());
  error_pipe->write.reset();

  std::vector<std::string> arguments{command.program.string()};
  arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
  std::vector<std::string> environment = merged_environment(command.environment);
  const std::string program = command.program.string();
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> environment_pointers = pointers(environment);
  const ChildPlan child_plan{program.c_str(), argument_pointers.data(), environment_pointers.data(), mapping.data(),
                             mapping.size(),  highest_target,           error_writer->get(),         getpid(),
                             plan.detached};

  // No handler of this process may run in the child before its dispositions are reset.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  if (pid == 0) run_child(child_plan);
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return system_failure("A process could not be started", fork_error);

  Child child;
  child.pid_ = pid;
  child.detached_ = plan.detached;
  // The child is not reaped yet, so its number cannot belong to anybody else.
  child.pidfd_ = OwnedFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!child.pidfd_) {
    const int error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    child.pid_ = 0;
    return system_failure("pidfd_open failed (Linux 5.3 or newer is needed)", error);
  }

  error_writer->reset();
  StartFailure failure;
  ssize_t got;
  do {
    got = read(error_pipe->read.get(), &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof failure)) {
    child.detached_ = false;  // it is ending: reap it
    return fail(ErrorCode::kIo, fmt::format("{} could not be started: {}: {}", program,
                                            kSteps[std::clamp(failure.step, 0, 2)], reason(failure.error)));
  }
  return child;
}

Result<Child> spawn(const Command& command, std::vector<std::pair<int, int>> descriptors) {
  auto output = make_pipe();
  if (!output) return std::unexpected(output.error());
  if (fcntl(output->read.get(), F_SETFL, O_NONBLOCK) != 0) return system_failure("A pipe could not be set up", errno);
  Child::Plan plan{std::move(descriptors), output->write.get(), false};
  auto child = Child::start(command, std::move(plan));
  if (child) child->output_ = std::move(output->read);
  return child;
}

Result<Child> spawn_detached(const Command& command, const std::filesystem::path& log_file) {
  const OwnedFd log(open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) return system_failure(fmt::format("The log file {} could not be opened", log_file.string()), errno);
  return Child::start(command, Child::Plan{{}, log.get(), true});
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      detached_(other.detached_),
      pidfd_(std::move(other.pidfd_)),
      output_(std::move(other.output_)),
      status_(std::exchange(other.status_, std::nullopt)) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  end();
  pid_ = std::exchange(other.pid_, 0);
  detached_ = other.detached_;
  pidfd_ = std::move(other.pidfd_);
  output_ = std::move(other.output_);
  status_ = std::exchange(other.status_, std::nullopt);
  return *this;
}

Child::~Child() { end(); }

std::optional<ExitStatus> Child::reap() {
  if (status_ || pid_ == 0) return status_;
  siginfo_t info = {};
  if (waitid(kWaitPidfd, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) != 0) {
    // ECHILD: somebody else reaped it (SIGCHLD ignored); its status is lost, its end is not.
    if (errno == ECHILD && wait_readable(pidfd_.get(), std::chrono::milliseconds(0))) status_ = ExitStatus{};
    return status_;
  }
  if (info.si_pid == 0) return std::nullopt;
  status_ = ExitStatus{info.si_code != CLD_EXITED, info.si_status};
  return status_;
}

std::optional<ExitStatus> Child::wait(std::chrono::milliseconds limit) {
  if (!status_ && pid_ != 0) wait_readable(pidfd_.get(), limit);
  return reap();
}

void Child::signal(int number) {
  if (pid_ != 0 && !status_) syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

void Child::end() {
  if (pid_ == 0 || detached_ || reap()) return;
  signal(SIGKILL);
  // By number, which is ours until it is reaped: on a pidfd that an event loop made non-blocking, waitid would not
  // wait (EAGAIN).
  siginfo_t info = {};
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

}  // namespace atelier::process
