#include "net/http_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <new>
#include <utility>

#include "base/ids.h"
#include "base/json.h"
#include "net/access_policy.h"
#include "net/target.h"

namespace atelier::net {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using Input = ClientSocket::Input;

// Larger bodies of refused requests are not waited for.
constexpr std::uint64_t kDropBytes = 64 * 1024;
// A declared length is believed only after this many bytes have come.
constexpr std::size_t kTrustAfter = 1024 * 1024;
// Empty lines before a request that are skipped (RFC 9112 section 2.2 asks for at least one).
constexpr int kEmptyLines = 4;

bool is_loopback(const asio::ip::address& address) {
  if (address.is_loopback()) return true;
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return false;
  return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
}

// Whether the body of a refused request is read and dropped, so that the connection can be kept.
bool worth_dropping(const RequestHead& head, const Error& refusal) {
  if (head.chunked || head.expects_continue || refusal.code == ErrorCode::kBodyTooLarge) return false;
  return head.content_length.value_or(0) <= kDropBytes;
}

// Moves what has come of the body from `input` into it.
Result<void> take_body(RequestParser& parser, const RequestHead& head, std::string& input, std::string& body) {
  try {
    auto taken = parser.parse_body(input, body);
    if (!taken) return std::unexpected(std::move(taken.error()));
    input.erase(0, *taken);
    if (body.size() >= kTrustAfter && head.content_length) body.reserve(*head.content_length);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kOverloaded, "There is not enough memory for the request's body.");
  }
  return {};
}

Response plain_error(const Error& error) {
  json::Object object{{"message", error.message}, {"code", to_string(error.code)}};
  Response response;
  response.status = http_status(error.code);
  response.body = json::dump(json::Object{{"error", std::move(object)}});
  return response;
}

}  // namespace

ServerState::ServerState(asio::any_io_executor executor, std::shared_ptr<const Router> routes,
                         ServerOptions server_options)
    : loop(std::move(executor)),
      router(std::move(routes)),
      options(std::move(server_options)),
      bodies(options.limits.body_budget_bytes) {}

Response ServerState::render(const Request& request, const Error& error) const {
  if (options.render_error) {
    try {
      return options.render_error(request, error);
    } catch (const std::exception& e) {
      report_fault(fmt::format("{}: the error renderer threw: {}", request.id, e.what()));
    }
  }
  return plain_error(error);
}

void ServerState::report_fault(std::string_view what) const {
  if (options.report_fault) options.report_fault(what);
}

std::vector<std::shared_ptr<HttpConnection>> ServerState::connections_of(const Listener* listener) const {
  std::vector<std::shared_ptr<HttpConnection>> found;
  for (HttpConnection* connection : connections) {
    if (listener && connection->listener() != listener) continue;
    if (auto held = connection->weak_from_this().lock()) found.push_back(std::move(held));
  }
  return found;
}

HttpConnection::HttpConnection(asio::ip::tcp::socket socket, std::shared_ptr<ServerState> state,
                               std::shared_ptr<Listener> listener, Kind kind)
    : state_(std::move(state)), listener_(std::move(listener)), kind_(kind) {
  boost::system::error_code error;
  const auto remote = socket.remote_endpoint(error);
  if (!error) {
    remote_address_ = remote.address().to_string();
    remote_loopback_ = is_loopback(remote.address());
  }
  socket_ = std::make_shared<ClientSocket>(std::move(socket), limits());
  state_->connections.insert(this);
}

HttpConnection::~HttpConnection() {
  state_->connections.erase(this);
  socket_->cut();
  for (asio::steady_timer* waiter : state_->waiters) waiter->cancel();
}

void HttpConnection::begin_drain() {
  if (phase_ == Phase::kIdle) socket_->wake();
  if (exchange_) exchange_->close_after();
}

void HttpConnection::end_now() {
  if (exchange_) {
    exchange_->tell_stopping();
  } else {
    cut();
  }
}

asio::awaitable<void> HttpConnection::run(std::shared_ptr<HttpConnection> self) {
  try {
    bool more = true;
    while (more) more = co_await self->serve_one();
  } catch (const std::exception& e) {
    self->state_->report_fault(fmt::format("an HTTP connection failed: {}", e.what()));
  }
  self->phase_ = Phase::kClosing;
  if (self->unread_ || !self->socket_->input().empty()) {
    co_await self->socket_->close_gracefully();
  } else {
    self->socket_->close();
  }
}

