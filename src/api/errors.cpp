#include "api/errors.h"

#include <fmt/format.h>

namespace atelier::api {
namespace {

std::string_view native_type(ErrorCode code) {
  switch (code) {
    case ErrorCode::kModelNotFound:
    case ErrorCode::kModelNotLoaded:
    case ErrorCode::kInstanceNotFound: return "model_not_found";
    case ErrorCode::kQueueFull: return "unknown";
    case ErrorCode::kNotImplemented: return "not_implemented";
    case ErrorCode::kInternal:
    case ErrorCode::kModelLoadFailed:
    case ErrorCode::kEngineCrashed:
    case ErrorCode::kShuttingDown:
    case ErrorCode::kOverloaded:
    case ErrorCode::kUnavailable:
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt: return "internal_error";
    default: return "invalid_request";
  }
}

std::string_view openai_type(ErrorCode code) {
  if (code == ErrorCode::kQueueFull) return "rate_limit_error";
  return net::http_status(code) >= 500 ? "server_error" : "invalid_request_error";
}

std::string_view anthropic_type(ErrorCode code) {
  switch (net::http_status(code)) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    default: return net::http_status(code) >= 500 ? "api_error" : "invalid_request_error";
  }
}

// Plain mistakes in a request have no code of their own in OpenAI's API.
json::Value openai_code(ErrorCode code) {
  if (code == ErrorCode::kInvalidRequest || code == ErrorCode::kInternal) return nullptr;
  return to_string(code);
}

json::Value native_body(const Error& error) {
  json::Object inner{{"type", native_type(error.code)}, {"message", error.message}};
  if (error.code != ErrorCode::kInvalidRequest && error.code != ErrorCode::kInternal &&
      to_string(error.code) != native_type(error.code)) {
    inner.append("code", to_string(error.code));
  }
  if (!error.param.empty()) inner.append("param", error.param);
  return json::Object{{"error", std::move(inner)}};
}

json::Value openai_body(const Error& error) {
  return json::Object{{"error", json::Object{{"message", error.message},
                                             {"type", openai_type(error.code)},
                                             {"param", error.param.empty() ? json::Value() : json::Value(error.param)},
                                             {"code", openai_code(error.code)}}}};
}

json::Value anthropic_body(const Error& error, std::string_view request_id) {
  return json::Object{{"type", "error"},
                      {"error", json::Object{{"type", anthropic_type(error.code)}, {"message", error.message}}},
                      {"request_id", request_id}};
}

}  // namespace

Dialect dialect_of_path(std::string_view path) {
  const auto below = [&](std::string_view root) {
    return path == root || (path.starts_with(root) && path.size() > root.size() && path[root.size()] == '/');
  };
  if (below("/api/v1")) return Dialect::kNative;
  if (below("/v1/messages")) return Dialect::kAnthropic;
  return Dialect::kOpenAi;
}

json::Value error_body(Dialect dialect, const Error& error, std::string_view request_id) {
  switch (dialect) {
    case Dialect::kNative: return native_body(error);
    case Dialect::kAnthropic: return anthropic_body(error, request_id);
    case Dialect::kOpenAi: break;
  }
  return openai_body(error);
}

net::Response error_response(Dialect dialect, const Error& error, std::string_view request_id) {
  net::Response response;
  response.status = net::http_status(error.code);
  // The OpenAI routes know no 507 (rest-api §6.5).
  if (error.code == ErrorCode::kInsufficientResources && dialect == Dialect::kOpenAi) response.status = 400;
  response.body = json::dump(error_body(dialect, error, request_id));
  if (error.code == ErrorCode::kQueueFull) response.headers.add("Retry-After", "1");
  return response;
}

net::Response render_net_error(const net::Request& request, const Error& error) {
  const bool route_missing = error.code == ErrorCode::kNotFound || error.code == ErrorCode::kMethodNotAllowed;
  if (route_missing) {
    // LM Studio's own text for unknown endpoints, with a true status.
    net::Response response;
    response.status = net::http_status(error.code);
    response.body = json::dump(
        json::Object{{"error", fmt::format("Unexpected endpoint or method. ({} {})", request.method, request.path)}});
    return response;
  }
  return error_response(dialect_of_path(request.path), error, request.id);
}

}  // namespace atelier::api
