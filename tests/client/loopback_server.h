// A very small HTTP/1.1 server on loopback for tests of clients: each request is given to a function of the test, which
// writes raw bytes and may look at the connection. One thread for each connection; ended by the destructor.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace atelier::test {

struct ServedRequest {
  std::string method, target;
  std::string head;  // the request line and the headers, in lower case
  std::string body;
};

class ServedConnection {
 public:
  explicit ServedConnection(int descriptor) : descriptor_(descriptor) {}

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  void send_json(std::string_view body, int status = 200) {
    send("HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body));
  }
  void begin_events() {
    send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  }
  void send_chunk(std::string_view bytes) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    send(std::string(size) + std::string(bytes) + "\r\n");
  }
  void end_chunks() { send("0\r\n\r\n"); }
  // Ends the connection in the middle of whatever was sent.
  void cut() { ::shutdown(descriptor_, SHUT_RDWR); }
  // Blocks until the client has closed its end.
  bool wait_until_client_closes() {
    char byte;
    while (true) {
      ssize_t count = ::recv(descriptor_, &byte, 1, 0);
      if (count == 0 || (count < 0 && errno != EINTR)) return true;
    }
  }

 private:
  int descriptor_;
};

class LoopbackServer {
 public:
  using Handler = std::function<void(const ServedRequest&, ServedConnection&)>;

  explicit LoopbackServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no loopback socket");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~LoopbackServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
      std::lock_guard lock(mutex_);
      for (int descriptor : descriptors_) ::shutdown(descriptor, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    for (int descriptor : descriptors_) ::close(descriptor);
  }

  std::uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }
  std::vector<ServedRequest> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void accept_all() {
    while (true) {
      int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (descriptor < 0 && errno == EINTR) continue;
      if (descriptor < 0) return;
      ++connections_;
      std::lock_guard lock(mutex_);
      descriptors_.push_back(descriptor);
      threads_.emplace_back([this, descriptor] { serve(descriptor); });
    }
  }

  void serve(int descriptor) {
    std::string bytes;
    while (true) {
      ServedRequest request;
      if (!read_request(descriptor, bytes, request)) return;
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      ServedConnection connection(descriptor);
      handler_(request, connection);
    }
  }

  static bool read_more(int descriptor, std::string& bytes) {
    char buffer[4096];
    ssize_t count = ::recv(descriptor, buffer, sizeof buffer, 0);
    if (count <= 0) return false;
    bytes.append(buffer, static_cast<std::size_t>(count));
    return true;
  }

  static bool read_request(int descriptor, std::string& bytes, ServedRequest& request) {
    std::size_t end;
    while ((end = bytes.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more(descriptor, bytes)) return false;
    }
    std::string head = bytes.substr(0, end + 2);
    std::size_t space = head.find(' ');
    request.method = head.substr(0, space);
    request.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
    for (char& c : head) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    request.head = head;
    std::size_t length = 0;
    if (std::size_t at = head.find("\r\ncontent-length:"); at != std::string::npos)
      length = std::stoul(head.substr(at + 17));
    bytes.erase(0, end + 4);
    while (bytes.size() < length) {
      if (!read_more(descriptor, bytes)) return false;
    }
    request.body = bytes.substr(0, length);
    bytes.erase(0, length);
    return true;
  }

  Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::thread> threads_;
  std::vector<int> descriptors_;
  std::vector<ServedRequest> requests_;
};

}  // namespace atelier::test
