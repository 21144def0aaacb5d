// The JSON that `lms ls --json` and `lms ps --json` print.
#pragma once

#include <string>

#include "base/json.h"
#include "client/types.h"

namespace atelier::cli {

json::Object model_json(const client::Model& model);
// One variant of a model. Only the selected one's size is known.
json::Object variant_json(const client::Model& model, const std::string& variant);
// `now_ms`: milliseconds since 1970, for the time of the last use.
json::Object instance_json(const client::Model& model, const client::LoadedInstance& instance, std::int64_t now_ms);

}  // namespace atelier::cli