Request HttpConnection::new_request() {
  Request request;
  request.id = ids::request();
  request.remote_address = remote_address_;
  request.loopback = remote_loopback_;
  request.listener = listener_->options.name;
  request.local_port = listener_->port;
  request.received = Clock::now();
  return request;
}

// One request and its answer. False: the connection ends.
asio::awaitable<bool> HttpConnection::serve_one() {
  RequestParser parser({limits().header_count, limits().body_bytes});
  RequestHead head;
  Admission admission;
  BodyBudget::Share share(state_->bodies);
  if (kind_ == Kind::kSurplus) {
    admission.refusal = Error{ErrorCode::kOverloaded, "The server has too many connections. Try again later.", ""};
    Request unread = new_request();
    unread_ = true;
    const bool keep = co_await answer(std::move(unread), std::move(share), std::move(admission), false);
    co_return keep;
  }
  const HeadEnd end = co_await read_head(parser, head, admission.refusal);
  if (end == HeadEnd::kQuiet) co_return false;
  first_ = false;
  phase_ = Phase::kReading;

  Request request = new_request();
  std::vector<std::string> segments;
  const bool framed = end == HeadEnd::kComplete;  // we know where the request ends
  auto taken = take_head(head, request, segments);
  const bool well_formed = framed && taken.has_value();
  if (framed) {
    if (taken) {
      admission = admit(head, request, segments);
    } else {
      admission.refusal = std::move(taken.error());
    }
  }
  if (framed && head.has_body() && (!admission.refusal || worth_dropping(head, *admission.refusal))) {
    auto read = co_await read_body(parser, head, share, request.body);
    if (!read && read.error().code == ErrorCode::kCancelled) co_return false;
    if (!read) admission.refusal = std::move(read.error());
    unread_ = !read;
  } else {
    unread_ = !framed || head.has_body();
  }
  const bool keep_alive = well_formed && head.keep_alive && !unread_;
  if (admission.refusal) {
    std::string().swap(request.body);
    share.release();
  }
  const bool keep = co_await answer(std::move(request), std::move(share), std::move(admission), keep_alive);
  co_return keep;
}

// kQuiet: nothing came that deserves an answer. kRefused: `refusal` says why.
asio::awaitable<HttpConnection::HeadEnd> HttpConnection::read_head(RequestParser& parser, RequestHead& head,
                                                                   std::optional<Error>& refusal) {
  phase_ = Phase::kIdle;
  std::string& input = socket_->input();
  HeaderScanner scanner(limits().header_bytes);
  int empty_lines = 0;
  auto deadline = Clock::now() + (first_ ? limits().header_time : limits().keep_alive_idle);
  while (true) {
    while (input.starts_with("\r\n") && empty_lines < kEmptyLines) {
      input.erase(0, 2);
      ++empty_lines;
    }
    if (phase_ == Phase::kIdle && !input.empty()) {
      phase_ = Phase::kReading;
      deadline = Clock::now() + limits().header_time;
    }
    const bool undecided = input == "\r" && empty_lines < kEmptyLines;  // may become one more empty line
    if (!undecided) {
      auto length = scanner.scan(input);
      if (length && *length) {
        const std::string block = input.substr(0, **length);
        input.erase(0, block.size());
        auto parsed = parser.parse_head(block, head);
        if (parsed) co_return HeadEnd::kComplete;
        refusal = std::move(parsed.error());
        co_return HeadEnd::kRefused;
      }
      if (!length) {
        refusal = std::move(length.error());
        co_return HeadEnd::kRefused;
      }
    }
    if (phase_ == Phase::kIdle && parting()) co_return HeadEnd::kQuiet;
    const Input news = co_await socket_->wait_input(deadline);
    if (news == Input::kClosed) co_return HeadEnd::kQuiet;
    if (news == Input::kTimeout) {
      if (phase_ == Phase::kIdle) co_return HeadEnd::kQuiet;
      refusal = Error{ErrorCode::kRequestTimeout, "The request's header did not arrive in time.", ""};
      co_return HeadEnd::kRefused;
    }
  }
}

