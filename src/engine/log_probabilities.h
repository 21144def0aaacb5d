// Log probabilities of one position: natural logarithms of the softmax over the whole vocabulary, of the
// logits after penalties and bias, divided by the temperature (1 at temperature 0), before any truncation.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace atelier::engine {

struct TokenLogProbability {
  std::int32_t token = 0;
  float logprob = 0;
};

struct TokenLogProbabilities {
  float chosen = 0;
  std::vector<TokenLogProbability> top;  // likeliest first; banned tokens are not among them
};

// `chosen` must be inside the vocabulary. A chosen token that cannot come gets the lowest float, not -inf.
TokenLogProbabilities log_probabilities(std::span<const float> logits, float temperature, std::int32_t chosen,
                                        std::size_t top_count);

}  // namespace atelier::engine
