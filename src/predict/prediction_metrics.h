// What predictions have done since the program began, by model, for GET /metrics. Loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/metrics.h"
#include "predict/events.h"

namespace atelier::predict {

class PredictionMetrics {
 public:
  // Models beyond this many are counted together, as "other": a scrape stays small whatever is loaded.
  static constexpr std::size_t kMostModels = 100;

  // An answer's first token, so long after its request.
  void first_token(std::string_view model_key, double seconds);
  void ended(std::string_view model_key, const ChoiceEnded& ended);
  void failed(std::string_view model_key, ErrorCode code);
  void messages_dropped(std::string_view model_key, std::uint64_t count);

  void write(metrics::Text& text) const;

 private:
  struct Model {
    std::map<StopReason, std::uint64_t> ended;
    std::map<ErrorCode, std::uint64_t> failed;
    std::uint64_t prompt_tokens = 0;
    std::uint64_t cached_tokens = 0;
    std::uint64_t completion_tokens = 0;
    std::uint64_t messages_dropped = 0;
    metrics::Histogram queue{metrics::kWaitSeconds};
    metrics::Histogram prompt{metrics::kWaitSeconds};
    metrics::Histogram first_token{metrics::kWaitSeconds};
    metrics::Histogram token{metrics::kTokenSeconds};
  };
  Model& of(std::string_view model_key);

  std::map<std::string, Model, std::less<>> models_;
};

}  // namespace atelier::predict
