// One HTTP connection: reads requests, refuses what the rules forbid, runs the handler, keeps the connection for
// the next request. Inside net/ only. Lives on the loop thread; owned by its own coroutine (run), known to the
// server through ServerState::connections.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "net/client_socket.h"
#include "net/http_exchange.h"
#include "net/http_server.h"
#include "net/request_parser.h"

namespace atelier::net {

class HttpConnection;

struct Listener {
  Listener(boost::asio::ip::tcp::acceptor opened, ListenOptions listen_options)
      : acceptor(std::move(opened)), options(std::move(listen_options)) {}

  boost::asio::ip::tcp::acceptor acceptor;
  ListenOptions options;
  std::uint16_t port = 0;
  bool loopback = false;  // bound to a loopback address: Host is checked
  bool closing = false;   // drained: finish what runs, take nothing new
};

// What the parts of one server share. Outlives the HttpServer while connections run.
struct ServerState {
  ServerState(boost::asio::any_io_executor executor, std::shared_ptr<const Router> routes,
              ServerOptions server_options);

  Response render(const Request& request, const Error& error) const;
  void report_fault(std::string_view what) const;
  // Connections of one listener, or of all where it is null.
  std::vector<std::shared_ptr<HttpConnection>> connections_of(const Listener* listener) const;
  boost::asio::any_io_executor loop;
  std::shared_ptr<const Router> router;
  ServerOptions options;
  BodyBudget bodies;
  bool draining = false;
  std::vector<std::shared_ptr<Listener>> listeners;
  std::unordered_set<HttpConnection*> connections;
  std::unordered_set<boost::asio::steady_timer*> waiters;  // cancelled whenever a connection has ended
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // A surplus connection is told that the server is full, and closed.
  enum class Kind { kServed, kSurplus };

  HttpConnection(boost::asio::ip::tcp::socket socket, std::shared_ptr<ServerState> state,
                 std::shared_ptr<Listener> listener, Kind kind);
  ~HttpConnection();

  static boost::asio::awaitable<void> run(std::shared_ptr<HttpConnection> self);

  Kind kind() const { return kind_; }
  const Listener* listener() const { return listener_.get(); }

  // The listener or the server is going: end when idle, keep nothing alive.
  void begin_drain();
  // The deadline has passed: tell the handler, drop what is no exchange.
  void end_now();
  void cut() { socket_->cut(); }

 private:
  enum class Phase { kIdle, kReading, kAnswering, kClosing };
  enum class HeadEnd { kComplete, kQuiet, kRefused };
  struct Admission {
    Router::Match match;
    std::optional<Error> refusal;
    Headers refusal_headers;
    bool preflight = false;
  };

  bool parting() const { return state_->draining || listener_->closing; }
  const Limits& limits() const { return state_->options.limits; }
  Request new_request();

  boost::asio::awaitable<bool> serve_one();
  boost::asio::awaitable<HeadEnd> read_head(RequestParser& parser, RequestHead& head, std::optional<Error>& refusal);
  Result<void> take_head(RequestHead& head, Request& request, std::vector<std::string>& segments) const;
  Admission admit(const RequestHead& head, Request& request, const std::vector<std::string>& segments) const;
  Result<void> check_source(const Request& request) const;
  boost::asio::awaitable<Result<void>> read_body(RequestParser& parser, const RequestHead& head,
                                                 BodyBudget::Share& share, std::string& body);
  boost::asio::awaitable<bool> answer(Request request, BodyBudget::Share share, Admission admission, bool keep_alive);
  boost::asio::awaitable<void> run_handler(HttpExchange& exchange, const Handler& handler);
  boost::asio::awaitable<void> refuse(HttpExchange& exchange, Error error, Headers headers = {});
  boost::asio::awaitable<void> answer_preflight(HttpExchange& exchange);
  void log(const HttpExchange& exchange) const;

  std::shared_ptr<ClientSocket> socket_;
  std::shared_ptr<ServerState> state_;
  std::shared_ptr<Listener> listener_;
  Kind kind_;
  Phase phase_ = Phase::kIdle;
  HttpExchange* exchange_ = nullptr;  // while one is being answered; in the coroutine's frame
  std::string remote_address_;
  bool remote_loopback_ = false;
  bool first_ = true;
  bool unread_ = false;  // the client may still be sending what we refused to read
};

}  // namespace atelier::net
