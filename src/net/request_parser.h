// HTTP/1.1 requests from bytes (RFC 9112), for the server's side of one connection. Boost.Beast's parser does the
// header's grammar; on top of it stands what a server needs that may have another program in front of it: every
// leniency by which two parsers could see two different requests in the same bytes (request smuggling) is refused. No
// sockets and no clocks here: bytes in, values out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/chunk_decoder.h"
#include "net/http_message.h"

namespace atelier::net {

// Finds the end of a request's header in a growing buffer, and refuses bytes that no header may hold as soon
// as they arrive: control characters other than tab, LF without CR before it, CR without LF after it, folded
// lines (RFC 9112 section 5.2 lets a server refuse them).
class HeaderScanner {
 public:
  explicit HeaderScanner(std::size_t limit) : limit_(limit) {}

  // `buffer` begins with the request and grows from call to call. The header's length, its empty last line
  // included; nothing while it is incomplete. kInvalidRequest, or kHeadersTooLarge beyond the limit.
  Result<std::optional<std::size_t>> scan(std::string_view buffer);

 private:
  std::size_t limit_;
  std::size_t at_ = 0;  // bytes before this are checked
  std::size_t line_start_ = 0;
};

struct RequestHead {
  std::string method;
  std::string target;
  int http_minor = 1;
  Headers headers;
  std::optional<std::uint64_t> content_length;  // nothing: no body, or a chunked one
  bool chunked = false;
  bool keep_alive = false;        // what the client wants
  bool expects_continue = false;  // "Expect: 100-continue"

  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

struct ParserLimits {
  std::size_t header_count = 128;
  std::uint64_t body_bytes = 512ull * 1024 * 1024;
};

// One request. Call parse_head once with the whole header, then parse_body until it says that it is done.
class RequestParser {
 public:
  explicit RequestParser(const ParserLimits& limits) : limits_(limits) {}

  // `header` is what HeaderScanner found. kInvalidRequest, or kHeadersTooLarge (too many fields); `head` then
  // holds what was read before the fault. A Content-Length above the body limit is left to the caller to refuse.
  Result<void> parse_head(std::string_view header, RequestHead& head);

  // Takes body bytes from the front of `input`, appends the decoded ones to `body` and gives how many it took: all,
  // unless the body's end came first; the rest is the next request. kInvalidRequest or kBodyTooLarge.
  Result<std::size_t> parse_body(std::string_view input, std::string& body);
  bool done() const;

 private:
  ParserLimits limits_;
  std::optional<ChunkDecoder> chunks_;
  std::uint64_t left_ = 0;  // of a body with Content-Length
};

}  // namespace atelier::net
