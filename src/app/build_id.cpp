#include "app/build_id.h"

#include <array>
#include <cstdint>
#include <fstream>

#include <fmt/format.h>

#include "base/paths.h"

namespace atelier::app {
namespace {

// FNV-1a over 64-bit words: no defence against forgery is needed, only a difference between builds.
void mix_file(std::uint64_t& hash, const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<std::uint64_t, 8192> words{};
  while (file) {
    words.fill(0);
    file.read(reinterpret_cast<char*>(words.data()), sizeof(words));
    const auto count = (static_cast<std::size_t>(file.gcount()) + 7) / 8;
    for (std::size_t i = 0; i < count; ++i) hash = (hash ^ words[i]) * 0x100000001B3ULL;
  }
}

}  // namespace

std::string build_id(const std::filesystem::path& engine_program) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  if (const auto program = paths::executable()) mix_file(hash, *program);
  mix_file(hash, engine_program);
  return fmt::format("{:016x}", hash);
}

}  // namespace atelier::app
