// DRY ("don't repeat yourself", p-e-w 2024): lowers tokens that would continue a repetition of what was said.
//
// The search for repetitions is the inference library's own. It is run over the tokens of its window alone,
// because only those can be lowered: no pass over the vocabulary. Setting one up makes the library search the
// whole vocabulary for each breaker, so a DryFactory keeps the last one made and clones it for requests with
// the same settings.
//
// Decode thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/token_window.h"

struct llama_sampler;
struct llama_vocab;

namespace atelier::engine {

struct DrySettings {
  float multiplier = 0;  // 0: off
  float base = 1.75F;
  std::int32_t allowed_length = 2;
  std::int32_t last_n = -1;  // tokens looked at; -1: the whole context
  std::vector<std::string> sequence_breakers = {"\n", ":", "\"", "*"};

  bool operator==(const DrySettings&) const = default;
};

struct SamplerDeleter {
  void operator()(llama_sampler* sampler) const;
};
using SamplerHandle = std::unique_ptr<llama_sampler, SamplerDeleter>;

class DryPenalty {
 public:
  DryPenalty(SamplerHandle sampler, std::size_t window) : sampler_(std::move(sampler)), window_(window) {}

  void accept(std::int32_t token);
  void apply(std::span<float> logits);

 private:
  SamplerHandle sampler_;
  TokenWindow window_;
};

class DryFactory {
 public:
  explicit DryFactory(const llama_vocab* vocab) : vocab_(vocab) {}
  std::unique_ptr<DryPenalty> make(DrySettings settings, std::uint32_t context_length);

 private:
  const llama_vocab* vocab_;
  DrySettings last_settings_;
  SamplerHandle last_;
};

}  // namespace atelier::engine
