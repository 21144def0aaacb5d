// Brings a prediction to its client: decides when the status line goes out, keeps silent streams alive, ends
// the work when the client goes away, and tells errors in the right place. What the events look like on the
// wire is the dialect's matter (StreamEncoder). Loop thread only.
//
// The status line of a stream goes out when the engine has accepted the request, or after
// ApiContext::commit_after; until then an error is an ordinary HTTP error.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "api/context.h"
#include "api/errors.h"
#include "net/http_server.h"
#include "predict/prediction.h"

namespace atelier::api {

// Turns events into a stream's bytes. Each function appends frames to `out`.
class StreamEncoder {
 public:
  virtual ~StreamEncoder() = default;
  // Once, as soon as the instance is known to answer (its identifier is known then).
  virtual void begin(std::string& out) = 0;
  virtual void event(const predict::Event& event, std::string& out) = 0;
  virtual void end(std::string& out) = 0;
  // An error after the status line; nothing follows it.
  virtual void error(const Error& error, std::string& out) = 0;
  virtual std::string_view keep_alive() const = 0;
};

// Answers with a stream of server-sent events.
boost::asio::awaitable<void> answer_with_stream(const ApiContext& context, Dialect dialect, net::Exchange& exchange,
                                                predict::Prediction& prediction, StreamEncoder& encoder);

// Hands every event to `collect` and answers with what `finish` makes at the end, or with the error.
boost::asio::awaitable<void> answer_whole(Dialect dialect, net::Exchange& exchange, predict::Prediction& prediction,
                                          std::function<void(const predict::Event&)> collect,
                                          std::function<json::Value()> finish);

// An error, as the whole answer.
boost::asio::awaitable<void> answer_error(Dialect dialect, net::Exchange& exchange, const Error& error);
// JSON, as the whole answer.
boost::asio::awaitable<void> answer_json(net::Exchange& exchange, const json::Value& value, int status = 200);

}  // namespace atelier::api
