#include "net/target.h"

#include <algorithm>

#include "base/utf8.h"
#include "net/http_message.h"

namespace atelier::net {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

Result<std::string> decode_segment(std::string_view raw) {
  auto decoded = percent_decode(raw);
  if (!decoded) {
    return fail(ErrorCode::kInvalidRequest,
                "The request path holds a '%' that is not followed by two hexadecimal digits.");
  }
  if (std::ranges::any_of(*decoded, is_control)) {
    return fail(ErrorCode::kInvalidRequest, "The request path holds a control character.");
  }
  if (!utf8::is_valid(*decoded)) return fail(ErrorCode::kInvalidRequest, "The request path is not UTF-8.");
  if (*decoded == "." || *decoded == "..") {
    return fail(ErrorCode::kInvalidRequest, "The request path holds a '.' or '..' segment; send the path resolved.");
  }
  return std::move(*decoded);
}

// Moves the authority of "http://AUTHORITY/…" out of the text. False where the scheme is not ours.
bool take_authority(std::string_view& text, std::string& authority) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(text.substr(0, scheme.size()), scheme)) continue;
    text.remove_prefix(scheme.size());
    const std::size_t end = std::min(text.find_first_of("/?"), text.size());
    authority = text.substr(0, end);
    text.remove_prefix(end);
    return !authority.empty();
  }
  return false;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out.push_back(text[at]);
      continue;
    }
    if (text.size() - at < 3) return std::nullopt;
    const int high = hex_digit(text[at + 1]);
    const int low = hex_digit(text[at + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    at += 2;
  }
  return out;
}

Result<Target> parse_target(std::string_view text) {
  Target target;
  if (text == "*") {
    target.path = "*";
    return target;
  }
  if (text.empty() || (text.front() != '/' && !take_authority(text, target.authority))) {
    return fail(ErrorCode::kInvalidRequest, "The request target must be a path that begins with '/'.");
  }
  if (text.find('#') != std::string_view::npos) {
    return fail(ErrorCode::kInvalidRequest, "The request target must not hold a '#'.");
  }
  if (const std::size_t mark = text.find('?'); mark != std::string_view::npos) {
    target.query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  while (!text.empty()) {
    text.remove_prefix(1);  // a slash
    const std::string_view raw = text.substr(0, text.find('/'));
    text.remove_prefix(raw.size());
    if (raw.empty()) continue;
    auto segment = decode_segment(raw);
    if (!segment) return std::unexpected(std::move(segment.error()));
    target.path.append("/").append(*segment);
    target.segments.push_back(std::move(*segment));
  }
  if (target.path.empty()) target.path = "/";
  return target;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  const auto decode = [](std::string_view raw) {
    std::string text(raw);
    std::ranges::replace(text, '+', ' ');
    return percent_decode(text).value_or(std::string(raw));
  };
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (decode(pair.substr(0, equals)) != name) continue;
    return equals == std::string_view::npos ? std::string() : decode(pair.substr(equals + 1));
  }
  return std::nullopt;
}

}  // namespace atelier::net
