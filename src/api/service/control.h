// What the API can ask of the program around it: its HTTP listener, its end, and facts about it. The program
// (app/) fills it in; handlers call it on the loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "base/error.h"
#include "base/json.h"

namespace atelier::api {

struct HttpListenerState {
  bool running = false;
  std::uint16_t port = 0;  // the last one used while it does not run; 0: never started
  std::string host;
};

struct HttpListenerRequest {
  std::optional<std::uint16_t> port;
  std::optional<std::string> host;
  std::optional<bool> cors;
  bool allow_unauthenticated = false;  // permit an address that other machines can reach
};

struct ServiceControl {
  std::string version;
  std::string build_id;
  std::string nonce;
  std::function<bool()> shutting_down;
  std::function<HttpListenerState()> http_state;
  std::function<boost::asio::awaitable<Result<HttpListenerState>>(HttpListenerRequest)> http_start;
  std::function<boost::asio::awaitable<Result<HttpListenerState>>()> http_stop;
  std::function<void()> shut_down;           // returns at once; the program then drains and ends
  std::function<json::Value()> description;  // the body of GET /api/v1/server
};

}  // namespace atelier::api
