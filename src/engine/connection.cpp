#include "engine/connection.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/invariant.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

Connection::Connection(int socket, Receive receive, MayRead may_read, Closed closed)
    : socket_(socket), receive_(std::move(receive)), may_read_(std::move(may_read)), closed_(std::move(closed)) {
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ENGINE_INVARIANT(wake_fd_ >= 0);
  thread_ = std::thread([this] { run(); });
}

Connection::~Connection() {
  const auto deadline = std::chrono::steady_clock::now() + kLastWords;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (broken_ || outgoing_.empty() || !write_some() || outgoing_.empty()) break;
    }
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= left.zero()) break;
    pollfd poll_socket{socket_, POLLOUT, 0};
    ::poll(&poll_socket, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count()));
  }
  stop_ = true;
  wake();
  thread_.join();
  ::close(socket_);
  ::close(wake_fd_);
}

void Connection::send(const wire::FromEngine& message) {
  const std::lock_guard lock(mutex_);
  if (broken_) return;
  const bool was_empty = outgoing_.empty();
  if (auto framed = wire::append_frame(outgoing_, message); !framed) {
    wire::FromEngine error;
    error.set_id(message.id());
    error.mutable_error()->set_kind(wire::ERROR_INVALID_REQUEST);
    error.mutable_error()->set_message(framed.error().message);
    ENGINE_INVARIANT(wire::append_frame(outgoing_, error).has_value());
  }
  if (outgoing_.size() - written_ > kMaxQueuedBytes) {
    broken_ = true;
    wake();
    return;
  }
  // The usual case costs one system call and no change of threads.
  if (was_empty && write_some() && outgoing_.empty()) return;
  wake();
}

void Connection::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto ignored = ::write(wake_fd_, &one, sizeof one);
}

bool Connection::write_some() {
  while (written_ < outgoing_.size()) {
    const ssize_t n =
        ::send(socket_, outgoing_.data() + written_, outgoing_.size() - written_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      written_ += static_cast<std::size_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    // Whether a write or the end of file is met first when the server closes is chance; both say the same.
    peer_gone_ = n < 0 && (errno == EPIPE || errno == ECONNRESET);
    broken_ = true;
    return false;
  }
  if (written_ == outgoing_.size()) {
    outgoing_.clear();
    written_ = 0;
    // One giant answer must not keep its memory for ever.
    if (outgoing_.capacity() > std::size_t{4} * 1024 * 1024) outgoing_.shrink_to_fit();
  } else if (written_ > std::size_t{1} * 1024 * 1024) {
    outgoing_.erase(0, written_);
    written_ = 0;
  }
  return true;
}

void Connection::run() {
  while (!stop_) {
    bool want_write = false;
    bool broken = false;
    bool peer_gone = false;
    {
      const std::lock_guard lock(mutex_);
      want_write = !outgoing_.empty();
      broken = broken_;
      peer_gone = peer_gone_;
    }
    if (peer_gone) {
      report_closed(CloseReason::kEndOfFile, "the server closed the socket");
      return;
    }
    if (broken) {
      report_closed(CloseReason::kIo, "the server does not take what the engine sends");
      return;
    }
    short events = 0;
    if (may_read_()) events |= POLLIN;
    if (want_write) events |= POLLOUT;
    pollfd polled[2] = {{socket_, events, 0}, {wake_fd_, POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0) {
      if (errno == EINTR) continue;
      report_closed(CloseReason::kIo, fmt::format("poll: {}", std::strerror(errno)));
      return;
    }
    if (polled[1].revents != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const auto ignored = ::read(wake_fd_, &count, sizeof count);
    }
    if ((polled[0].revents & POLLOUT) != 0) {
      const std::lock_guard lock(mutex_);
      write_some();
    }
    // A hang-up is reported even when nothing is asked for; reading tells what it was.
    if ((polled[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !read_some()) return;
  }
}

bool Connection::read_some() {
  char buffer[64 * 1024];
  const ssize_t n = ::recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return true;
    // The server may vanish with our bytes unread; for us that is the end of file.
    if (errno == ECONNRESET)
      report_closed(CloseReason::kEndOfFile, "the server closed the socket");
    else
      report_closed(CloseReason::kIo, fmt::format("recv: {}", std::strerror(errno)));
    return false;
  }
  if (n == 0) {
    if (reader_.at_boundary())
      report_closed(CloseReason::kEndOfFile, "the server closed the socket");
    else
      report_closed(CloseReason::kProtocolFault, "the socket ended inside a frame");
    return false;
  }
  reader_.feed(std::string_view(buffer, static_cast<std::size_t>(n)));
  return deliver_frames();
}

bool Connection::deliver_frames() {
  while (true) {
    auto payload = reader_.next();
    if (!payload) {
      report_closed(CloseReason::kProtocolFault, payload.error().message);
      return false;
    }
    if (!*payload) return true;
    auto message = std::make_unique<wire::ToEngine>();
    if (auto parsed = wire::parse_payload(**payload, *message); !parsed) {
      report_closed(CloseReason::kProtocolFault, parsed.error().message);
      return false;
    }
    receive_(std::move(message), (*payload)->size());
  }
}

void Connection::report_closed(CloseReason reason, const std::string& what) {
  {
    const std::lock_guard lock(mutex_);
    if (reason != CloseReason::kEndOfFile) broken_ = true;
  }
  if (!std::exchange(reported_, true)) closed_(reason, what);
}

}  // namespace atelier::engine
