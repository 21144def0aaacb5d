#include "api/service/routes.h"

#include "api/answer.h"
#include "api/body.h"
#include "api/fields.h"

namespace atelier::api::service {
namespace {

using boost::asio::awaitable;

// The service is controlled through its own loopback listener only: the HTTP listener may face a network.
std::optional<Error> refuse_unless_control(const net::Exchange& exchange) {
  if (exchange.request().listener == kControlListener && exchange.request().loopback) return std::nullopt;
  return Error{ErrorCode::kPermissionDenied,
               "The service is controlled on its control port, which `lms` uses; this listener serves models only",
               {}};
}

json::Value listener_json(const HttpListenerState& state) {
  json::Object object{{"running", state.running}};
  if (state.port != 0) object.append("port", state.port);
  if (!state.host.empty()) object.append("host", state.host);
  return object;
}

awaitable<void> greeting(const ServiceControl&, net::Exchange& exchange) {
  const json::Value answer = json::Object{{"lmstudio", true}};
  co_await answer_json(exchange, answer);
}

awaitable<void> status(const ServiceControl& control, net::Exchange& exchange) {
  if (!exchange.request().loopback) {
    const Error error{ErrorCode::kNotFound, "This route answers on the machine itself only", {}};
    co_return co_await answer_error(Dialect::kNative, exchange, error);
  }
  const json::Value answer =
      json::Object{{"package", "atelier"}, {"version", control.version}, {"nonce", control.nonce}};
  co_await answer_json(exchange, answer);
}

awaitable<void> health(const ServiceControl& control, net::Exchange& exchange) {
  const bool ending = control.shutting_down();
  const json::Value answer = json::Object{{"status", ending ? "shutting_down" : "ok"}};
  co_await answer_json(exchange, answer, ending ? 503 : 200);
}

awaitable<void> server(const ServiceControl& control, net::Exchange& exchange) {
  const json::Value answer = control.description();
  co_await answer_json(exchange, answer);
}

awaitable<void> http_start(const ApiContext& context, const ServiceControl& control, net::Exchange& exchange) {
  if (const auto refused = refuse_unless_control(exchange)) {
    co_return co_await answer_error(Dialect::kNative, exchange, *refused);
  }
  HttpListenerRequest request;
  if (!exchange.request().body.empty()) {
    const Result<json::Object> body = co_await read_json_object(exchange, context.pool);
    if (!body) co_return co_await answer_error(Dialect::kNative, exchange, body.error());
    Fields fields(*body);
    if (const auto port = fields.integer("port", 0, 65535)) request.port = static_cast<std::uint16_t>(*port);
    request.host = fields.string("bind");
    request.cors = fields.boolean("cors");
    request.allow_unauthenticated = fields.boolean("allow_unauthenticated").value_or(false);
    if (fields.error()) co_return co_await answer_error(Dialect::kNative, exchange, *fields.error());
  }
  const Result<HttpListenerState> state = co_await control.http_start(std::move(request));
  if (!state) co_return co_await answer_error(Dialect::kNative, exchange, state.error());
  const json::Value answer = listener_json(*state);
  co_await answer_json(exchange, answer);
}

awaitable<void> http_stop(const ServiceControl& control, net::Exchange& exchange) {
  if (const auto refused = refuse_unless_control(exchange)) {
    co_return co_await answer_error(Dialect::kNative, exchange, *refused);
  }
  const Result<HttpListenerState> state = co_await control.http_stop();
  if (!state) co_return co_await answer_error(Dialect::kNative, exchange, state.error());
  const json::Value answer = json::Object{{"port", state->port}};
  co_await answer_json(exchange, answer);
}

awaitable<void> shut_down(const ServiceControl& control, net::Exchange& exchange) {
  if (const auto refused = refuse_unless_control(exchange)) {
    co_return co_await answer_error(Dialect::kNative, exchange, *refused);
  }
  const json::Value answer = json::Object{};
  co_await answer_json(exchange, answer);
  control.shut_down();
}

}  // namespace

void add_routes(net::Router& router, const ApiContext& context, const ServiceControl& control) {
  const auto with_control = [&control](awaitable<void> (*handler)(const ServiceControl&, net::Exchange&)) {
    return [&control, handler](net::Exchange& exchange) { return handler(control, exchange); };
  };
  router.add("GET", "/lmstudio-greeting", with_control(greeting));
  router.add("GET", "/lms-status", with_control(status));
  router.add("GET", "/health", with_control(health));
  router.add("GET", "/api/v1/server", with_control(server));
  router.add("POST", "/api/v1/server/http/start",
             [&context, &control](net::Exchange& exchange) { return http_start(context, control, exchange); });
  router.add("POST", "/api/v1/server/http/stop", with_control(http_stop));
  router.add("POST", "/api/v1/server/shutdown", with_control(shut_down));
}

}  // namespace atelier::api::service
