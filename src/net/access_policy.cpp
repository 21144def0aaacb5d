#include "net/access_policy.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "net/http_message.h"

namespace atelier::net {
namespace {

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

// Sets ip_literal and loopback. `bracketed` tells IPv6 from IPv4 and names.
bool classify(HostPort& result, bool bracketed) {
  if (bracketed) {
    in6_addr address{};
    if (inet_pton(AF_INET6, result.host.c_str(), &address) != 1) return false;
    result.ip_literal = true;
    result.loopback = IN6_IS_ADDR_LOOPBACK(&address) || (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
    return true;
  }
  in_addr address{};
  if (inet_pton(AF_INET, result.host.c_str(), &address) == 1) {
    result.ip_literal = true;
    result.loopback = (ntohl(address.s_addr) >> 24) == 127;
    return true;
  }
  if (result.host.ends_with('.')) result.host.pop_back();
  result.loopback = result.host == "localhost";
  return !result.host.empty() && std::ranges::all_of(result.host, is_name_character);
}

bool is_configured(const std::string& host, std::span<const std::string> names) {
  return std::ranges::any_of(names, [&](const std::string& name) { return equal_ignoring_case(name, host); });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<HostPort> parse_host(std::string_view text) {
  HostPort result;
  const bool bracketed = text.starts_with('[');
  const std::size_t end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
  if (end == std::string_view::npos) return std::nullopt;
  result.host = text.substr(bracketed ? 1 : 0, end - (bracketed ? 1 : 0));
  text.remove_prefix(end + (bracketed ? 1 : 0));
  std::ranges::transform(result.host, result.host.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (!classify(result, bracketed)) return std::nullopt;
  if (text.empty() || text == ":") return result;
  if (text.front() != ':') return std::nullopt;
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data() + 1, text.data() + text.size(), port);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  result.port = port;
  return result;
}

Result<void> check_host(std::string_view host, std::span<const std::string> names) {
  const auto parsed = parse_host(host);
  if (parsed && (parsed->ip_literal || parsed->loopback || is_configured(parsed->host, names))) return {};
  return fail(ErrorCode::kHostNotAllowed,
              "The Host header names a machine that this server is not. Use an IP address or localhost, or add the "
              "name to the server's allowed hosts.");
}

Result<void> check_origin(std::string_view origin, std::string_view host, std::span<const std::string> names) {
  const std::size_t colon = origin.find("://");
  const auto from = colon == std::string_view::npos || colon == 0 ? std::nullopt : parse_host(origin.substr(colon + 3));
  if (from) {
    if (from->loopback) return {};
    const auto to = parse_host(host);
    const std::uint16_t usual = origin.starts_with("https://") ? 443 : 80;
    const bool same = to && to->host == from->host && to->port.value_or(usual) == from->port.value_or(usual);
    if (same && (from->ip_literal || is_configured(from->host, names))) return {};
  }
  return fail(ErrorCode::kOriginNotAllowed,
              "Requests from web pages of other origins are refused. Switch CORS on in the server's settings to allow "
              "them.");
}

bool is_json_content_type(std::string_view content_type) {
  std::string type(trim(content_type.substr(0, content_type.find(';'))));
  if (equal_ignoring_case(type, "application/json") || equal_ignoring_case(type, "text/json")) return true;
  constexpr std::string_view kPrefix = "application/";
  constexpr std::string_view kSuffix = "+json";
  return type.size() > kPrefix.size() + kSuffix.size() &&
         equal_ignoring_case(std::string_view(type).substr(0, kPrefix.size()), kPrefix) &&
         equal_ignoring_case(std::string_view(type).substr(type.size() - kSuffix.size()), kSuffix);
}

}  // namespace atelier::net
