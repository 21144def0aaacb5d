// How an Error looks in each dialect: envelope, type and code (rest-api §8.1, §8.2). The HTTP status is
// net::http_status. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "net/http_message.h"

namespace atelier::api {

enum class Dialect { kNative, kOpenAi, kAnthropic };

// The dialect of a route, for errors that net/ makes before any handler runs: /api/v1 is native, /v1/messages
// Anthropic, everything else OpenAI.
Dialect dialect_of_path(std::string_view path);

// The body's JSON: {"error":{…}} in the dialect's form. The request id appears where the dialect has it.
json::Value error_body(Dialect dialect, const Error& error, std::string_view request_id = {});

// Status, envelope, and Retry-After where waiting helps.
net::Response error_response(Dialect dialect, const Error& error, std::string_view request_id = {});

// For net::ServerOptions::render_error.
net::Response render_net_error(const net::Request& request, const Error& error);

}  // namespace atelier::api
