// Any bytes: parsing ends in a value or an error, and a value that was written can be read back, equal to the first and
// written the same again. Depth and size limits hold for what was written too.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"

namespace json = atelier::json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto first = json::parse(text);
  if (!first) {
    if (first.error().message.empty()) std::abort();
    return 0;
  }
  const std::string written = json::dump(*first);
  const auto second = json::parse(written);
  if (!second || !(*second == *first) || json::dump(*second) != written) std::abort();

  // The form that escapes everything and the form for people say the same.
  json::DumpOptions escaped;
  escaped.ensure_ascii = true;
  escaped.indent = 2;
  const auto third = json::parse(json::dump(*first, escaped));
  if (!third || json::dump(*third) != written) std::abort();
  return 0;
}
