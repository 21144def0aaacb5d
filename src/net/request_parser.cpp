#include "net/request_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <charconv>
#include <limits>

namespace atelier::net {
namespace {

namespace http = boost::beast::http;
using ParseCode = boost::system::error_code;

std::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorCode::kInvalidRequest, "Malformed HTTP request: " + std::string(what) + ".");
}

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

// Chunked alone, or nothing: any other coding, or a list, is where servers and proxies disagree.
Result<void> read_framing(RequestHead& head) {
  const std::size_t lengths = head.headers.count("content-length");
  const std::size_t codings = head.headers.count("transfer-encoding");
  if (lengths > 1) return malformed("more than one Content-Length");
  if (codings > 1) return malformed("more than one Transfer-Encoding");
  if (lengths + codings > 1) return malformed("both Content-Length and Transfer-Encoding");
  if (codings == 1) {
    if (head.http_minor == 0) return malformed("Transfer-Encoding in HTTP/1.0");
    if (!equal_ignoring_case(head.headers.get("transfer-encoding"), "chunked")) {
      return malformed("a Transfer-Encoding other than chunked");
    }
    head.chunked = true;
  }
  if (lengths == 1) {
    const std::string_view text = head.headers.get("content-length");
    std::uint64_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
      return malformed("a Content-Length that is not a number");
    }
    head.content_length = length;
  }
  return {};
}

Result<void> read_expectation(RequestHead& head) {
  const std::string* expect = head.headers.find("expect");
  if (!expect) return {};
  if (!equal_ignoring_case(*expect, "100-continue")) return malformed("an Expect other than 100-continue");
  head.expects_continue = head.http_minor > 0 && head.has_body();  // HTTP/1.0 does not know it
  return {};
}

}  // namespace

// Printable ASCII, tab and bytes above 0x7f pass; what they may be where is Beast's part.
Result<std::optional<std::size_t>> HeaderScanner::scan(std::string_view buffer) {
  for (; at_ < buffer.size(); ++at_) {
    if (at_ >= limit_) {
      return fail(ErrorCode::kHeadersTooLarge,
                  "The request's header is larger than " + std::to_string(limit_) + " bytes.");
    }
    const char c = buffer[at_];
    if (c == '\r') {
      if (at_ + 1 == buffer.size()) break;  // judged when the next byte is here
      if (buffer[at_ + 1] != '\n') return malformed("a CR without LF in the header");
      if (line_start_ == 0 && at_ == 0) return malformed("an empty request line");
      const bool empty_line = at_ == line_start_;
      ++at_;
      line_start_ = at_ + 1;
      if (empty_line) return line_start_;
    } else if (c == '\n') {
      return malformed("a LF without CR in the header");
    } else if ((c == ' ' || c == '\t') && at_ == line_start_) {
      return malformed("a line that begins with white space");
    } else if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) {
      return malformed("a control character in the header");
    }
  }
  return std::nullopt;
}

namespace {

// Beast's events, collected; only those of the header come.
class HeaderGrammar : public http::basic_parser<true> {
 public:
  HeaderGrammar(RequestHead& head, std::size_t field_limit) : head_(head), field_limit_(field_limit) {
    eager(false);  // stop at the header's end
    body_limit(boost::none);
    header_limit(std::numeric_limits<std::uint32_t>::max());  // HeaderScanner has bounded it
  }

  bool too_many_fields() const { return too_many_fields_; }

 private:
  void on_request_impl(http::verb, boost::beast::string_view method, boost::beast::string_view target, int version,
                       ParseCode& error) override {
    error = {};
    head_.method = view(method);
    head_.target = view(target);
    head_.http_minor = version - 10;  // Beast takes 10 and 11 only
  }
  void on_field_impl(http::field, boost::beast::string_view name, boost::beast::string_view value,
                     ParseCode& error) override {
    error = {};
    too_many_fields_ = head_.headers.size() >= field_limit_;
    if (too_many_fields_) {
      error = http::error::header_limit;
    } else {
      head_.headers.add(std::string(view(name)), std::string(view(value)));
    }
  }
  void on_header_impl(ParseCode& error) override { error = {}; }
  void on_finish_impl(ParseCode& error) override { error = {}; }

  // A parser of whole messages would need these.
  void on_response_impl(int, boost::beast::string_view, int, ParseCode& error) override { error = {}; }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, ParseCode& error) override { error = {}; }
  std::size_t on_body_impl(boost::beast::string_view, ParseCode& error) override {
    error = {};
    return 0;
  }
  void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, ParseCode& error) override { error = {}; }
  std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view, ParseCode& error) override {
    error = {};
    return 0;
  }

  RequestHead& head_;
  std::size_t field_limit_;
  bool too_many_fields_ = false;
};

}  // namespace

Result<void> RequestParser::parse_head(std::string_view header, RequestHead& head) {
  HeaderGrammar grammar(head, limits_.header_count);
  ParseCode error;
  grammar.put(boost::asio::buffer(header.data(), header.size()), error);
  if (grammar.too_many_fields()) {
    return fail(ErrorCode::kHeadersTooLarge,
                "The request has more than " + std::to_string(limits_.header_count) + " header fields.");
  }
  if (error) return malformed(error.message());
  if (!grammar.is_header_done()) return malformed("an incomplete header");
  if (auto framing = read_framing(head); !framing) return framing;
  if (auto expectation = read_expectation(head); !expectation) return expectation;
  const std::size_t hosts = head.headers.count("host");
  if (hosts > 1 || (hosts == 0 && head.http_minor > 0)) return malformed("not exactly one Host field");
  head.keep_alive = grammar.keep_alive();
  if (head.chunked) chunks_.emplace(limits_.body_bytes);
  left_ = head.content_length.value_or(0);
  return {};
}

Result<std::size_t> RequestParser::parse_body(std::string_view input, std::string& body) {
  if (chunks_) return chunks_->decode(input, body);
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
  body.append(input, 0, count);
  left_ -= count;
  return count;
}

bool RequestParser::done() const { return chunks_ ? chunks_->done() : left_ == 0; }

}  // namespace atelier::net
