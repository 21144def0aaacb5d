#include "net/http_server.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "net/http_connection.h"

namespace atelier::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using SystemError = boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
// Connections beyond the limit that are told so; more are closed without a word.
constexpr std::size_t kSurplusConnections = 64;
// After descriptors ran out, accepting again at once would only spin.
constexpr std::chrono::milliseconds kAcceptPause{100};
// How long a cut connection's handler may take to end.
constexpr std::chrono::seconds kHandlerGrace{5};

void close_on_exec(int descriptor) { fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

std::unexpected<Error> cannot_listen(const std::string& address, std::uint16_t port, const SystemError& error) {
  const std::string where =
      fmt::format("{}:{}", address.find(':') == std::string::npos ? address : "[" + address + "]", port);
  if (error == asio::error::address_in_use) {
    return fail(ErrorCode::kConflict, fmt::format("{} is in use by another program. Choose another port.", where));
  }
  if (error == boost::system::errc::address_not_available) {
    return fail(ErrorCode::kInvalidRequest, fmt::format("This machine has no address {} to listen on.", address));
  }
  return fail(ErrorCode::kIo, fmt::format("Cannot listen on {}: {}.", where, error.message()));
}

void admit_connection(const std::shared_ptr<ServerState>& state, const std::shared_ptr<Listener>& listener,
                      tcp::socket socket) {
  const std::size_t count = state->connections.size();
  const std::size_t limit = state->options.limits.connections;
  if (count >= limit + kSurplusConnections) return;  // the socket's destructor closes it
  const auto kind = count < limit ? HttpConnection::Kind::kServed : HttpConnection::Kind::kSurplus;
  auto connection = std::make_shared<HttpConnection>(std::move(socket), state, listener, kind);
  asio::co_spawn(state->loop, HttpConnection::run(std::move(connection)), asio::detached);
}

asio::awaitable<void> accept_connections(std::shared_ptr<ServerState> state, std::shared_ptr<Listener> listener) {
  asio::steady_timer pause(state->loop);
  while (listener->acceptor.is_open()) {
    auto [error, socket] = co_await listener->acceptor.async_accept(kAwait);
    if (listener->closing) break;
    if (error) {
      if (error == asio::error::connection_aborted) continue;
      state->report_fault(fmt::format("accepting a connection failed: {}", error.message()));
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(kAwait);
      continue;
    }
    close_on_exec(socket.native_handle());
    admit_connection(state, listener, std::move(socket));
  }
}

void close_listener(Listener& listener) {
  listener.closing = true;
  SystemError ignored;
  listener.acceptor.close(ignored);
}

// Waits until no connection of the listener (of any, where it is null) is left. False at the deadline.
asio::awaitable<bool> wait_until_gone(std::shared_ptr<ServerState> state, std::shared_ptr<Listener> listener,
                                      Clock::time_point deadline) {
  asio::steady_timer news(state->loop);
  struct Registration {
    ServerState& state;
    asio::steady_timer& timer;
    Registration(ServerState& where, asio::steady_timer& what) : state(where), timer(what) {
      state.waiters.insert(&timer);
    }
    ~Registration() { state.waiters.erase(&timer); }
  } const registration(*state, news);
  while (!state->connections_of(listener.get()).empty()) {
    if (Clock::now() >= deadline) co_return false;
    news.expires_at(deadline);
    co_await news.async_wait(kAwait);
  }
  co_return true;
}

asio::awaitable<std::size_t> part(std::shared_ptr<ServerState> state, std::shared_ptr<Listener> listener,
                                  Clock::time_point deadline) {
  for (const auto& connection : state->connections_of(listener.get())) connection->begin_drain();
  if (co_await wait_until_gone(state, listener, deadline)) co_return 0;
  for (const auto& connection : state->connections_of(listener.get())) connection->end_now();
  const auto last_words = Clock::now() + state->options.limits.last_words;
  if (co_await wait_until_gone(state, listener, last_words)) co_return 0;
  for (const auto& connection : state->connections_of(listener.get())) connection->cut();
  const auto grace = Clock::now() + kHandlerGrace;
  if (co_await wait_until_gone(state, listener, grace)) co_return 0;
  co_return state->connections_of(listener.get()).size();
}

}  // namespace

HttpServer::HttpServer(asio::any_io_executor loop, std::shared_ptr<const Router> router, ServerOptions options)
    : state_(std::make_shared<ServerState>(std::move(loop), std::move(router), std::move(options))) {}

HttpServer::~HttpServer() {
  state_->draining = true;
  for (const auto& listener : state_->listeners) close_listener(*listener);
  for (const auto& connection : state_->connections_of(nullptr)) connection->cut();
}

Result<std::uint16_t> HttpServer::listen(const std::string& address, std::uint16_t port, ListenOptions options) {
  if (state_->draining) return fail(ErrorCode::kShuttingDown, "The server is shutting down.");
  SystemError error;
  const auto ip = asio::ip::make_address(address == "localhost" ? "127.0.0.1" : address, error);
  if (error) return fail(ErrorCode::kInvalidRequest, fmt::format("\"{}\" is not an IP address.", address));
  const tcp::endpoint endpoint(ip, port);
  tcp::acceptor acceptor(state_->loop);
  acceptor.open(endpoint.protocol(), error);
  if (error) return cannot_listen(address, port, error);
  close_on_exec(acceptor.native_handle());
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return cannot_listen(address, port, error);
  const auto bound = acceptor.local_endpoint(error);
  if (error) return cannot_listen(address, port, error);
  auto listener = std::make_shared<Listener>(std::move(acceptor), std::move(options));
  listener->port = bound.port();
  listener->loopback = ip.is_loopback();
  state_->listeners.push_back(listener);
  asio::co_spawn(state_->loop, accept_connections(state_, listener), asio::detached);
  return listener->port;
}

asio::awaitable<std::size_t> HttpServer::stop_listening(std::uint16_t port, Clock::time_point deadline) {
  std::shared_ptr<Listener> listener;
  for (const auto& candidate : state_->listeners) {
    if (candidate->port == port) listener = candidate;
  }
  if (!listener) co_return 0;
  std::erase(state_->listeners, listener);
  close_listener(*listener);
  const std::size_t left = co_await part(state_, listener, deadline);
  co_return left;
}

asio::awaitable<std::size_t> HttpServer::drain(Clock::time_point deadline) {
  auto state = state_;  // the server may be destroyed while we wait
  state->draining = true;
  for (const auto& listener : state->listeners) close_listener(*listener);
  state->listeners.clear();
  const std::shared_ptr<Listener> all;
  const std::size_t left = co_await part(state, all, deadline);
  co_return left;
}

bool HttpServer::draining() const { return state_->draining; }

std::size_t HttpServer::connection_count() const { return state_->connections.size(); }

std::uint64_t HttpServer::body_bytes_in_memory() const { return state_->bodies.used(); }

}  // namespace atelier::net