// Also for a head that was refused: what is known of it goes into the log and chooses the error's dialect.
Result<void> HttpConnection::take_head(RequestHead& head, Request& request, std::vector<std::string>& segments) const {
  request.method = head.method;
  request.target = head.target;
  request.http_minor = head.http_minor;
  request.headers = std::move(head.headers);
  auto target = parse_target(request.target);
  if (!target) return std::unexpected(std::move(target.error()));
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  segments = std::move(target->segments);
  if (target->authority.empty()) return {};
  // RFC 9112 section 3.2.2: the absolute form's authority replaces Host; so both must pass.
  if (listener_->loopback) return check_host(target->authority, listener_->options.allowed_hosts);
  return {};
}

Result<void> HttpConnection::check_source(const Request& request) const {
  const ListenOptions& rules = listener_->options;
  const std::string_view host = request.headers.get("host");
  if (listener_->loopback && request.headers.contains("host")) {
    if (auto allowed = check_host(host, rules.allowed_hosts); !allowed) return allowed;
  }
  if (rules.cors) return {};
  for (const auto& [name, value] : request.headers) {
    if (!equal_ignoring_case(name, "origin")) continue;
    if (auto allowed = check_origin(value, host, rules.allowed_hosts); !allowed) return allowed;
  }
  return {};
}

// Everything that can be decided before the body is read.
HttpConnection::Admission HttpConnection::admit(const RequestHead& head, Request& request,
                                                const std::vector<std::string>& segments) const {
  Admission admission;
  const auto refuse_with = [&](ErrorCode code, std::string message) {
    admission.refusal = Error{code, std::move(message), ""};
  };
  if (auto source = check_source(request); !source) {
    admission.refusal = std::move(source.error());
    return admission;
  }
  if (parting()) {
    refuse_with(ErrorCode::kShuttingDown, "The server is shutting down.");
    return admission;
  }
  if (request.method == "OPTIONS" && listener_->options.cors) {
    admission.preflight = true;
    return admission;
  }
  admission.match = state_->router->match(request.method, segments);
  if (!admission.match.handler || request.path == "*") {
    const bool known = !admission.match.allow.empty() && request.path != "*";
    refuse_with(known ? ErrorCode::kMethodNotAllowed : ErrorCode::kNotFound,
                fmt::format("Unexpected endpoint or method. ({} {})", request.method, request.path));
    if (known) admission.refusal_headers.add("Allow", admission.match.allow);
    return admission;
  }
  request.route = admission.match.pattern;
  request.captures = std::move(admission.match.captures);
  if (state_->options.authorize) {
    if (auto allowed = state_->options.authorize(request); !allowed) {
      admission.refusal = std::move(allowed.error());
      return admission;
    }
  }
  if (!head.has_body()) return admission;
  const std::string* type = request.headers.find("content-type");
  if (type && !is_json_content_type(*type)) {
    refuse_with(ErrorCode::kUnsupportedMediaType, "The request's Content-Type must be application/json.");
  } else if (head.content_length.value_or(0) > limits().body_bytes) {
    refuse_with(ErrorCode::kBodyTooLarge,
                fmt::format("The request's body is larger than {} bytes.", limits().body_bytes));
  }
  return admission;
}

asio::awaitable<Result<void>> HttpConnection::read_body(RequestParser& parser, const RequestHead& head,
                                                        BodyBudget::Share& share, std::string& body) {
  std::string& input = socket_->input();
  if (head.expects_continue && input.empty()) {
    auto sent = co_await socket_->send("HTTP/1.1 100 Continue\r\n\r\n");
    if (!sent) co_return sent;
  }
  const auto started = Clock::now();
  auto last_byte = started;
  while (true) {
    const std::size_t before = body.size();
    auto taken = take_body(parser, head, input, body);
    if (!taken) co_return taken;
    if (!share.grow(body.size() - before)) {
      co_return fail(ErrorCode::kOverloaded, "The server holds too many large requests at once. Try again later.");
    }
    if (parser.done()) co_return Result<void>{};
    const std::chrono::seconds earned(body.size() / std::max<std::uint64_t>(limits().body_bytes_per_second, 1));
    const auto deadline = std::min(last_byte, started + earned) + limits().body_stall;
    const Input news = co_await socket_->wait_input(deadline);
    if (news == Input::kData) last_byte = Clock::now();
    if (news == Input::kClosed) co_return fail(ErrorCode::kCancelled, "The client closed the connection.");
    if (news == Input::kTimeout) {
      co_return fail(ErrorCode::kRequestTimeout, "The request's body did not arrive in time.");
    }
  }
}

