// The engine's end of the socket to the server: one thread that reads frames and writes what the socket did
// not take at once. It knows framing and nothing of what the messages mean.
//
// Threads. send() may be called from any thread and never blocks: it hands the bytes to the socket as far as
// the socket takes them and leaves the rest to the socket thread. `receive` and `closed` are called on the
// socket thread and must not block either.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "wire/framing.h"

namespace atelier::wire {
class FromEngine;
class ToEngine;
}  // namespace atelier::wire

namespace atelier::engine {

enum class CloseReason {
  kEndOfFile,      // between two frames: an orderly end
  kProtocolFault,  // a malformed or oversized frame, or an end inside one
  kIo,             // the socket failed, or the server stopped draining it
};

class Connection {
 public:
  // `bytes` is the size of the message's frame, for the receiver's bookkeeping.
  using Receive = std::function<void(std::unique_ptr<wire::ToEngine> message, std::size_t bytes)>;
  // Asked before each wait. After false, call resume_reading() once it would answer true again.
  using MayRead = std::function<bool()>;
  // Called once; nothing is received after it.
  using Closed = std::function<void(CloseReason reason, const std::string& what)>;

  // Bytes that may wait for the server to read them. The server always drains, so reaching this means that
  // the server is broken or stopped; the connection then closes with kIo.
  static constexpr std::size_t kMaxQueuedBytes = std::size_t{256} * 1024 * 1024;

  // Takes the descriptor over and starts the thread.
  Connection(int socket, Receive receive, MayRead may_read, Closed closed);
  // Gives the server up to `kLastWords` to take what is queued, then closes.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(const wire::FromEngine& message);
  void resume_reading() { wake(); }

 private:
  static constexpr std::chrono::seconds kLastWords{2};

  void run();
  bool read_some();
  bool deliver_frames();
  // Both with the lock held; false: the socket failed.
  bool write_some();
  void report_closed(CloseReason reason, const std::string& what);
  void wake();

  const int socket_;
  int wake_fd_ = -1;
  Receive receive_;
  MayRead may_read_;
  Closed closed_;
  wire::FrameReader reader_;
  std::atomic<bool> stop_{false};
  bool reported_ = false;  // socket thread only

  std::mutex mutex_;  // guards what follows
  std::string outgoing_;
  std::size_t written_ = 0;  // of outgoing_
  bool broken_ = false;
  bool peer_gone_ = false;  // a write met a closed socket

  std::thread thread_;
};

}  // namespace atelier::engine
