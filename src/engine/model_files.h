// The files that make up one model. Any thread.
#pragma once

#include <filesystem>
#include <vector>

namespace atelier::engine {

// The named file, or all parts of a split model ("NAME-00001-of-00003.gguf") that are there, in order. What is named
// comes first in any case, there or not.
std::vector<std::filesystem::path> model_parts(const std::filesystem::path& path);

}  // namespace atelier::engine
