// The pure functions that see a request's target and fields: parse_target, query_value, parse_host, the Host and Origin
// rules, is_json_content_type. The input's lines are given to all of them.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "net/access_policy.h"
#include "net/target.h"

namespace {

void require(bool truth) {
  if (!truth) std::abort();
}

void check_target(std::string_view text) {
  using namespace atelier;
  const auto target = net::parse_target(text);
  if (!target) {
    require(target.error().code == ErrorCode::kInvalidRequest);
    return;
  }
  require(utf8::is_valid(target->path));
  if (target->path == "*") return;
  std::string joined;
  for (const std::string& segment : target->segments) {
    require(!segment.empty() && segment != "." && segment != "..");
    for (const char c : segment) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    joined.append("/").append(segment);
  }
  require(target->path == (joined.empty() ? "/" : joined));
  net::query_value(target->query, "a");
}

void check_rules(std::string_view host, std::string_view origin) {
  using namespace atelier;
  static const std::array<std::string, 1> kNames = {"studio.local"};
  const bool host_allowed = net::check_host(host, kNames).has_value();
  const auto parsed = net::parse_host(host);
  require(!host_allowed || (parsed && (parsed->ip_literal || parsed->loopback || parsed->host == kNames[0])));
  const bool origin_allowed = net::check_origin(origin, host, kNames).has_value();
  // An origin that is allowed is on a host that could be allowed, whatever stands around it.
  const std::size_t colon = origin.find("://");
  require(!origin_allowed || colon != std::string_view::npos);
  if (origin_allowed) {
    require(net::check_host(origin.substr(colon + 3), kNames).has_value());
  }
  net::is_json_content_type(origin);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::string_view before;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    check_target(line);
    check_rules(before, line);
    before = line;
  }
  return 0;
}
