// HTTP/1.1 from libcurl, blocking, with bodies handed on as they arrive.
//
// A Transport keeps connections alive between requests. It belongs to one thread at a time; a stop token may be
// triggered from any thread and ends the transfer at once by closing its connection (that is how a server learns
// that an answer is no longer wanted). Redirects are not followed. Proxies from the environment are used, except for
// loopback addresses.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace atelier::client {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string body;                  // sent where the method is not GET
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds total_timeout{0};  // for the whole exchange; zero: no limit
};

struct HttpHead {
  int status = 0;
  std::string content_type;  // lower case, without parameters: "text/event-stream"
};

class Transport {
 public:
  // Body bytes in the order of the wire. An error returned here ends the transfer and becomes its result.
  using BodySink = std::function<Result<void>(const HttpHead&, std::string_view)>;

  Transport();
  ~Transport();
  Transport(Transport&&) noexcept;
  Transport& operator=(Transport&&) noexcept;

  // Any status is a success here; the caller judges it. Errors: kUnavailable (no connection, cut connection, no
  // answer in time), kCancelled (the stop token), kInvalidRequest (a URL that is none), or the sink's own. An exception
  // thrown by the sink comes out of this call after the transfer was ended.
  Result<HttpHead> perform(const HttpRequest& request, const BodySink& sink, std::stop_token stop = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace atelier::client
