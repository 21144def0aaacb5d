// LM Studio's native API, version 1 (rest-api §13): /api/v1/models, /load and /unload.
#pragma once

#include "api/context.h"
#include "net/router.h"

namespace atelier::api::rest_v1 {

// The context must outlive the router.
void add_routes(net::Router& router, const ApiContext& context);

}  // namespace atelier::api::rest_v1
