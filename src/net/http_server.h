// The HTTP/1.1 server (RFC 9110, 9112): listeners, limits, the rules against foreign web pages, routing, and
// the Exchange through which a handler answers.
//
// Threads: everything here lives on the one event-loop thread of the program (a boost::asio::io_context that
// one thread runs). No class has a lock; nothing may be called from another thread, HttpServer::listen before
// the loop runs excepted. Handlers are coroutines on that loop and must not block it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/http_message.h"
#include "net/router.h"

namespace atelier::net {

// Bounds on what a client can make the server hold or wait for. None of them limits how long an answer takes.
struct Limits {
  std::size_t header_bytes = 64 * 1024;                     // request line and fields; beyond: 431
  std::size_t header_count = 128;                           // fields; beyond: 431
  std::uint64_t body_bytes = 512ull * 1024 * 1024;          // one body; beyond: 413
  std::uint64_t body_budget_bytes = 1024ull * 1024 * 1024;  // all bodies in memory together; beyond: 503
  std::size_t connections = 1024;                           // beyond: 503 and closed
  std::size_t pipelined_bytes = 64 * 1024;                  // read ahead while an answer is pending
  std::size_t send_buffer_bytes = 128 * 1024;  // asked of the kernel for each connection; 0: the kernel's choice

  std::chrono::milliseconds header_time{30'000};  // from a request's first byte to the end of its header; beyond: 408
  std::chrono::milliseconds body_stall{30'000};   // without any byte of the body; beyond: 408
  std::uint64_t body_bytes_per_second = 1024;     // the least average pace of a body, after body_stall; beyond: 408
  std::chrono::milliseconds keep_alive_idle{75'000};  // between requests; beyond: closed
  std::chrono::milliseconds write_stall{60'000};      // the client takes no byte of what we write; beyond: dropped
  std::chrono::milliseconds linger{5'000};      // how long a closed connection is drained, so that the reply arrives
  std::chrono::milliseconds last_words{2'000};  // between Exchange::stopping() and the cut
};

// One request being answered: either respond(), or start_stream(), write()… and finish().
//
// Owned by the connection and valid until the handler's coroutine ends. One operation at a time: each must
// have completed before the next begins. The coroutines must be awaited while their arguments live.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const Request& request() const = 0;

  // Frees the body's memory and its share of the budget; for handlers that have decoded it and work on.
  virtual void release_body() = 0;

  // Stop is requested, on the loop thread, when the client is gone: end of file or reset on its socket while
  // the answer is pending, no byte taken for Limits::write_stall, or the server cut the connection. Callbacks
  // run inline and must be short. A client that closes only its sending side counts as gone as well, but a
  // respond() that is already under way or follows still tries to reach it.
  virtual std::stop_token client_gone() const = 0;

  // Stop is requested when the server wants the answer to end now (the deadline of a drain has passed): a
  // stream may write its final error event within Limits::last_words, before client_gone and the cut.
  virtual std::stop_token stopping() const = 0;

  // The whole answer. To HEAD, the same header without the body. kCancelled: the client is gone.
  virtual boost::asio::awaitable<Result<void>> respond(Response response) = 0;

  // An answer of unknown length: chunked, or until the connection closes for HTTP/1.0. The header is sent at
  // once, with what streams need (no caching, no buffering by proxies).
  virtual boost::asio::awaitable<Result<void>> start_stream(int status, std::string content_type,
                                                            Headers headers = {}) = 0;
  // Completes when the kernel has taken all bytes, so a slow reader suspends its writer and memory stays
  // bounded; each call is sent at once. kCancelled: the client is gone. Empty data does nothing.
  virtual boost::asio::awaitable<Result<void>> write(std::string_view data) = 0;
  // Ends the stream. A stream whose handler ends without finish() is cut off, which tells the client that it
  // is incomplete.
  virtual boost::asio::awaitable<Result<void>> finish() = 0;

  // The status line is out (or was tried): errors can only be told inside the stream now.
  virtual bool headers_sent() const = 0;
};

// Renders an error that net/ itself makes (malformed request, unknown route, limits, origin, …) in the
// envelope of the dialect that the path belongs to. The request may be incomplete: an unparsable one has
// only its id and addresses. Without a renderer the body is {"error":{"message":…,"code":…}}.
using ErrorRenderer = std::function<Response(const Request&, const Error&)>;

// May refuse a request after the origin checks and before its body is read.
using Authorizer = std::function<Result<void>(const Request&)>;

// One line of the access log.
struct AccessRecord {
  std::string request_id;
  std::string remote_address;
  std::string listener;
  std::string method;  // empty where the request could not be parsed
  std::string target;
  std::string route;                    // the pattern that matched (net/router.h); empty: none did
  int status = 0;                       // 499: the client went away before any answer
  std::uint64_t bytes_sent = 0;         // header and body
  std::chrono::nanoseconds duration{};  // from the complete header to the end of the answer
  bool complete = false;                // the whole answer reached the kernel
};

struct ServerOptions {
  Limits limits;
  ErrorRenderer render_error;
  Authorizer authorize;
  std::function<void(const AccessRecord&)> access_log;
  std::function<void(std::string_view)> report_fault;  // our own faults: handlers that threw or gave no answer
};

// The rules of one listener.
struct ListenOptions {
  std::string name = "http";  // Request::listener
  // CORS: on, every answer says that any origin may read it, and OPTIONS is answered. Off, requests with a
  // foreign Origin are refused.
  bool cors = false;
  // Names beyond localhost that Host (on a loopback listener) and Origin may carry; without port.
  std::vector<std::string> allowed_hosts;
};

struct ServerState;

class HttpServer {
 public:
  HttpServer(boost::asio::any_io_executor loop, std::shared_ptr<const Router> router, ServerOptions options);
  // Stops listening and cuts every connection at once; handlers still running see client_gone and find their
  // exchange valid until they end. Use drain() before, to part politely.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Opens a listener; any number may be open. `address` is an IP literal or "localhost"; port 0 lets the
  // system choose. Gives the bound port. kConflict: the port is taken; kInvalidRequest: no such address here.
  Result<std::uint16_t> listen(const std::string& address, std::uint16_t port, ListenOptions options = {});

  // Closes the listener and parts from its connections: idle ones are closed, exchanges may end until the
  // deadline, then see stopping(), then client_gone, and are cut. Gives the number of exchanges whose handlers
  // have not ended even a grace time after that (0 is the rule). Must not be awaited by a handler of a
  // connection that it waits for: spawn it.
  boost::asio::awaitable<std::size_t> stop_listening(std::uint16_t port,
                                                     std::chrono::steady_clock::time_point deadline);

  // The same for all listeners; nothing is accepted afterwards.
  boost::asio::awaitable<std::size_t> drain(std::chrono::steady_clock::time_point deadline);

  // drain() has begun.
  bool draining() const;
  std::size_t connection_count() const;
  // Memory that request bodies hold now.
  std::uint64_t body_bytes_in_memory() const;

 private:
  std::shared_ptr<ServerState> state_;
};

}  // namespace atelier::net
