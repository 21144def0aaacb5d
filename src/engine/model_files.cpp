#include "engine/model_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>

namespace atelier::engine {

std::vector<std::filesystem::path> model_parts(const std::filesystem::path& path) {
  constexpr std::size_t kTail = std::string_view("-00001-of-00003").size();
  constexpr int kMostParts = 10000;
  std::vector<std::filesystem::path> files = {path};
  const std::string stem = path.stem().string();
  int part = 0;
  int parts = 0;
  if (stem.size() < kTail) return files;
  if (std::sscanf(stem.c_str() + stem.size() - kTail, "-%5d-of-%5d", &part, &parts) != 2) return files;
  for (int i = 1; i <= std::min(parts, kMostParts); ++i) {
    const auto file =
        path.parent_path() / fmt::format("{}-{:05}-of-{:05}.gguf", stem.substr(0, stem.size() - kTail), i, parts);
    std::error_code error;
    if (file != path && std::filesystem::exists(file, error)) files.push_back(file);
  }
  return files;
}

}  // namespace atelier::engine
