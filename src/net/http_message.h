// Requests and responses as handlers see them: plain values, free of the HTTP library behind them.
// Messages are as RFC 9110 (semantics) and RFC 9112 (HTTP/1.1) have them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace atelier::net {

bool equal_ignoring_case(std::string_view a, std::string_view b);  // ASCII only, as header names are

// Header fields in the order they came. Names compare without case. Lookup is linear: the count is bounded.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  // The value of the first field of that name, or null.
  const std::string* find(std::string_view name) const;
  // The same, empty where there is none.
  std::string_view get(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  std::size_t count(std::string_view name) const;

  std::size_t size() const { return fields_.size(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

struct Request {
  std::string method;  // as sent: methods are case-sensitive
  std::string target;  // as sent, with its query
  // The target's path: each segment percent-decoded, doubled slashes collapsed, no slash at the end (but "/"
  // alone stays). A decoded segment may hold a slash of its own: %2F does not separate segments.
  std::string path;
  std::string query;   // after '?', not decoded
  int http_minor = 1;  // 0 for HTTP/1.0
  Headers headers;
  std::string body;            // whole, with any chunked coding removed
  std::string id;              // "req_" + 24 hexadecimal digits; also in the x-request-id header of the answer
  std::string remote_address;  // without the port
  bool loopback = false;       // the client is on this machine
  std::string listener;        // the name given to HttpServer::listen: which door it came through
  std::uint16_t local_port = 0;
  std::chrono::steady_clock::time_point received;             // when its header was complete
  std::string route;                                          // the pattern that matched; empty: none did
  std::vector<std::pair<std::string, std::string>> captures;  // what the route's {name} parts matched, decoded

  // What {name} matched; empty where the route has no such part.
  std::string_view capture(std::string_view name) const;
  // The decoded value of the first query parameter of that name ('+' is a space); nothing where it is absent.
  std::optional<std::string> query_parameter(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json; charset=utf-8";  // empty: no Content-Type header
  std::string body;
  Headers headers;  // beyond those that net/ writes: lengths, dates, connection, request id, CORS
};

// The status that an error means, the same in every dialect (rest-api.md §8.2).
int http_status(ErrorCode code);
// "Not Found"; "Unknown" for a status that HTTP does not name.
std::string_view reason_phrase(int status);

}  // namespace atelier::net
