#include "net/router.h"

#include <algorithm>
#include <stdexcept>

namespace atelier::net {
namespace {

std::string join(std::vector<std::string>::const_iterator from, std::vector<std::string>::const_iterator to) {
  std::string out;
  for (; from != to; ++from) {
    if (!out.empty()) out.push_back('/');
    out.append(*from);
  }
  return out;
}

std::string allow_list(const std::vector<std::string_view>& methods) {
  std::string out;
  for (const std::string_view method : methods) {
    if (!out.empty()) out.append(", ");
    out.append(method);
    if (method == "GET") out.append(", HEAD");
  }
  return out;
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
  const auto refuse = [&](const char* why) {
    throw std::invalid_argument("route " + std::string(method) + " " + std::string(pattern) + ": " + why);
  };
  if (method.empty() || !handler) refuse("needs a method and a handler");
  if (pattern.empty() || pattern.front() != '/') refuse("must begin with '/'");
  Route route{std::string(method), std::string(pattern), {}, std::move(handler)};
  std::string_view rest = pattern.substr(1);
  while (!rest.empty()) {
    if (!route.segments.empty() && route.segments.back().kind == Kind::kRest) refuse("{name...} must be last");
    std::string_view text = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    if (text.empty()) refuse("has an empty segment");
    Kind kind = Kind::kLiteral;
    if (text.front() == '{' && text.back() == '}') {
      text = text.substr(1, text.size() - 2);
      kind = text.ends_with("...") ? Kind::kRest : Kind::kOne;
      if (kind == Kind::kRest) text.remove_suffix(3);
      if (text.empty()) refuse("has a capture without a name");
    }
    route.segments.push_back({kind, std::string(text)});
  }
  for (const Route& other : routes_) {
    if (other.method == route.method && !more_specific(other, route) && !more_specific(route, other) &&
        std::ranges::equal(other.segments, route.segments, [](const Segment& a, const Segment& b) {
          return a.kind == b.kind && (a.kind != Kind::kLiteral || a.text == b.text);
        })) {
      refuse("is there already");
    }
  }
  routes_.push_back(std::move(route));
}

bool Router::matches(const Route& route, const std::vector<std::string>& segments) {
  const bool open_end = !route.segments.empty() && route.segments.back().kind == Kind::kRest;
  if (open_end ? segments.size() < route.segments.size() : segments.size() != route.segments.size()) return false;
  for (std::size_t i = 0; i < route.segments.size(); ++i) {
    if (route.segments[i].kind == Kind::kLiteral && route.segments[i].text != segments[i]) return false;
  }
  return true;
}

// Both match the same path.
bool Router::more_specific(const Route& a, const Route& b) {
  return std::ranges::lexicographical_compare(a.segments, b.segments, {}, &Segment::kind, &Segment::kind);
}

Router::Match Router::match(std::string_view method, const std::vector<std::string>& segments) const {
  Match match;
  const Route* best = nullptr;
  std::vector<std::string_view> methods;
  for (const Route& route : routes_) {
    if (!matches(route, segments)) continue;
    if (std::ranges::find(methods, route.method) == methods.end()) methods.push_back(route.method);
    const bool answers = route.method == method || (method == "HEAD" && route.method == "GET");
    if (answers && (!best || more_specific(route, *best))) best = &route;
  }
  match.allow = allow_list(methods);
  if (!best) return match;
  match.handler = &best->handler;
  match.pattern = best->pattern;
  for (std::size_t i = 0; i < best->segments.size(); ++i) {
    const Segment& segment = best->segments[i];
    const auto at = segments.begin() + static_cast<std::ptrdiff_t>(i);
    if (segment.kind == Kind::kOne) match.captures.emplace_back(segment.text, *at);
    if (segment.kind == Kind::kRest) match.captures.emplace_back(segment.text, join(at, segments.end()));
  }
  return match;
}

}  // namespace atelier::net
