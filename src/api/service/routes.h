// Routes about the program itself (rest-api §2, §13.10; decisions: the service): discovery and health, the
// server's state, and, on the control listener alone, its HTTP listener and its end.
#pragma once

#include "api/context.h"
#include "api/service/control.h"
#include "net/router.h"

namespace atelier::api::service {

// The name of the listener on which the service may be controlled (net::Request::listener).
inline constexpr const char* kControlListener = "control";

// Both must outlive the router.
void add_routes(net::Router& router, const ApiContext& context, const ServiceControl& control);

}  // namespace atelier::api::service
