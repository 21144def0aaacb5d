#include "api/answer.h"

#include <algorithm>
#include <stop_token>

#include "net/sse.h"

namespace atelier::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kShuttingDown = "The server is shutting down; try again when it is back";

// Cancels the prediction when its client is gone or the server must part with it.
class Watch {
 public:
  Watch(net::Exchange& exchange, predict::Prediction& prediction)
      : gone_(exchange.client_gone(), Cancel{&prediction}), stopping_(exchange.stopping(), Cancel{&prediction}) {}

 private:
  struct Cancel {
    predict::Prediction* prediction;
    void operator()() const { prediction->cancel(); }
  };
  std::stop_callback<Cancel> gone_;
  std::stop_callback<Cancel> stopping_;
};

// A prediction that the server itself cancelled ends like any cancelled one; its client is owed the reason.
const Error* reason_for_parting(const net::Exchange& exchange) {
  static const Error kParting{ErrorCode::kShuttingDown, kShuttingDown, {}};
  return exchange.stopping().stop_requested() ? &kParting : nullptr;
}

}  // namespace

boost::asio::awaitable<void> answer_json(net::Exchange& exchange, const json::Value& value, int status) {
  net::Response response;
  response.status = status;
  response.body = json::dump(value);
  co_await exchange.respond(std::move(response));
}

boost::asio::awaitable<void> answer_error(Dialect dialect, net::Exchange& exchange, const Error& error) {
  net::Response response = error_response(dialect, error, exchange.request().id);
  co_await exchange.respond(std::move(response));
}

boost::asio::awaitable<void> answer_with_stream(const ApiContext& context, Dialect dialect, net::Exchange& exchange,
                                                predict::Prediction& prediction, StreamEncoder& encoder) {
  const Watch watch(exchange, prediction);
  const auto commit_at = exchange.request().received + context.commit_after;
  bool begun = false;  // the encoder has written its first frame
  std::string out;
  while (true) {
    const auto deadline =
        exchange.headers_sent() ? Clock::now() + context.keep_alive_every : std::max(commit_at, Clock::now());
    std::optional<predict::Event> event = co_await prediction.next(deadline);
    if (exchange.client_gone().stop_requested()) co_return;

    out.clear();
    const Error* error = event ? std::get_if<Error>(&*event) : nullptr;
    if (error == nullptr) error = event ? reason_for_parting(exchange) : nullptr;
    if (error != nullptr && !exchange.headers_sent()) {
      co_await answer_error(dialect, exchange, *error);
      co_return;
    }
    const bool accepted = event && std::holds_alternative<predict::Accepted>(*event);
    if (!exchange.headers_sent() && (accepted || !event)) {
      std::string content_type(net::sse::kContentType);
      const Result<void> started = co_await exchange.start_stream(200, std::move(content_type));
      if (!started) co_return;
    }
    if (!begun && accepted) {
      begun = true;
      encoder.begin(out);
    }
    const bool ended = event && std::holds_alternative<predict::End>(*event);
    if (error != nullptr) {
      encoder.error(*error, out);
    } else if (ended) {
      encoder.end(out);
    } else if (event) {
      encoder.event(*event, out);
    } else {
      out += encoder.keep_alive();
    }
    if (!out.empty() && exchange.headers_sent()) {
      const Result<void> written = co_await exchange.write(out);
      if (!written) co_return;
    }
    if (ended || error != nullptr) break;
  }
  co_await exchange.finish();
}

boost::asio::awaitable<void> answer_whole(Dialect dialect, net::Exchange& exchange, predict::Prediction& prediction,
                                          std::function<void(const predict::Event&)> collect,
                                          std::function<json::Value()> finish) {
  const Watch watch(exchange, prediction);
  while (true) {
    const std::optional<predict::Event> event = co_await prediction.next(Clock::time_point::max());
    if (!event) continue;
    if (const Error* error = reason_for_parting(exchange)) {
      co_await answer_error(dialect, exchange, *error);
      co_return;
    }
    if (const Error* error = std::get_if<Error>(&*event)) {
      co_await answer_error(dialect, exchange, *error);
      co_return;
    }
    if (std::holds_alternative<predict::End>(*event)) break;
    collect(*event);
  }
  const json::Value value = finish();
  co_await answer_json(exchange, value);
}

}  // namespace atelier::api
