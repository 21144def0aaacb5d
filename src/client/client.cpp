#include "client/client.h"

#include <fmt/format.h>

#include "client/decode.h"
#include "client/sse.h"
#include "client/transport.h"

namespace atelier::client {
namespace {

using Clock = std::chrono::steady_clock;

// A plain answer (not a stream) is collected up to this size.
constexpr std::size_t kMaxBodyBytes = 64 * 1024 * 1024;

Result<void> collect(std::string& body, std::string_view bytes) {
  if (body.size() + bytes.size() > kMaxBodyBytes) {
    return fail(ErrorCode::kBodyTooLarge,
                fmt::format("The server's answer is longer than {} bytes and was given up.", kMaxBodyBytes));
  }
  body.append(bytes);
  return {};
}

}  // namespace

std::optional<double> ChatResult::tokens_per_second() const {
  if (!usage || usage->completion_tokens < 2 || !time_to_first_token) return std::nullopt;
  double seconds = (total_time - *time_to_first_token).count();
  if (seconds <= 0) return std::nullopt;
  return static_cast<double>(usage->completion_tokens - 1) / seconds;
}

struct Client::State {
  std::string base_url;
  std::string api_token;
  ClientOptions options;
  Transport transport;

  HttpRequest request(std::string method, std::string_view path, std::string body = {}) const {
    HttpRequest result;
    result.method = std::move(method);
    result.url = base_url + std::string(path);
    result.connect_timeout = options.connect_timeout;
    result.total_timeout = options.answer_timeout;
    if (!api_token.empty()) result.headers.push_back("Authorization: Bearer " + api_token);
    if (result.method != "GET") result.headers.push_back("Content-Type: application/json");
    result.body = std::move(body);
    return result;
  }

  // One exchange with a JSON answer.
  Result<json::Value> exchange(const HttpRequest& request) {
    std::string body;
    auto head =
        transport.perform(request, [&body](const HttpHead&, std::string_view bytes) { return collect(body, bytes); });
    if (!head) return std::unexpected(head.error());
    return judge(*head, body);
  }

  Result<json::Value> judge(const HttpHead& head, const std::string& body) const {
    if (head.status < 200 || head.status > 299) return std::unexpected(decode_error_text(body, head.status));
    auto parsed = json::parse(body);
    if (!parsed) {
      return fail(ErrorCode::kUnavailable,
                  fmt::format("What answers at {} does not speak JSON: {}", base_url, parsed.error().message));
    }
    return parsed;
  }

  // One exchange with an answer that is a stream of events, or a plain document (an error, or a server that does not
  // stream this route): then the document is given back.
  Result<std::optional<json::Value>> stream(HttpRequest request,
                                            const std::function<Result<void>(const SseEvent&)>& sink,
                                            std::stop_token stop) {
    request.total_timeout = {};
    request.headers.push_back("Accept: text/event-stream");
    SseParser parser;
    std::string body;
    bool streamed = false;
    auto head = transport.perform(
        request,
        [&](const HttpHead& answer, std::string_view bytes) -> Result<void> {
          if (answer.status != 200 || answer.content_type != "text/event-stream") return collect(body, bytes);
          streamed = true;
          Result<void> outcome;
          auto fed = parser.feed(bytes, [&](const SseEvent& event) {
            if (outcome) outcome = sink(event);
          });
          return fed ? outcome : fed;
        },
        stop);
    if (!head) return std::unexpected(head.error());
    if (streamed) return std::optional<json::Value>();
    auto document = judge(*head, body);
    if (!document) return std::unexpected(document.error());
    return std::optional<json::Value>(std::move(*document));
  }

  Error cut_stream() const {
    return {ErrorCode::kUnavailable,
            fmt::format("The connection to {} was closed before the answer was complete.", base_url),
            {}};
  }
};

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Client> Client::connect(std::string base_url, std::string api_token, ClientOptions options) {
  if (!base_url.starts_with("http://") && !base_url.starts_with("https://")) {
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("\"{}\" is no server address; one looks like http://127.0.0.1:1234.", base_url));
  }
  if (api_token.find_first_of("\r\n") != std::string::npos) {
    return fail(ErrorCode::kInvalidRequest, "The API token holds a line end.");
  }
  while (base_url.ends_with('/')) base_url.pop_back();
  auto state = std::make_unique<State>();
  state->base_url = std::move(base_url);
  state->api_token = std::move(api_token);
  state->options = options;
  return Client(std::move(state));
}

const std::string& Client::base_url() const { return state_->base_url; }

Result<void> Client::probe(std::chrono::milliseconds timeout) {
  HttpRequest request = state_->request("GET", "/lmstudio-greeting");
  request.connect_timeout = timeout;
  request.total_timeout = timeout;
  auto answer = state_->exchange(request);
  if (!answer) return std::unexpected(answer.error());
  const json::Value* mark = answer->find("lmstudio");
  if (mark && mark->if_bool() && *mark->if_bool()) return {};
  return fail(ErrorCode::kUnavailable, fmt::format("Another program answers at {}.", state_->base_url));
}

