#include "net/http_message.h"

#include <algorithm>

#include "net/target.h"

namespace atelier::net {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

const std::string* Headers::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (equal_ignoring_case(field.first, name)) return &field.second;
  }
  return nullptr;
}

std::string_view Headers::get(std::string_view name) const {
  const std::string* value = find(name);
  return value ? std::string_view(*value) : std::string_view();
}

std::size_t Headers::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(fields_, [&](const Field& field) { return equal_ignoring_case(field.first, name); }));
}

std::string_view Request::capture(std::string_view name) const {
  for (const auto& [key, value] : captures) {
    if (key == name) return value;
  }
  return {};
}

std::optional<std::string> Request::query_parameter(std::string_view name) const { return query_value(query, name); }

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidRequest:
    case ErrorCode::kMissingParameter:
    case ErrorCode::kContextLengthExceeded:
    case ErrorCode::kInvalidModelType: return 400;
    case ErrorCode::kDraftModelIncompatible: return 400;
    case ErrorCode::kInvalidApiKey: return 401;
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kOriginNotAllowed:
    case ErrorCode::kHostNotAllowed: return 403;
    case ErrorCode::kModelNotFound:
    case ErrorCode::kModelNotLoaded:
    case ErrorCode::kInstanceNotFound:
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kMethodNotAllowed: return 405;
    case ErrorCode::kRequestTimeout: return 408;
    case ErrorCode::kConflict: return 409;
    case ErrorCode::kBodyTooLarge: return 413;
    case ErrorCode::kUnsupportedMediaType: return 415;
    case ErrorCode::kQueueFull: return 429;
    case ErrorCode::kHeadersTooLarge: return 431;
    case ErrorCode::kCancelled: return 499;
    case ErrorCode::kNotImplemented: return 501;
    case ErrorCode::kUnavailable: return 502;
    case ErrorCode::kShuttingDown:
    case ErrorCode::kOverloaded: return 503;
    case ErrorCode::kInsufficientResources: return 507;
    case ErrorCode::kInternal:
    case ErrorCode::kModelLoadFailed:
    case ErrorCode::kEngineCrashed:
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt: return 500;
  }
  return 500;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

}  // namespace atelier::net
