// Any bytes as a GGUF file: an error or an answer that lies within them; facts go through the cache's JSON
// unchanged.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.h"
#include "models/facts.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace atelier::models;
  const MemorySource source(std::string_view(reinterpret_cast<const char*>(data), size));
  const auto file = Gguf::read(source);
  const auto facts = read_facts(source);
  if (!file) {
    require(!facts && !file.error().message.empty());
    return 0;
  }
  for (const GgufTensor& tensor : file->tensors()) {
    require(tensor.offset <= size && tensor.bytes <= size &&
            file->data_offset() + tensor.offset + tensor.bytes <= size);
  }
  for (const auto& [key, value] : file->pairs()) {
    require(file->find(key) == &value);
    if (const auto* array = std::get_if<GgufArray>(&value.data)) require(array->offset + array->bytes <= size);
  }
  if (facts) {
    const auto again = atelier::json::parse(atelier::json::dump(to_json(*facts)));
    require(again && facts_from_json(*again) == *facts);
  }
  return 0;
}
