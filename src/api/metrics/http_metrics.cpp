#include "api/metrics/http_metrics.h"

#include <algorithm>
#include <string_view>

namespace atelier::api {
namespace {

using metrics::Type;

// Of requests that no route matched.
constexpr std::string_view kNoRoute = "none";

std::string known_method(const std::string& method) {
  constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  return std::ranges::find(kMethods, method) != std::end(kMethods) ? method : "other";
}

}  // namespace

void HttpMetrics::record(const net::AccessRecord& record) {
  const std::string route = record.route.empty() ? std::string(kNoRoute) : record.route;
  ++requests_[{known_method(record.method), route, record.status}];
  const auto seconds = seconds_.try_emplace(route, metrics::kWaitSeconds).first;
  seconds->second.observe(std::chrono::duration<double>(record.duration).count());
}

void HttpMetrics::write(metrics::Text& text) const {
  text.family("atelier_http_requests_total", Type::kCounter,
              "Requests that were answered. Route none: no route matched; status 499: the client went away first.");
  for (const auto& [labels, count] : requests_) {
    const auto& [method, route, status] = labels;
    text.sample({{"method", method}, {"route", route}, {"status", std::to_string(status)}}, count);
  }
  text.family("atelier_http_request_seconds", Type::kHistogram,
              "From a request's header to the end of its answer, streams included.");
  for (const auto& [route, seconds] : seconds_) text.histogram({{"route", route}}, seconds);
}

}  // namespace atelier::api
