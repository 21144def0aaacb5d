// GET /metrics: the program, its requests, its predictions and its engines, as Prometheus reads them (rest-api §2).
#pragma once

#include <chrono>
#include <string>

#include "api/context.h"
#include "api/metrics/http_metrics.h"
#include "net/router.h"

namespace atelier::api {

struct MetricsSources {
  const HttpMetrics& http;
  std::string version;
  // An engine that has not said what it counts by then is left out, but for atelier_engine_up. An engine answers
  // between two of its steps.
  std::chrono::milliseconds engine_time{2'000};
};

// Both must outlive the router.
void add_metrics_route(net::Router& router, const ApiContext& context, const MetricsSources& sources);

}  // namespace atelier::api
