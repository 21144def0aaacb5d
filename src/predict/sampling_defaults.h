// Fills in what a request leaves open: the model's own defaults (model.yaml), then the application's, which are
// those of LM Studio's published configuration schema (rest-api §9).
#pragma once

#include "models/defaults.h"
#include "runtime/generation.h"

namespace atelier::predict {

void apply_sampling_defaults(runtime::Sampling& sampling, const models::SamplingDefaults& model);

}  // namespace atelier::predict
