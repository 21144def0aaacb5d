// The request target (RFC 9112 section 3.2) taken apart, and the percent-coding of RFC 3986. Pure functions on
// untrusted bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace atelier::net {

struct Target {
  std::vector<std::string> segments;  // decoded; none for "/"
  std::string path;                   // "/" + segments joined by '/'; "*" for the asterisk form
  std::string query;                  // after the first '?', as sent
  std::string authority;              // of the absolute form ("http://HOST/…"), else empty
};

// Accepts the origin form ("/path?query"), the absolute form (http or https) and "*". Empty segments vanish,
// so that doubled slashes and a slash at the end do not matter. Refused (kInvalidRequest): a fragment, a bad
// percent escape, decoded control characters, decoded bytes that are not UTF-8, "." and ".." segments.
Result<Target> parse_target(std::string_view target);

// Every %XX decoded; nothing where an escape is malformed.
std::optional<std::string> percent_decode(std::string_view text);

// The decoded value of the first parameter of that name in "a=1&b=2"; '+' is a space there.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

}  // namespace atelier::net
