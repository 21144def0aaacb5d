#include "engine/dry_penalty.h"

#include <llama.h>

#include <utility>

#include "engine/invariant.h"

namespace atelier::engine {

void SamplerDeleter::operator()(llama_sampler* sampler) const { llama_sampler_free(sampler); }

void DryPenalty::accept(std::int32_t token) {
  llama_sampler_accept(sampler_.get(), token);
  window_.push(token);
}

void DryPenalty::apply(std::span<float> logits) {
  std::vector<llama_token_data> seen;
  seen.reserve(window_.counts().size());
  for (const auto& [token, count] : window_.counts()) {
    seen.push_back({token, logits[static_cast<std::size_t>(token)], 0});
  }
  llama_token_data_array array{seen.data(), seen.size(), -1, false};
  llama_sampler_apply(sampler_.get(), &array);
  for (std::size_t i = 0; i < array.size; ++i) {
    logits[static_cast<std::size_t>(array.data[i].id)] = array.data[i].logit;
  }
}

std::unique_ptr<DryPenalty> DryFactory::make(DrySettings settings, std::uint32_t context_length) {
  if (settings.last_n < 0 || static_cast<std::uint32_t>(settings.last_n) > context_length) {
    settings.last_n = static_cast<std::int32_t>(context_length);
  }
  if (!last_ || !(settings == last_settings_)) {
    std::vector<const char*> breakers;
    breakers.reserve(settings.sequence_breakers.size());
    for (const std::string& breaker : settings.sequence_breakers) breakers.push_back(breaker.c_str());
    last_.reset(llama_sampler_init_dry(vocab_, settings.multiplier, settings.base, settings.allowed_length,
                                       settings.last_n, breakers.data(), breakers.size()));
    last_settings_ = settings;
  }
  ENGINE_INVARIANT(last_ != nullptr);
  return std::make_unique<DryPenalty>(SamplerHandle(llama_sampler_clone(last_.get())),
                                      static_cast<std::size_t>(settings.last_n));
}

}  // namespace atelier::engine
