#include "tests/net/http_test_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <cerrno>
#include <stdexcept>

namespace atelier::net {

namespace asio = boost::asio;

asio::awaitable<void> until_stopped(std::stop_token token) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  timer.expires_at(std::chrono::steady_clock::time_point::max());
  const std::stop_callback wake(token, [&timer] { timer.cancel(); });
  constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
  while (!token.stop_requested()) co_await timer.async_wait(kAwait);
}

RawClient::RawClient(std::uint16_t port, int receive_buffer, const char* address) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  const timeval guard{60, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof guard);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &guard, sizeof guard);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  inet_pton(AF_INET, address, &to.sin_addr);
  connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
}

RawClient::~RawClient() { close(); }

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool RawClient::fill() {
  char bytes[65536];
  const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
  if (count < 0 && errno == ECONNRESET) reset_ = true;
  if (count < 0 && errno != ECONNRESET) throw std::runtime_error("the server neither answered nor closed");
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

bool RawClient::read_until(std::string_view mark, std::string& out) {
  while (buffer_.find(mark) == std::string::npos) {
    if (!fill()) return false;
  }
  const std::size_t end = buffer_.find(mark);
  out = buffer_.substr(0, end);
  buffer_.erase(0, end + mark.size());
  return true;
}

bool RawClient::read_count(std::size_t count, std::string& out) {
  while (buffer_.size() < count) {
    if (!fill()) break;
  }
  const bool enough = buffer_.size() >= count;
  out.append(buffer_, 0, count);
  buffer_.erase(0, count);
  return enough;
}

bool RawClient::read_chunks(std::string& out) {
  while (true) {
    std::string line;
    if (!read_until("\r\n", line)) return false;
    const std::size_t size = std::stoul(line, nullptr, 16);
    std::string data;
    if (!read_count(size + 2, data)) {
      out += data;
      return false;
    }
    if (!data.ends_with("\r\n")) throw std::runtime_error("a chunk that does not end with CR LF");
    data.resize(size);
    if (size == 0) return true;
    out += data;
  }
}

Answer RawClient::read_answer(std::string_view method) {
  Answer answer;
  std::string head;
  if (!read_until("\r\n\r\n", head)) return answer;
  std::size_t at = head.find("\r\n");
  const std::string line = head.substr(0, at);
  answer.version = line.substr(0, line.find(' '));
  answer.status = std::stoi(line.substr(line.find(' ') + 1));
  while (at != std::string::npos) {
    const std::size_t next = head.find("\r\n", at + 2);
    const std::string field = head.substr(at + 2, next == std::string::npos ? next : next - at - 2);
    const std::size_t colon = field.find(": ");
    if (colon == std::string::npos) throw std::runtime_error("a header field without a colon: " + field);
    answer.headers.add(field.substr(0, colon), field.substr(colon + 2));
    at = next;
  }
  if (method == "HEAD" || answer.status == 204 || answer.status == 304 || answer.status < 200) {
    answer.complete = true;
  } else if (answer.headers.get("transfer-encoding") == "chunked") {
    answer.complete = read_chunks(answer.body);
  } else if (const std::string* length = answer.headers.find("content-length")) {
    answer.complete = read_count(std::stoul(*length), answer.body);
  } else {
    answer.body = read_all();
    answer.complete = !reset_;
  }
  return answer;
}

std::string RawClient::read_some(std::size_t count) {
  while (buffer_.size() < count && fill()) {
  }
  return std::exchange(buffer_, {});
}

std::string RawClient::read_all() {
  while (fill()) {
  }
  return std::exchange(buffer_, {});
}

bool RawClient::at_end() { return buffer_.empty() && !fill(); }

void RawClient::close_sending() { ::shutdown(socket_, SHUT_WR); }

void RawClient::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void RawClient::reset() {
  const linger now{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

TestServer::TestServer(const std::function<void(Router&)>& routes, ServerOptions options, ListenOptions listen)
    : work_(asio::make_work_guard(loop_)) {
  auto router = std::make_shared<Router>();
  routes(*router);
  options.access_log = [this](const AccessRecord& record) {
    const std::lock_guard lock(mutex_);
    log_.push_back(record);
    logged_.notify_all();
  };
  options.report_fault = [this](std::string_view fault) {
    const std::lock_guard lock(mutex_);
    faults_.emplace_back(fault);
  };
  server_ = std::make_unique<HttpServer>(loop_.get_executor(), router, std::move(options));
  auto port = server_->listen("127.0.0.1", 0, std::move(listen));
  if (!port) throw std::runtime_error(port.error().message);
  port_ = *port;
  thread_ = std::thread([this] { loop_.run(); });
}

TestServer::~TestServer() {
  on_loop([this] { server_.reset(); });
  work_.reset();
  thread_.join();
}

void TestServer::post(std::function<void()> function) { asio::post(loop_, std::move(function)); }

std::future<std::size_t> TestServer::drain(std::chrono::steady_clock::time_point deadline) {
  auto waiting = on_loop([this, deadline] { return server_->drain(deadline); });
  return asio::co_spawn(loop_, std::move(waiting), asio::use_future);
}

std::future<std::size_t> TestServer::stop_listening(std::uint16_t port,
                                                    std::chrono::steady_clock::time_point deadline) {
  auto waiting = on_loop([this, port, deadline] { return server_->stop_listening(port, deadline); });
  return asio::co_spawn(loop_, std::move(waiting), asio::use_future);
}

AccessRecord TestServer::log_line(std::size_t index) {
  std::unique_lock lock(mutex_);
  if (!logged_.wait_for(lock, std::chrono::seconds(60), [&] { return log_.size() > index; })) {
    throw std::runtime_error("no such line in the access log");
  }
  return log_[index];
}

std::size_t TestServer::log_size() {
  const std::lock_guard lock(mutex_);
  return log_.size();
}

std::vector<std::string> TestServer::faults() {
  const std::lock_guard lock(mutex_);
  return faults_;
}

Answer TestServer::ask(std::string_view request, std::string_view method) {
  RawClient client(port_);
  client.send(request);
  return client.read_answer(method);
}

}  // namespace atelier::net
