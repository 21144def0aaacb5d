#include "runtime/engine_process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/write.hpp>

#include "base/log.h"

namespace atelier::runtime {
namespace {

// Rounds of reading before other work of the loop gets its turn; and the rest, of a process that has ended.
constexpr int kRoundsATurn = 8;
constexpr int kRoundsAtEnd = 4096;
constexpr std::size_t kReadBytes = 64 * 1024;
// From end of file on the socket to SIGKILL: a process that exits takes milliseconds.
constexpr std::chrono::milliseconds kExitGrace{500};

process::Command engine_command(const EngineRuntime& runtime) {
  process::Command command;
  if (runtime.loader.empty()) {
    command.program = runtime.exe;
  } else {
    command.program = runtime.loader;
    command.arguments = {"--argv0", "atelier-engine", "--library-path", runtime.library_path.string(),
                         runtime.exe.string()};
  }
  if (!runtime.backends_dir.empty()) {
    command.arguments.insert(command.arguments.end(), {"--backends", runtime.backends_dir.string()});
  }
  command.arguments.insert(command.arguments.end(), runtime.arguments.begin(), runtime.arguments.end());
  // The inference library would start a debugger to print a backtrace of its own assertions.
  command.environment = {{"GGML_NO_BACKTRACE", "1"}};
  return command;
}

// All engines of the loop read through one buffer: a read is handled before the next begins.
std::array<char, kReadBytes>& read_buffer() {
  thread_local std::array<char, kReadBytes> buffer;
  return buffer;
}

}  // namespace

EngineProcess::EngineProcess(const asio::any_io_executor& executor, std::filesystem::path log_file,
                             std::chrono::milliseconds stop_grace, Callbacks callbacks)
    : socket_(executor),
      output_(executor),
      exit_(executor),
      grace_timer_(executor),
      stop_grace_(stop_grace),
      callbacks_(std::move(callbacks)),
      log_(std::move(log_file)) {}

EngineProcess::~EngineProcess() = default;

Result<std::shared_ptr<EngineProcess>> EngineProcess::start(asio::any_io_executor executor,
                                                            const EngineRuntime& runtime,
                                                            std::filesystem::path log_file,
                                                            std::chrono::milliseconds stop_grace, Callbacks callbacks) {
  std::shared_ptr<EngineProcess> engine(
      new EngineProcess(executor, std::move(log_file), stop_grace, std::move(callbacks)));
  if (auto opened = engine->open(runtime); !opened) return std::unexpected(opened.error());
  engine->wait_for_frames();
  engine->wait_for_output();
  engine->wait_for_exit();
  return engine;
}

Result<void> EngineProcess::open(const EngineRuntime& runtime) {
  auto sockets = process::socket_pair();
  if (!sockets) return std::unexpected(sockets.error());
  auto child = process::spawn(engine_command(runtime), {{sockets->second.get(), wire::kEngineSocketFd}});
  if (!child) return std::unexpected(child.error());
  child_ = std::move(*child);
  // asio owns what it watches, and the Child owns its own descriptor.
  process::OwnedFd exit_watch(fcntl(child_.exit_fd(), F_DUPFD_CLOEXEC, 0));
  if (!exit_watch) return fail(ErrorCode::kIo, "There are no file descriptors left to watch an engine with");

  boost::system::error_code error;
  socket_.assign(asio::local::stream_protocol(), sockets->first.get(), error);
  if (!error) sockets->first.release();
  if (!error) socket_.non_blocking(true, error);
  process::OwnedFd output = child_.take_output();
  if (!error) output_.assign(output.get(), error);
  if (!error) output.release();
  if (!error) output_.non_blocking(true, error);
  if (!error) exit_.assign(exit_watch.get(), error);
  if (!error) exit_watch.release();
  if (error) return fail(ErrorCode::kIo, "An engine's descriptors could not be watched: " + error.message());
  return {};
}

// Waiting for readiness and then reading without blocking, instead of an asynchronous read, keeps the order:
// when the process ends, the rest can be read on the spot, and no read is in flight that would come later.
void EngineProcess::wait_for_frames() {
  socket_.async_wait(asio::socket_base::wait_read, [self = shared_from_this()](boost::system::error_code error) {
    if (error || self->ended_) return;
    if (self->read_frames(kRoundsATurn)) {
      self->wait_for_frames();
    } else {
      self->on_socket_end();
    }
  });
}

void EngineProcess::wait_for_output() {
  output_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](boost::system::error_code error) {
                       if (error || self->ended_) return;
                       if (self->read_output(kRoundsATurn)) self->wait_for_output();
                     });
}

void EngineProcess::wait_for_exit() {
  exit_.async_wait(asio::posix::stream_descriptor::wait_read,
                   [self = shared_from_this()](boost::system::error_code error) {
                     if (!error && !self->ended_) self->on_exit();
                   });
}

