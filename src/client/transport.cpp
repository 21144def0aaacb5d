#include "client/transport.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <exception>
#include <optional>

namespace atelier::client {
namespace {

void initialise_curl_once() {
  static const CURLcode kOutcome = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)kOutcome;  // a failure shows itself as a null handle
}

struct HeaderList {
  ~HeaderList() { curl_slist_free_all(list); }
  void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
  curl_slist* list = nullptr;
};

bool is_loopback_url(const std::string& url) {
  std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parts(curl_url(), &curl_url_cleanup);
  if (!parts || curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return false;
  char* host = nullptr;
  if (curl_url_get(parts.get(), CURLUPART_HOST, &host, 0) != CURLUE_OK) return false;
  std::string name(host);
  curl_free(host);
  return name == "localhost" || name == "[::1]" || name.starts_with("127.");
}

// One exchange as libcurl's callbacks see it.
struct Exchange {
  CURL* easy = nullptr;
  const Transport::BodySink* sink = nullptr;
  HttpHead head;
  bool head_known = false;
  std::optional<Error> sink_error;
  std::exception_ptr sink_exception;

  void learn_head() {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    head.status = static_cast<int>(status);
    char* type = nullptr;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    std::string_view text = type ? type : "";
    text = text.substr(0, text.find(';'));
    while (text.ends_with(' ')) text.remove_suffix(1);
    head.content_type.clear();
    for (char c : text) head.content_type += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    head_known = true;
  }

  static std::size_t on_body(char* bytes, std::size_t, std::size_t count, void* self_pointer) {
    auto& self = *static_cast<Exchange*>(self_pointer);
    if (!self.head_known) self.learn_head();
    try {
      auto taken = (*self.sink)(self.head, {bytes, count});
      if (taken) return count;
      self.sink_error = taken.error();
    } catch (...) {
      self.sink_exception = std::current_exception();
    }
    return count + 1;  // any other number than `count` ends the transfer
  }
};

Error transfer_error(CURLcode code, const char* detail, const HttpRequest& request) {
  std::string reason = *detail ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {ErrorCode::kInvalidRequest,
              fmt::format("\"{}\" is not an http or https address: {}.", request.url, reason),
              {}};
    case CURLE_OPERATION_TIMEDOUT:
      return {ErrorCode::kUnavailable, fmt::format("{} did not answer in time: {}.", request.url, reason), {}};
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
      return {ErrorCode::kUnavailable, fmt::format("Cannot reach {}: {}.", request.url, reason), {}};
    default:
      return {ErrorCode::kUnavailable,
              fmt::format("The connection to {} broke before the answer was complete: {}.", request.url, reason),
              {}};
  }
}

}  // namespace

struct Transport::State {
  State() {
    initialise_curl_once();
    multi = curl_multi_init();
    easy = curl_easy_init();
  }
  ~State() {
    if (easy) curl_easy_cleanup(easy);
    if (multi) curl_multi_cleanup(multi);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  CURLM* multi = nullptr;  // owns the connections that are kept alive
  CURL* easy = nullptr;
};

Transport::Transport() : state_(std::make_unique<State>()) {}
Transport::~Transport() = default;
Transport::Transport(Transport&&) noexcept = default;
Transport& Transport::operator=(Transport&&) noexcept = default;

namespace {

void configure(CURL* easy, const HttpRequest& request, Exchange& exchange, HeaderList& headers, char* error_text) {
  curl_easy_reset(easy);
  for (const std::string& line : request.headers) headers.add(line);
  headers.add("Expect:");  // a body goes out at once, without waiting for "100 Continue"
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.list);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "atelier-client/" ATELIER_VERSION);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  if (is_loopback_url(request.url)) curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  if (request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  }
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
}

}  // namespace

Result<HttpHead> Transport::perform(const HttpRequest& request, const BodySink& sink, std::stop_token stop) {
  CURLM* multi = state_->multi;
  CURL* easy = state_->easy;
  if (!multi || !easy) return fail(ErrorCode::kInternal, "libcurl could not be initialised.");

  Exchange exchange;
  exchange.easy = easy;
  exchange.sink = &sink;
  HeaderList headers;
  char error_text[CURL_ERROR_SIZE] = "";
  configure(easy, request, exchange, headers, error_text);

  // The loop is our own, instead of curl_easy_perform, because curl_multi_wakeup makes a cancel immediate.
  curl_multi_add_handle(multi, easy);
  std::optional<CURLcode> outcome;
  {
    std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
    while (!outcome && !stop.stop_requested()) {
      int running = 0;
      curl_multi_perform(multi, &running);
      int left = 0;
      while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
        if (message->msg == CURLMSG_DONE) outcome = message->data.result;
      }
      if (!outcome) curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    }
  }
  if (outcome == CURLE_OK && !exchange.head_known) exchange.learn_head();
  curl_multi_remove_handle(multi, easy);  // closes the connection where the transfer was not over

  if (exchange.sink_exception) std::rethrow_exception(exchange.sink_exception);
  if (exchange.sink_error) return std::unexpected(*exchange.sink_error);
  if (!outcome) return fail(ErrorCode::kCancelled, "The request was cancelled.");
  if (*outcome != CURLE_OK) return std::unexpected(transfer_error(*outcome, error_text, request));
  return exchange.head;
}

}  // namespace atelier::client
