// One accepted connection below HTTP: bytes in with deadlines, bytes out with back-pressure, and knowing when
// the peer is gone while nobody reads. Lives on the loop thread; held by shared_ptr, because operations of the
// kernel outlive the wish for them.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/http_server.h"

namespace atelier::net {

class ClientSocket : public std::enable_shared_from_this<ClientSocket> {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Input { kData, kClosed, kTimeout, kWoken };

  ClientSocket(boost::asio::ip::tcp::socket socket, const Limits& limits);

  // Received and not yet consumed: the reader erases what it has used.
  std::string& input() { return input_; }

  // Until more bytes are in input(), the peer has closed its side, the deadline, or wake().
  boost::asio::awaitable<Input> wait_input(Clock::time_point deadline);
  // Makes the current or the next wait_input end.
  void wake();

  // Keeps one read outstanding, so that the end of the connection is noticed without a reader; `on_gone` is
  // called at most once, at end of file or when the connection is lost. Bytes that arrive are kept in input()
  // up to Limits::pipelined_bytes; beyond, only a reset is noticed.
  void watch(std::function<void()> on_gone);
  void unwatch() { on_gone_ = nullptr, watching_ = false; }

  // Completes when the kernel has taken all bytes. kCancelled: the connection is lost, or the peer took nothing
  // for Limits::write_stall and was dropped.
  boost::asio::awaitable<Result<void>> send(std::string_view bytes);
  std::uint64_t bytes_sent() const { return bytes_sent_; }

  // Closes after everything sent has gone out, for connections on which the peer has nothing more to say.
  void close();
  // Closes our side and drains the peer's until it closes too, for Limits::linger at most: closing with unread
  // input would reset the connection and could destroy a reply that is still on its way.
  boost::asio::awaitable<void> close_gracefully();
  // Closes at once, with a reset; pending operations end.
  void cut();
  bool lost() const { return lost_; }

 private:
  void start_read();
  void on_read(const boost::system::error_code& error, std::size_t count);
  void keep_watching();
  void watch_for_reset();
  void tell_gone();
  boost::asio::awaitable<bool> wait_writable();
  void start_stall_timer(std::uint64_t wait);
  std::size_t unacknowledged() const;

  boost::asio::ip::tcp::socket socket_;
  const Limits limits_;
  boost::asio::steady_timer signal_;  // wait_input sleeps on it; cancelled when there is news
  boost::asio::steady_timer stall_;
  std::vector<char> scratch_;
  std::string input_;
  std::function<void()> on_gone_;
  std::uint64_t received_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t write_waits_ = 0;  // numbers the waits of wait_writable, so that a late timer knows its own
  std::size_t sent_unyielding_ = 0;
  std::size_t last_unacknowledged_ = 0;
  bool reading_ = false;
  bool watching_ = false;
  bool watching_for_reset_ = false;
  bool waiting_to_write_ = false;
  bool woken_ = false;
  bool input_ended_ = false;
  bool lost_ = false;
};

}  // namespace atelier::net
