#include "engine/ranking_head.h"

#include <gguf.h>

#include <memory>

namespace atelier::engine {

bool may_have_ranking_head(const std::string& path) {
  const std::unique_ptr<gguf_context, decltype(&gguf_free)> file(
      gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = nullptr}), gguf_free);
  if (!file || gguf_find_key(file.get(), "split.count") >= 0) return true;
  for (const char* tensor : {"cls.weight", "cls.output.weight"}) {
    if (gguf_find_tensor(file.get(), tensor) >= 0) return true;
  }
  return false;
}

}  // namespace atelier::engine
