// Models and loads as the native API writes and reads them (rest-api §13.5 to §13.7). Pure functions.
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "predict/model_service.h"

namespace atelier::api::rest_v1 {

json::Value model_json(const predict::ModelDescription& model);

struct LoadCall {
  predict::ModelLoadRequest request;
  bool echo_load_config = false;
  bool estimate_only = false;
};
Result<LoadCall> decode_load(const json::Object& body);

// The answer to a load; `type` is its first member.
json::Object loaded_json(const predict::LoadedModel& loaded, bool echo_load_config);
json::Value estimate_json(const predict::LoadEstimate& estimate);

}  // namespace atelier::api::rest_v1
