#include "predict/sampling_defaults.h"

#include <optional>

namespace atelier::predict {
namespace {

template <class T, class U>
void fill(std::optional<T>& target, const std::optional<U>& value) {
  if (!target && value) target = static_cast<T>(*value);
}

}  // namespace

void apply_sampling_defaults(runtime::Sampling& sampling, const models::SamplingDefaults& model) {
  fill(sampling.temperature, model.temperature);
  fill(sampling.top_k, model.top_k);
  fill(sampling.top_p, model.top_p);
  fill(sampling.min_p, model.min_p);
  fill(sampling.typical_p, model.typical_p);
  fill(sampling.repeat_penalty, model.repeat_penalty);
  fill(sampling.repeat_last_n, model.repeat_last_n);
  fill(sampling.presence_penalty, model.presence_penalty);
  fill(sampling.frequency_penalty, model.frequency_penalty);
  fill(sampling.xtc_probability, model.xtc_probability);
  fill(sampling.xtc_threshold, model.xtc_threshold);
  if (!sampling.seed && model.seed && *model.seed >= 0) sampling.seed = static_cast<std::uint64_t>(*model.seed);

  fill(sampling.temperature, std::optional(0.8));
  fill(sampling.top_p, std::optional(0.95));
  fill(sampling.top_k, std::optional(40));
  fill(sampling.min_p, std::optional(0.05));
  fill(sampling.repeat_penalty, std::optional(1.1));
  fill(sampling.repeat_last_n, std::optional(64));
  // A threshold alone means nothing; a probability alone means the usual threshold.
  if (sampling.xtc_probability.value_or(0) > 0) fill(sampling.xtc_threshold, std::optional(0.1));
}

}  // namespace atelier::predict