Result<std::vector<Model>> Client::list_models() {
  auto body = state_->exchange(state_->request("GET", "/api/v1/models"));
  if (!body) return std::unexpected(body.error());
  return decode_models(*body);
}

Result<LoadResult> Client::load(const LoadRequest& request, const ProgressCallback& on_progress, std::stop_token stop) {
  std::optional<LoadResult> loaded;
  auto on_event = [&](const SseEvent& event) -> Result<void> {
    auto data = json::parse(event.data);
    if (!data) return fail(ErrorCode::kUnavailable, "The server's load event is not JSON: " + data.error().message);
    if (event.name == "error" || data->find("error")) return std::unexpected(decode_error(*data, 0));
    if (event.name == "model_load.progress") {
      const json::Value* progress = data->find("progress");
      std::optional<double> fraction = progress ? progress->number() : std::nullopt;
      if (fraction && on_progress) on_progress(*fraction);
    } else if (event.name == "model_load.end") {
      auto result = decode_load_result(*data);
      if (!result) return std::unexpected(result.error());
      loaded = std::move(*result);
    }
    return {};
  };
  auto document =
      state_->stream(state_->request("POST", "/api/v1/models/load", encode_load(request, false)), on_event, stop);
  if (!document) return std::unexpected(document.error());
  if (*document) return decode_load_result(**document);
  if (!loaded) return std::unexpected(state_->cut_stream());
  return *loaded;
}

Result<LoadEstimate> Client::estimate_load(const LoadRequest& request) {
  auto body = state_->exchange(state_->request("POST", "/api/v1/models/load", encode_load(request, true)));
  if (!body) return std::unexpected(body.error());
  return decode_estimate(*body);
}

Result<void> Client::unload(const std::string& instance_id) {
  json::Value request(json::Object{{"instance_id", instance_id}});
  auto body = state_->exchange(state_->request("POST", "/api/v1/models/unload", json::dump(request)));
  if (!body) return std::unexpected(body.error());
  return {};
}

Result<ServerInfo> Client::server_info() {
  auto body = state_->exchange(state_->request("GET", "/api/v1/server"));
  if (!body) return std::unexpected(body.error());
  return decode_server_info(*body);
}

Result<ChatResult> Client::chat(const ChatRequest& request, const DeltaCallback& on_delta, std::stop_token stop) {
  ChatResult result;
  bool done = false;
  Clock::time_point begin = Clock::now();
  Clock::time_point last_text = begin;
  auto on_event = [&](const SseEvent& event) -> Result<void> {
    if (done) return {};
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "The request was cancelled.");
    if (event.data == "[DONE]") {
      done = true;
      return {};
    }
    auto data = json::parse(event.data);
    if (!data)
      return fail(ErrorCode::kUnavailable,
                  "The server's stream holds something that is not JSON: " + data.error().message);
    auto added = fold_chat_chunk(*data, result);
    if (!added) return std::unexpected(added.error());
    if (added->content.empty() && added->reasoning.empty()) return {};
    last_text = Clock::now();
    if (!result.time_to_first_token) result.time_to_first_token = last_text - begin;
    if (!on_delta) return {};
    if (!added->reasoning.empty()) on_delta({{}, added->reasoning});
    if (!added->content.empty()) on_delta({added->content, {}});
    return {};
  };
  auto document = state_->stream(state_->request("POST", "/v1/chat/completions", encode_chat(request)), on_event, stop);
  result.total_time = last_text - begin;
  if (!document && document.error().code == ErrorCode::kCancelled && stop.stop_requested()) {
    result.cancelled = true;
    return result;
  }
  if (!document) return std::unexpected(document.error());
  if (*document) return fail(ErrorCode::kUnavailable, "The server did not stream its answer.");
  if (!done) return std::unexpected(state_->cut_stream());
  return result;
}

Result<HttpListener> Client::start_http(const HttpStart& start) {
  json::Object request;
  if (start.port) request.set("port", *start.port);
  if (start.bind_address) request.set("bind", *start.bind_address);
  if (start.cors) request.set("cors", true);
  if (start.allow_unauthenticated) request.set("allow_unauthenticated", true);
  auto body = state_->exchange(
      state_->request("POST", "/api/v1/server/http/start", json::dump(json::Value(std::move(request)))));
  if (!body) return std::unexpected(body.error());
  return decode_listener(*body);
}

Result<std::uint16_t> Client::stop_http() {
  auto body = state_->exchange(state_->request("POST", "/api/v1/server/http/stop", "{}"));
  if (!body) return std::unexpected(body.error());
  return decode_listener(*body).port.value_or(0);
}

Result<void> Client::shutdown_service() {
  auto body = state_->exchange(state_->request("POST", "/api/v1/server/shutdown", "{}"));
  if (!body) return std::unexpected(body.error());
  return {};
}

}  // namespace atelier::client
