// The JSON object in a request's body.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/error.h"
#include "base/json.h"
#include "net/http_server.h"

namespace atelier::api {

// Parses the body, on the pool where it is large, and gives its memory back to the server's budget. Fails with
// kInvalidRequest where it is no JSON object.
boost::asio::awaitable<Result<json::Object>> read_json_object(net::Exchange& exchange,
                                                              boost::asio::any_io_executor pool);

}  // namespace atelier::api
