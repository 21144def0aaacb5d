// A real server on 127.0.0.1 with its loop in a thread, and a client of plain POSIX sockets that sends exactly
// the bytes a test wants. Waiting is always for an event; the client's long receive timeout is there only so
// that a fault fails a test instead of hanging it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "net/http_server.h"

namespace atelier::net {

// Suspends until stop is requested.
boost::asio::awaitable<void> until_stopped(std::stop_token token);

struct Answer {
  int status = 0;  // 0: the connection ended without an answer
  std::string version;
  Headers headers;
  std::string body;       // with the chunked coding removed
  bool complete = false;  // as its framing says
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_buffer = 0, const char* address = "127.0.0.1");
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  // False where the server has reset the connection.
  bool send(std::string_view bytes);
  // `method` tells whether a body follows the header.
  Answer read_answer(std::string_view method = "GET");
  // At least `count` bytes more, or what came before the end.
  std::string read_some(std::size_t count);
  // Everything up to the end of the connection.
  std::string read_all();
  // True when the server has closed (or reset) and nothing is left to read.
  bool at_end();
  bool was_reset() const { return reset_; }

  void close_sending();
  void close();
  void reset();  // closes with RST

 private:
  bool fill();
  bool read_until(std::string_view mark, std::string& out);
  bool read_count(std::size_t count, std::string& out);
  bool read_chunks(std::string& out);

  int socket_ = -1;
  bool connected_ = false;
  bool reset_ = false;
  std::string buffer_;
};

class TestServer {
 public:
  explicit TestServer(const std::function<void(Router&)>& routes, ServerOptions options = {},
                      ListenOptions listen = {});
  // Destroys the server and waits until every coroutine has ended.
  ~TestServer();

  std::uint16_t port() const { return port_; }
  HttpServer& server() { return *server_; }  // on the loop thread only

  // Runs on the loop thread; gives what the function gives.
  template <class Function>
  auto on_loop(Function function) {
    std::packaged_task<decltype(function())()> task(std::move(function));
    auto result = task.get_future();
    post([&task] { task(); });
    return result.get();
  }
  std::future<std::size_t> drain(std::chrono::steady_clock::time_point deadline);
  std::future<std::size_t> stop_listening(std::uint16_t port, std::chrono::steady_clock::time_point deadline);

  // Waits for the n-th line of the access log (from 0).
  AccessRecord log_line(std::size_t index);
  std::size_t log_size();
  std::vector<std::string> faults();

  // One request on its own connection.
  Answer ask(std::string_view request, std::string_view method = "GET");

 private:
  void post(std::function<void()> function);

  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::unique_ptr<HttpServer> server_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable logged_;
  std::vector<AccessRecord> log_;
  std::vector<std::string> faults_;
  std::thread thread_;
};

}  // namespace atelier::net
