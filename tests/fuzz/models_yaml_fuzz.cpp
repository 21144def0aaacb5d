// Any bytes as model.yaml: an error with a message, or defaults within their ranges.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "models/defaults.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto defaults = atelier::models::parse_model_yaml(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!defaults) {
    if (defaults.error().message.empty()) std::abort();
    return 0;
  }
  const auto& sampling = defaults->sampling;
  if (sampling.temperature && !(*sampling.temperature >= 0 && *sampling.temperature <= 100)) std::abort();
  if (sampling.top_p && !(*sampling.top_p >= 0 && *sampling.top_p <= 1)) std::abort();
  if (defaults->load.context_length == 0u) std::abort();
  return 0;
}
