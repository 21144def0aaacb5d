// What the weights of a model take beyond their size in the file. Kernels of some processors want them in another order
// (llama.cpp's extra buffer types: AMX, repacked 4-bit blocks), a little larger, and where input and output share one
// matrix the output then has a copy of its own. The library does not say so before it has allocated them, so its
// choice is repeated here by the same questions to the backend. Reads the file's header; any thread, once the library's
// plug-ins are loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace atelier::engine {

struct WeightPlacement {
  std::int32_t layers = 0;      // without the output
  std::int32_t gpu_layers = 0;  // the last ones, the output counted as one more
  // Whether the input's matrix serves as the output's where the file has none for that.
  bool has_output = true;
};

struct WeightBytes {
  std::uint64_t beyond_file = 0;
  std::uint64_t on_gpu = 0;
};

// `files`: all parts. A file that cannot be read adds nothing.
WeightBytes weight_bytes(const std::vector<std::filesystem::path>& files, const WeightPlacement& placement);

}  // namespace atelier::engine
