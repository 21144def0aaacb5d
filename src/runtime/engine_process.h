// One engine process: its life, its socket as frames, its output as a log. It knows the framing of the
// protocol, not its messages.
//
// Order at the end. An engine that dies closes its socket first and becomes a zombie a moment later; what it
// sent and printed before is still in the kernel. So the end is reported once, after the process has been
// reaped and both socket and pipe have been read to their end: the last frames are delivered, the last lines
// known.
//
// Lives on the loop thread; the functions never block, but for kill_now. Handlers keep the object alive until
// the process has been reaped.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.h"
#include "base/process.h"
#include "runtime/engine_log.h"
#include "runtime/instances.h"
#include "wire/framing.h"

namespace atelier::runtime {

struct EngineEnd {
  bool requested = false;  // stop or kill was called first
  std::string reason;      // "signal 9 (Killed)", "exit code 1", "it sent a malformed frame: …"
  std::vector<std::string> last_lines;
};

class EngineProcess : public std::enable_shared_from_this<EngineProcess> {
 public:
  // Frames that wait to be written. An engine that does not read its socket is refused more work beyond the
  // first bound, and is broken beyond the second (small messages such as Pause are never refused).
  static constexpr std::size_t kRefuseBytes = 2 * wire::kMaxFrameBytes;
  static constexpr std::size_t kBrokenBytes = 3 * wire::kMaxFrameBytes;

  struct Callbacks {
    // One frame's payload, valid during the call. An error ends the engine with that reason.
    std::function<Result<void>(std::string_view payload)> frame;
    // Once; the object may be released in it.
    std::function<void(const EngineEnd&)> ended;
  };

  // Starts the process (through the runtime's loader where it has one). `stop_grace`: see stop().
  static Result<std::shared_ptr<EngineProcess>> start(asio::any_io_executor executor, const EngineRuntime& runtime,
                                                      std::filesystem::path log_file,
                                                      std::chrono::milliseconds stop_grace, Callbacks callbacks);
  ~EngineProcess();

  int pid() const { return child_.pid(); }

  // Queues whole frames. kOverloaded beyond kRefuseBytes, unless `always`.
  Result<void> send(std::string_view frames, bool always);

  // Ends the engine in order: end of file on its socket; after the grace SIGTERM, after another SIGKILL. No
  // more frames are delivered.
  void stop();
  // Ends it at once (SIGKILL); `reason` is reported unless the end was requested before.
  void kill(std::string reason);
  // The same, and waits for the process (milliseconds). No callback is made. For destructors.
  void kill_now();

  // A line for the engine's log.
  void log_line(std::string_view line) { log_.add_line(line, std::chrono::steady_clock::now()); }
  std::vector<std::string> last_lines() const { return log_.last_lines(); }

 private:
  EngineProcess(const asio::any_io_executor& executor, std::filesystem::path log_file,
                std::chrono::milliseconds stop_grace, Callbacks callbacks);
  Result<void> open(const EngineRuntime& runtime);
  void wait_for_frames();
  void wait_for_output();
  void wait_for_exit();
  void write_next();
  // Reads what is there, up to `rounds` buffers. False at end of file or error.
  bool read_frames(int rounds);
  bool read_output(int rounds);
  void on_socket_end();
  void on_exit();
  void escalate(int signal, int next_signal);
  void close_all();

  asio::local::stream_protocol::socket socket_;
  asio::posix::stream_descriptor output_;
  asio::posix::stream_descriptor exit_;
  asio::steady_timer grace_timer_;
  std::chrono::milliseconds stop_grace_;
  Callbacks callbacks_;
  process::Child child_;
  EngineLog log_;
  wire::FrameReader reader_;
  std::string waiting_;  // frames to be written
  std::string writing_;  // frames that are being written
  bool deaf_ = false;    // frames are no longer delivered
  bool requested_ = false;
  bool ended_ = false;
  std::string broken_;  // why we ended it
};

}  // namespace atelier::runtime
