// The service: it owns the models, the control listener and, switchable, the HTTP listener; one for each home of
// Atelier. One loop thread runs everything; files and heavy work go to a pool of two threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"

namespace atelier::app {

struct ServiceOptions {
  bool open_http = false;             // open the HTTP listener at the start, and fail where that fails
  std::optional<std::uint16_t> port;  // for it; absent: the last one used, else 1234
  std::optional<std::string> host;    // absent: $LMS_SERVER_HOST, the last one used, else 127.0.0.1
  std::optional<bool> cors;
  bool allow_unauthenticated = false;  // permit an address that others can reach
  bool end_with_http = false;          // end the service when its HTTP listener is closed
  bool log_to_console = false;
};

// Runs until SIGTERM, SIGINT or a request to shut down; a second signal ends it at once. Returns the exit code;
// what went wrong has been said on standard error.
int run_service(const ServiceOptions& options);

}  // namespace atelier::app
