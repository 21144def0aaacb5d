// The rules that keep web pages of other origins away from a server on the user's own machine: Host (against
// DNS rebinding), Origin and Content-Type (against cross-site requests). Pure functions on untrusted bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace atelier::net {

struct HostPort {
  std::string host;  // lower case, without brackets and without a dot at the end
  std::optional<std::uint16_t> port;
  bool ip_literal = false;
  bool loopback = false;  // localhost, 127.0.0.0/8 or ::1
};

// "localhost:1234", "[::1]", "10.0.0.5:80"; nothing where the text is no host (RFC 9110 section 7.2).
std::optional<HostPort> parse_host(std::string_view text);

// For listeners on a loopback address: an IP literal, localhost, or one of `names`. A browser that was led here
// by a foreign DNS name sends that name. kHostNotAllowed otherwise.
Result<void> check_host(std::string_view host, std::span<const std::string> names);

// With CORS off: an origin on a loopback host, or the one that the request itself is addressed to (if it is an
// IP literal or one of `names`: any other name may have been rebound to us). kOriginNotAllowed otherwise.
Result<void> check_origin(std::string_view origin, std::string_view host, std::span<const std::string> names);

// application/json, application/….+json, text/json, with any parameters.
bool is_json_content_type(std::string_view content_type);

}  // namespace atelier::net
