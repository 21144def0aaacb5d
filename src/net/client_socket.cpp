#include "net/client_socket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace atelier::net {
namespace {

namespace asio = boost::asio;
using SystemError = boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadSize = 32 * 1024;
// A writer whose client reads as fast as it writes never waits; it lets others run after this many bytes.
constexpr std::size_t kYieldEvery = 1024 * 1024;

std::unexpected<Error> client_is_gone() { return fail(ErrorCode::kCancelled, "The client closed the connection."); }

}  // namespace

ClientSocket::ClientSocket(asio::ip::tcp::socket socket, const Limits& limits)
    : socket_(std::move(socket)),
      limits_(limits),
      signal_(socket_.get_executor()),
      stall_(socket_.get_executor()),
      scratch_(kReadSize) {
  SystemError ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  if (limits_.send_buffer_bytes > 0) {
    socket_.set_option(asio::socket_base::send_buffer_size(static_cast<int>(limits_.send_buffer_bytes)), ignored);
  }
}

void ClientSocket::start_read() {
  if (reading_ || input_ended_) return;
  reading_ = true;
  socket_.async_read_some(asio::buffer(scratch_), [self = shared_from_this()](const SystemError& error, std::size_t n) {
    self->on_read(error, n);
  });
}

void ClientSocket::on_read(const SystemError& error, std::size_t count) {
  reading_ = false;
  if (error) {
    input_ended_ = true;
    if (error != asio::error::eof) cut();
    signal_.cancel();
    tell_gone();
    return;
  }
  received_ += count;
  input_.append(scratch_.data(), count);
  signal_.cancel();
  if (watching_) keep_watching();
}

void ClientSocket::keep_watching() {
  if (input_.size() < limits_.pipelined_bytes) {
    start_read();
  } else {
    watch_for_reset();
  }
}

void ClientSocket::watch_for_reset() {
  if (watching_for_reset_ || lost_) return;
  watching_for_reset_ = true;
  socket_.async_wait(asio::socket_base::wait_error, [self = shared_from_this()](const SystemError& error) {
    self->watching_for_reset_ = false;
    if (!error && self->watching_) self->cut();
  });
}

void ClientSocket::tell_gone() {
  if (auto tell = std::exchange(on_gone_, nullptr)) tell();
}

void ClientSocket::watch(std::function<void()> on_gone) {
  on_gone_ = std::move(on_gone);
  watching_ = true;
  if (input_ended_ || lost_) {
    tell_gone();
  } else {
    keep_watching();
  }
}

asio::awaitable<ClientSocket::Input> ClientSocket::wait_input(Clock::time_point deadline) {
  const std::uint64_t received = received_;
  start_read();
  while (true) {
    if (received_ != received) co_return Input::kData;
    if (input_ended_ || lost_) co_return Input::kClosed;
    if (std::exchange(woken_, false)) co_return Input::kWoken;
    if (Clock::now() >= deadline) co_return Input::kTimeout;
    signal_.expires_at(deadline);
    co_await signal_.async_wait(kAwait);
  }
}

void ClientSocket::wake() {
  woken_ = true;
  signal_.cancel();
}

asio::awaitable<Result<void>> ClientSocket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    if (lost_) co_return client_is_gone();
    SystemError error;
    const std::size_t count = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
    bytes.remove_prefix(count);
    bytes_sent_ += count;
    sent_unyielding_ += count;
    if (error == asio::error::would_block || error == asio::error::try_again) {
      if (!co_await wait_writable()) co_return client_is_gone();
    } else if (error) {
      cut();
      co_return client_is_gone();
    } else if (sent_unyielding_ >= kYieldEvery) {
      sent_unyielding_ = 0;
      co_await asio::post(socket_.get_executor(), asio::use_awaitable);
    }
  }
  co_return Result<void>{};
}

asio::awaitable<bool> ClientSocket::wait_writable() {
  sent_unyielding_ = 0;
  waiting_to_write_ = true;
  last_unacknowledged_ = unacknowledged();
  start_stall_timer(++write_waits_);
  const auto [error] = co_await socket_.async_wait(asio::socket_base::wait_write, kAwait);
  waiting_to_write_ = false;
  stall_.cancel();
  co_return !error && !lost_;
}

// The socket becomes writable only when a good part of its buffer is free, so a slow client may take bytes for
// long without that: what counts is whether the kernel still holds as much for it as before.
void ClientSocket::start_stall_timer(std::uint64_t wait) {
  stall_.expires_after(limits_.write_stall);
  stall_.async_wait([self = shared_from_this(), wait](const SystemError& error) {
    if (error || !self->waiting_to_write_ || wait != self->write_waits_) return;
    const std::size_t left = self->unacknowledged();
    if (left < std::exchange(self->last_unacknowledged_, left)) {
      self->start_stall_timer(wait);
    } else {
      self->cut();
    }
  });
}

std::size_t ClientSocket::unacknowledged() const {
  int count = 0;
  const int handle = const_cast<asio::ip::tcp::socket&>(socket_).native_handle();
  return ioctl(handle, SIOCOUTQ, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
}

asio::awaitable<void> ClientSocket::close_gracefully() {
  if (lost_) co_return;
  SystemError ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  const auto deadline = Clock::now() + limits_.linger;
  while (true) {
    input_.clear();
    const Input input = co_await wait_input(deadline);
    if (input == Input::kClosed || input == Input::kTimeout) break;
  }
  close();
}

void ClientSocket::close() {
  if (lost_) return;
  lost_ = true;
  SystemError ignored;
  socket_.close(ignored);
}

void ClientSocket::cut() {
  if (lost_) return;
  lost_ = true;
  SystemError ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);  // a reset frees the kernel's buffer as well
  socket_.close(ignored);
  signal_.cancel();
  tell_gone();
}

}  // namespace atelier::net
