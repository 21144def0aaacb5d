// OpenAI's API (rest-api §15): /v1/models, /v1/chat/completions, /v1/completions, /v1/embeddings.
#pragma once

#include "api/context.h"
#include "net/router.h"

namespace atelier::api::openai {

// The context must outlive the router.
void add_routes(net::Router& router, const ApiContext& context);

}  // namespace atelier::api::openai