// True: the connection can carry another request.
asio::awaitable<bool> HttpConnection::answer(Request request, BodyBudget::Share share, Admission admission,
                                             bool keep_alive) {
  const HttpExchange::Rules rules{keep_alive && !parting(), listener_->options.cors};
  HttpExchange exchange(*socket_, std::move(request), std::move(share), rules);
  phase_ = Phase::kAnswering;
  exchange_ = &exchange;
  // Undone even where the frame is destroyed while it waits (the loop itself ends).
  struct EndOfExchange {
    HttpConnection& connection;
    ~EndOfExchange() {
      connection.exchange_ = nullptr;
      connection.socket_->unwatch();
    }
  } const end_of_exchange{*this};
  socket_->watch([&exchange] { exchange.tell_gone(); });
  if (admission.refusal) {
    Error error = std::move(*admission.refusal);
    Headers headers = std::move(admission.refusal_headers);
    co_await refuse(exchange, std::move(error), std::move(headers));
  } else if (admission.preflight) {
    co_await answer_preflight(exchange);
  } else {
    co_await run_handler(exchange, *admission.match.handler);
  }
  log(exchange);
  if (exchange.ambiguous_end()) socket_->cut();
  co_return exchange.complete() && exchange.keep_alive() && !parting() && !socket_->lost();
}

asio::awaitable<void> HttpConnection::run_handler(HttpExchange& exchange, const Handler& handler) {
  std::string fault = "the handler ended without an answer";
  bool threw = true;
  try {
    co_await handler(exchange);
    threw = false;
  } catch (const std::exception& e) {
    fault = fmt::format("the handler threw: {}", e.what());
  } catch (...) {
    fault = "the handler threw something that is no exception";
  }
  if (exchange.headers_sent() && !threw) co_return;
  if (!threw && exchange.client_gone().stop_requested()) co_return;
  const Request& request = exchange.request();
  state_->report_fault(fmt::format("{} {} {}: {}", request.id, request.method, request.path, fault));
  if (exchange.headers_sent()) co_return;
  Error error{ErrorCode::kInternal, fmt::format("Internal server error (request {}).", request.id), ""};
  co_await refuse(exchange, std::move(error));
}

asio::awaitable<void> HttpConnection::refuse(HttpExchange& exchange, Error error, Headers headers) {
  Response response = state_->render(exchange.request(), error);
  for (const auto& [name, value] : headers) response.headers.add(name, value);
  // A client that is gone shows in the log.
  static_cast<void>(co_await exchange.respond(std::move(response)));
}

asio::awaitable<void> HttpConnection::answer_preflight(HttpExchange& exchange) {
  const Headers& asked = exchange.request().headers;
  const std::string* fields = asked.find("access-control-request-headers");
  Response response;
  response.status = 204;
  response.headers.add("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
  response.headers.add("Access-Control-Allow-Headers", fields ? *fields : "*");
  response.headers.add("Access-Control-Max-Age", "86400");
  if (equal_ignoring_case(asked.get("access-control-request-private-network"), "true")) {
    response.headers.add("Access-Control-Allow-Private-Network", "true");
  }
  static_cast<void>(co_await exchange.respond(std::move(response)));
}

void HttpConnection::log(const HttpExchange& exchange) const {
  if (!state_->options.access_log) return;
  const Request& request = exchange.request();
  AccessRecord record;
  record.request_id = request.id;
  record.remote_address = request.remote_address;
  record.listener = request.listener;
  record.method = request.method;
  record.target = request.target;
  record.route = request.route;
  record.status = exchange.headers_sent() ? exchange.status() : 499;
  record.bytes_sent = exchange.bytes_sent();
  record.duration = Clock::now() - request.received;
  record.complete = exchange.complete();
  state_->options.access_log(record);
}

}  // namespace atelier::net
