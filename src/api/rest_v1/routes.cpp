#include "api/rest_v1/routes.h"

#include <algorithm>
#include <memory>
#include <variant>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>

#include "api/answer.h"
#include "api/body.h"
#include "api/fields.h"
#include "api/rest_v1/model_json.h"
#include "net/sse.h"
#include "predict/event_queue.h"

namespace atelier::api::rest_v1 {
namespace {

using boost::asio::awaitable;
using Clock = std::chrono::steady_clock;

awaitable<void> list_models(const ApiContext& context, net::Exchange& exchange) {
  const auto models = co_await context.models.list();
  if (!models) co_return co_await answer_error(Dialect::kNative, exchange, models.error());
  json::Array array;
  for (const predict::ModelDescription& model : *models) array.push_back(model_json(model));
  const json::Value answer = json::Object{{"models", std::move(array)}};
  co_await answer_json(exchange, answer);
}

// ---------------------------------------------------------------- load

// What a load reports while it runs: its progress, then its end.
using LoadReport = std::variant<double, Result<predict::LoadedModel>>;
using LoadReports = predict::EventQueue<LoadReport>;

awaitable<void> run_load(const ApiContext& context, predict::ModelLoadRequest request,
                         std::shared_ptr<LoadReports> reports, std::stop_token stop) {
  auto progress = [reports](double fraction) {
    if (!reports->full()) reports->push_now(fraction);
  };
  Result<predict::LoadedModel> loaded;
  try {
    loaded = co_await context.models.load(std::move(request), progress, stop);
  } catch (const std::exception& exception) {
    loaded = fail(ErrorCode::kInternal, std::string("The server made a mistake: ") + exception.what());
  }
  reports->push_now(std::move(loaded));
}

void append_event(std::string& out, std::string_view type, json::Object members) {
  json::Object event{{"type", type}};
  for (auto& [key, value] : members) event.append(key, std::move(value));
  net::sse::append_event(out, type, json::dump(event));
}

// The last event repeats the answer of a load without a stream; its `type` is told as `model_type`.
void append_load_end(std::string& out, const predict::LoadedModel& loaded, bool echo_load_config) {
  json::Object answer = loaded_json(loaded, echo_load_config);
  const json::Value model_type = *answer.find("type");
  answer.erase("type");
  answer.append("model_type", model_type);
  append_event(out, "model_load.end", std::move(answer));
}

awaitable<void> stream_load(const ApiContext& context, net::Exchange& exchange, LoadCall call) {
  const std::string model = call.request.model;
  const auto executor = co_await boost::asio::this_coro::executor;
  auto reports = std::make_shared<LoadReports>(executor, 16);
  auto work = run_load(context, std::move(call.request), reports, exchange.client_gone());
  boost::asio::co_spawn(executor, std::move(work), boost::asio::detached);

  std::string content_type(net::sse::kContentType);
  Result<void> written = co_await exchange.start_stream(200, std::move(content_type));
  std::string out;
  append_event(out, "model_load.start", json::Object{{"model", model}});
  double reached = 0;
  // The work is waited for even when nobody listens any more: it ends by itself once the client is gone.
  while (true) {
    if (written && !out.empty()) written = co_await exchange.write(out);
    out.clear();
    std::optional<LoadReport> report = co_await reports->pop(Clock::now() + context.keep_alive_every);
    if (!report) {
      out += net::sse::kKeepAlive;
    } else if (const double* fraction = std::get_if<double>(&*report)) {
      reached = std::max(reached, *fraction);
      append_event(out, "model_load.progress", json::Object{{"model", model}, {"progress", reached}});
    } else {
      const auto& loaded = std::get<Result<predict::LoadedModel>>(*report);
      if (loaded) {
        append_load_end(out, *loaded, call.echo_load_config);
      } else {
        json::Value error = error_body(Dialect::kNative, loaded.error());
        append_event(out, "error", json::Object{{"error", std::move(*error.if_object()->find("error"))}});
      }
      break;
    }
  }
  if (written) written = co_await exchange.write(out);
  if (written) co_await exchange.finish();
}

awaitable<void> load(const ApiContext& context, net::Exchange& exchange) {
  Result<json::Object> body = co_await read_json_object(exchange, context.pool);
  if (!body) co_return co_await answer_error(Dialect::kNative, exchange, body.error());
  Result<LoadCall> call = decode_load(*body);
  if (!call) co_return co_await answer_error(Dialect::kNative, exchange, call.error());

  if (call->estimate_only) {
    const std::stop_token gone = exchange.client_gone();
    const auto estimate = co_await context.models.estimate(std::move(call->request), gone);
    if (!estimate) co_return co_await answer_error(Dialect::kNative, exchange, estimate.error());
    const json::Value answer = estimate_json(*estimate);
    co_return co_await answer_json(exchange, answer);
  }
  if (exchange.request().headers.get("Accept").find(net::sse::kContentType) != std::string_view::npos) {
    co_return co_await stream_load(context, exchange, std::move(*call));
  }
  const runtime::LoadProgress unwatched;
  const std::stop_token gone = exchange.client_gone();
  const auto loaded = co_await context.models.load(std::move(call->request), unwatched, gone);
  if (!loaded) co_return co_await answer_error(Dialect::kNative, exchange, loaded.error());
  const json::Value answer = loaded_json(*loaded, call->echo_load_config);
  co_await answer_json(exchange, answer);
}

awaitable<void> unload(const ApiContext& context, net::Exchange& exchange) {
  const Result<json::Object> body = co_await read_json_object(exchange, context.pool);
  if (!body) co_return co_await answer_error(Dialect::kNative, exchange, body.error());
  Fields fields(*body);
  fields.allow_only({"instance_id"});
  fields.require("instance_id");
  const std::string id = fields.string("instance_id").value_or("");
  if (fields.error()) co_return co_await answer_error(Dialect::kNative, exchange, *fields.error());

  const auto unloaded = co_await context.models.unload(id);
  if (!unloaded) co_return co_await answer_error(Dialect::kNative, exchange, unloaded.error());
  const json::Value answer = json::Object{{"instance_id", id}};
  co_await answer_json(exchange, answer);
}

}  // namespace

void add_routes(net::Router& router, const ApiContext& context) {
  const auto with_context = [&context](awaitable<void> (*handler)(const ApiContext&, net::Exchange&)) {
    return [&context, handler](net::Exchange& exchange) { return handler(context, exchange); };
  };
  router.add("GET", "/api/v1/models", with_context(list_models));
  router.add("POST", "/api/v1/models/load", with_context(load));
  router.add("POST", "/api/v1/models/unload", with_context(unload));
}

}  // namespace atelier::api::rest_v1
