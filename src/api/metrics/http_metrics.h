// Counts the requests that the server answered, for GET /metrics. Labels come from our own routes and statuses alone,
// never from what a client wrote. Loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "base/metrics.h"
#include "net/http_server.h"

namespace atelier::api {

class HttpMetrics {
 public:
  void record(const net::AccessRecord& record);
  void write(metrics::Text& text) const;

 private:
  std::map<std::tuple<std::string, std::string, int>, std::uint64_t> requests_;  // method, route, status
  std::map<std::string, metrics::Histogram> seconds_;                            // by route
};

}  // namespace atelier::api