bool EngineProcess::read_frames(int rounds) {
  for (int round = 0; round < rounds; ++round) {
    boost::system::error_code error;
    const std::size_t got = socket_.read_some(asio::buffer(read_buffer()), error);
    if (error == asio::error::would_block || error == asio::error::try_again) return true;
    if (error == asio::error::interrupted) continue;
    if (error) return false;
    if (deaf_) continue;  // drained all the same
    reader_.feed(std::string_view(read_buffer().data(), got));
    while (!deaf_) {
      auto payload = reader_.next();
      if (!payload) {
        kill(fmt::format("it sent a malformed frame: {}", payload.error().message));
        break;
      }
      if (!*payload) break;
      if (auto taken = callbacks_.frame(**payload); !taken) kill(taken.error().message);
    }
  }
  return true;
}

bool EngineProcess::read_output(int rounds) {
  for (int round = 0; round < rounds; ++round) {
    boost::system::error_code error;
    const std::size_t got = output_.read_some(asio::buffer(read_buffer()), error);
    if (error == asio::error::would_block || error == asio::error::try_again) return true;
    if (error == asio::error::interrupted) continue;
    if (error) return false;
    log_.feed(std::string_view(read_buffer().data(), got), std::chrono::steady_clock::now());
  }
  return true;
}

void EngineProcess::on_socket_end() {
  if (deaf_) return;  // its end is under way
  grace_timer_.expires_after(kExitGrace);
  grace_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error && !self->ended_) self->kill("it closed its socket but went on running");
  });
}

void EngineProcess::on_exit() {
  const std::optional<process::ExitStatus> status = child_.reap();
  if (!status) return wait_for_exit();
  // The frames before the pipe: a frame may still add lines to the log.
  if (socket_.is_open()) read_frames(kRoundsAtEnd);
  if (output_.is_open()) read_output(kRoundsAtEnd);
  log_.finish(std::chrono::steady_clock::now());
  ended_ = true;
  close_all();
  const EngineEnd end{requested_, broken_.empty() ? status->describe() : broken_, log_.last_lines()};
  auto ended = std::move(callbacks_.ended);
  callbacks_ = {};
  if (ended) ended(end);
}

Result<void> EngineProcess::send(std::string_view frames, bool always) {
  if (ended_ || deaf_) return fail(ErrorCode::kEngineCrashed, "The engine has ended");
  const std::size_t queued = waiting_.size() + writing_.size();
  if (queued + frames.size() > kRefuseBytes && !always) {
    return fail(ErrorCode::kOverloaded, "The engine has not read its earlier requests yet; try again later");
  }
  if (queued + frames.size() > kBrokenBytes) {
    kill("it does not read its socket");
    return fail(ErrorCode::kEngineCrashed, "The engine does not read its socket and was ended");
  }
  waiting_.append(frames);
  if (writing_.empty()) write_next();
  return {};
}

void EngineProcess::write_next() {
  constexpr std::size_t kKeepCapacity = 1024 * 1024;
  writing_.clear();
  if (writing_.capacity() > kKeepCapacity) writing_.shrink_to_fit();
  std::swap(waiting_, writing_);
  if (writing_.empty()) return;
  asio::async_write(socket_, asio::buffer(writing_),
                    [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                      // An engine that is gone is noticed on the reading side.
                      if (!error && !self->ended_) self->write_next();
                    });
}

void EngineProcess::stop() {
  if (ended_ || requested_) return;
  requested_ = true;
  deaf_ = true;
  boost::system::error_code ignored;
  socket_.shutdown(asio::local::stream_protocol::socket::shutdown_send, ignored);
  escalate(SIGTERM, SIGKILL);
}

// Sends the signal after the grace, then the next one after another.
void EngineProcess::escalate(int signal, int next_signal) {
  grace_timer_.expires_after(stop_grace_);
  grace_timer_.async_wait([self = shared_from_this(), signal, next_signal](boost::system::error_code error) {
    if (error || self->ended_) return;
    self->child_.signal(signal);
    if (next_signal != 0) self->escalate(next_signal, 0);
  });
}

void EngineProcess::kill(std::string reason) {
  if (ended_) return;
  if (!requested_ && broken_.empty()) broken_ = std::move(reason);
  deaf_ = true;
  child_.signal(SIGKILL);
}

void EngineProcess::kill_now() {
  if (ended_) return;
  ended_ = true;
  close_all();
  callbacks_ = {};
  child_ = process::Child();
}

void EngineProcess::close_all() {
  boost::system::error_code ignored;
  grace_timer_.cancel();
  socket_.close(ignored);
  output_.close(ignored);
  exit_.close(ignored);
}

}  // namespace atelier::runtime
