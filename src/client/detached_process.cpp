#include "client/detached_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

extern char** environ;

namespace atelier::client {
namespace {

constexpr std::size_t kMaxOutputBytes = 1024 * 1024;

struct Descriptor {
  ~Descriptor() { close_now(); }
  void close_now() {
    if (number >= 0) ::close(number);
    number = -1;
  }
  int number = -1;
};

struct Pipe {
  Result<void> open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      return fail(ErrorCode::kIo, fmt::format("Cannot make a pipe: {}.", std::strerror(errno)));
    }
    read_end.number = ends[0];
    write_end.number = ends[1];
    return {};
  }
  Descriptor read_end, write_end;
};

// Everything that the child needs is made before the fork: between fork and exec only async-signal-safe calls are
// allowed, because other threads of this process may hold locks.
struct Image {
  Image(const std::filesystem::path& program, const std::vector<std::string>& arguments,
        const std::vector<std::string>& environment)
      : path(program.string()) {
    words.push_back(path);
    words.insert(words.end(), arguments.begin(), arguments.end());
    for (char** entry = environ; *entry; ++entry) {
      std::string_view text = *entry;
      std::string_view name = text.substr(0, text.find('=') + 1);
      bool replaced = std::any_of(environment.begin(), environment.end(),
                                  [name](const std::string& own) { return own.starts_with(name); });
      if (!replaced) variables.emplace_back(text);
    }
    variables.insert(variables.end(), environment.begin(), environment.end());
    for (std::string& word : words) argv.push_back(word.data());
    for (std::string& variable : variables) envp.push_back(variable.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
  }
  std::string path;
  std::vector<std::string> words, variables;
  std::vector<char*> argv, envp;
};

// Called in the child only.
[[noreturn]] void become(const Image& image, int input, int output, int error, int report) {
  ::setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGQUIT}) ::signal(number, SIG_DFL);
  bool placed = ::dup2(input, 0) >= 0 && ::dup2(output, 1) >= 0 && ::dup2(error, 2) >= 0;
  if (placed) {
    // Descriptors that this process inherited without the close-on-exec flag (a make's job server, a caller's pipe)
    // must not be held open by a program that stays.
    if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
      rlimit limit{};
      ::getrlimit(RLIMIT_NOFILE, &limit);
      int last = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 4096));
      for (int number = 3; number < last; ++number) ::fcntl(number, F_SETFD, FD_CLOEXEC);
    }
    ::execve(image.path.c_str(), image.argv.data(), image.envp.data());
  }
  int problem = errno;
  [[maybe_unused]] ssize_t written = ::write(report, &problem, sizeof problem);
  ::_exit(127);
}

// Waits until the child has become the program, or could not.
Result<void> confirm_start(pid_t child, Pipe& report, const std::string& program) {
  report.write_end.close_now();
  int problem = 0;
  ssize_t count;
  do {
    count = ::read(report.read_end.number, &problem, sizeof problem);
  } while (count < 0 && errno == EINTR);
  if (count != static_cast<ssize_t>(sizeof problem)) return {};
  ::waitpid(child, nullptr, 0);
  return fail(ErrorCode::kIo, fmt::format("Cannot run {}: {}.", program, std::strerror(problem)));
}

}  // namespace

Result<pid_t> start_detached(const DetachedStart& start) {
  Descriptor input, output;
  input.number = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  output.number = ::open(start.output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (input.number < 0 || output.number < 0) {
    return fail(ErrorCode::kIo, fmt::format("Cannot open {}: {}.", start.output_file.string(), std::strerror(errno)));
  }
  Pipe report;
  if (auto opened = report.open(); !opened) return std::unexpected(opened.error());
  Image image(start.program, start.arguments, start.environment);
  pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::kIo, fmt::format("Cannot start a process: {}.", std::strerror(errno)));
  if (child == 0) become(image, input.number, output.number, output.number, report.write_end.number);
  if (auto started = confirm_start(child, report, image.path); !started) return std::unexpected(started.error());
  return child;
}

std::string exit_of_child(pid_t pid) {
  int status = 0;
  pid_t answer = ::waitpid(pid, &status, WNOHANG);
  if (answer == 0 || (answer < 0 && errno == EINTR)) return {};
  if (answer < 0) return "an unknown end";
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

bool process_exists(pid_t pid) {
  if (pid <= 0) return false;
  ::waitpid(pid, nullptr, WNOHANG);  // where it is our own child
  return ::kill(pid, 0) == 0 || errno == EPERM;
}

Result<std::string> output_of(const std::filesystem::path& program, const std::vector<std::string>& arguments) {
  Descriptor null;
  null.number = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  Pipe report, output;
  if (auto opened = report.open(); !opened) return std::unexpected(opened.error());
  if (auto opened = output.open(); !opened) return std::unexpected(opened.error());
  Image image(program, arguments, {});
  pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::kIo, fmt::format("Cannot start a process: {}.", std::strerror(errno)));
  if (child == 0) become(image, null.number, output.write_end.number, null.number, report.write_end.number);
  output.write_end.close_now();
  if (auto started = confirm_start(child, report, image.path); !started) return std::unexpected(started.error());
  std::string text;
  char buffer[4096];
  while (text.size() < kMaxOutputBytes) {
    ssize_t count = ::read(output.read_end.number, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  output.read_end.close_now();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return fail(ErrorCode::kIo, fmt::format("{} failed.", image.path));
  }
  return text;
}

}  // namespace atelier::client
