#include "net/http_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace atelier::net {
namespace {

namespace asio = boost::asio;

// Bodies up to this size travel in one system call with their header.
constexpr std::size_t kJoinBytes = 64 * 1024;
// A chunk is copied once beside its frame; longer writes become several chunks.
constexpr std::size_t kChunkBytes = 64 * 1024;

// RFC 9110 section 5.6.7, the preferred form.
std::string http_date(std::time_t now) {
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                     kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                     utc.tm_sec);
}

// What net/ writes itself, because two of them in one answer would break its framing.
bool is_framing_field(std::string_view name) {
  return std::ranges::any_of(std::array<std::string_view, 3>{"content-length", "transfer-encoding", "connection"},
                             [&](std::string_view own) { return equal_ignoring_case(own, name); });
}

// A line break in a value would let whoever controls the value write fields of their own.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  const auto clean = [&](std::string_view text) {
    for (const char c : text) out.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c);
  };
  clean(name);
  out.append(": ");
  clean(value);
  out.append("\r\n");
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::unexpected<Error> out_of_order(std::string_view what) {
  return fail(ErrorCode::kInternal, "An HTTP answer was given out of order: " + std::string(what) + ".");
}

std::unexpected<Error> client_is_gone() { return fail(ErrorCode::kCancelled, "The client closed the connection."); }

}  // namespace

bool BodyBudget::Share::grow(std::uint64_t bytes) {
  if (bytes > budget_->limit_ - budget_->used_) return false;
  budget_->used_ += bytes;
  bytes_ += bytes;
  return true;
}

void BodyBudget::Share::release() { budget_->used_ -= std::exchange(bytes_, 0); }

HttpExchange::HttpExchange(ClientSocket& socket, Request request, BodyBudget::Share body_share, Rules rules)
    : socket_(socket),
      request_(std::move(request)),
      body_share_(std::move(body_share)),
      rules_(rules),
      bytes_before_(socket.bytes_sent()) {}

void HttpExchange::release_body() {
  std::string().swap(request_.body);
  body_share_.release();
}

std::string HttpExchange::render_head(int status, std::string_view content_type, const Headers& headers,
                                      std::string_view framing) const {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nx-request-id: {}\r\nConnection: {}\r\n{}", status,
                                 reason_phrase(status), http_date(std::time(nullptr)), request_.id,
                                 rules_.keep_alive ? "keep-alive" : "close", framing);
  if (!content_type.empty()) append_field(head, "Content-Type", content_type);
  if (rules_.cors) append_field(head, "Access-Control-Allow-Origin", "*");
  for (const auto& [name, value] : headers) {
    if (!is_framing_field(name)) append_field(head, name, value);
  }
  return head.append("\r\n");
}

asio::awaitable<Result<void>> HttpExchange::send(std::string_view bytes, State then) {
  Result<void> sent = co_await socket_.send(bytes);
  if (sent) {
    state_ = then;
  } else {
    state_ = State::kFailed;
    rules_.keep_alive = false;
    tell_gone();
  }
  co_return sent;
}

asio::awaitable<Result<void>> HttpExchange::respond(Response response) {
  if (state_ != State::kOpen) co_return out_of_order("respond() after an answer had begun");
  status_ = response.status;
  const bool with_body = may_have_body(status_);
  const std::string framing = with_body ? fmt::format("Content-Length: {}\r\n", response.body.size()) : std::string();
  std::string head = render_head(status_, with_body ? response.content_type : std::string(), response.headers, framing);
  std::string_view rest = with_body && !is_head() ? std::string_view(response.body) : std::string_view();
  if (rest.size() <= kJoinBytes) head.append(std::exchange(rest, {}));
  state_ = State::kResponding;
  Result<void> sent = co_await send(head, rest.empty() ? State::kComplete : State::kResponding);
  if (sent && !rest.empty()) sent = co_await send(rest, State::kComplete);
  co_return sent;
}

asio::awaitable<Result<void>> HttpExchange::start_stream(int status, std::string content_type, Headers headers) {
  if (state_ != State::kOpen) co_return out_of_order("start_stream() after an answer had begun");
  status_ = status;
  chunked_ = request_.http_minor > 0;
  if (!chunked_) rules_.keep_alive = false;
  headers.add("Cache-Control", "no-cache");
  headers.add("X-Accel-Buffering", "no");
  const std::string head = render_head(status, content_type, headers, chunked_ ? "Transfer-Encoding: chunked\r\n" : "");
  state_ = State::kResponding;
  Result<void> sent = co_await send(head, State::kStreaming);
  co_return sent;
}

asio::awaitable<Result<void>> HttpExchange::write(std::string_view data) {
  if (state_ == State::kFailed || gone_.stop_requested()) co_return client_is_gone();
  if (state_ != State::kStreaming) co_return out_of_order("write() without a stream");
  if (is_head()) co_return Result<void>{};
  if (!chunked_) {
    Result<void> sent = co_await send(data, State::kStreaming);
    co_return sent;
  }
  while (!data.empty()) {
    const std::string_view piece = data.substr(0, kChunkBytes);
    data.remove_prefix(piece.size());
    std::string chunk = fmt::format("{:x}\r\n", piece.size());
    chunk.append(piece).append("\r\n");
    Result<void> sent = co_await send(chunk, State::kStreaming);
    if (!sent) co_return sent;
  }
  co_return Result<void>{};
}

asio::awaitable<Result<void>> HttpExchange::finish() {
  if (state_ == State::kFailed || gone_.stop_requested()) co_return client_is_gone();
  if (state_ != State::kStreaming) co_return out_of_order("finish() without a stream");
  const std::string_view end = chunked_ && !is_head() ? "0\r\n\r\n" : "";
  Result<void> sent = co_await send(end, State::kComplete);
  co_return sent;
}

}  // namespace atelier::net
