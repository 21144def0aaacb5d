#include "engine/kv_blocks.h"

#include <fmt/format.h>
#include <llama.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/files.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

namespace {

constexpr std::size_t kSamples = 64;
constexpr std::size_t kSampleBytes = 4096;

Result<void> add_file(Sha256& hash, const std::filesystem::path& path) {
  const auto file = files::ReadableFile::open(path);
  if (!file) return std::unexpected(file.error());
  const files::Identity& identity = file->identity();
  hash.add(fmt::format("{}\n{} {}\n", path.string(), identity.size, identity.mtime_ns));
  std::vector<char> sample(kSampleBytes);
  for (std::size_t i = 0; i < kSamples; ++i) {
    const std::uint64_t last = identity.size > kSampleBytes ? identity.size - kSampleBytes : 0;
    const auto got = file->read_at(last / (kSamples - 1) * i, sample.data(), sample.size());
    if (!got) return std::unexpected(got.error());
    hash.add(std::string_view(sample.data(), *got));
  }
  return {};
}

// The parts of a split model beside its first; the file itself where it is one.
Result<std::vector<std::filesystem::path>> parts_of(const std::filesystem::path& first) {
  char prefix[4096];
  const std::string name = first.string();
  const std::size_t at = name.rfind("-of-");
  const int count = at == std::string::npos ? 0 : static_cast<int>(std::strtol(name.c_str() + at + 4, nullptr, 10));
  if (count < 2 || llama_split_prefix(prefix, sizeof prefix, name.c_str(), 0, count) <= 0) return std::vector{first};
  std::vector<std::filesystem::path> parts;
  for (int i = 0; i < count; ++i) {
    char part[4096];
    llama_split_path(part, sizeof part, prefix, i, count);
    parts.emplace_back(part);
  }
  return parts;
}

}  // namespace

BlockKey block_key(const BlockKey& before, std::span<const std::int32_t> tokens) {
  Sha256 hash;
  hash.add(std::as_bytes(std::span(before)));
  hash.add(std::as_bytes(tokens));
  return hash.finish();
}

std::vector<BlockKey> block_keys(const BlockKey& root, std::span<const std::int32_t> tokens) {
  std::vector<BlockKey> keys;
  keys.reserve(tokens.size() / kBlockTokens);
  const BlockKey* before = &root;
  for (std::size_t end = kBlockTokens; end <= tokens.size(); end += kBlockTokens)
    before = &keys.emplace_back(block_key(*before, tokens.subspan(end - kBlockTokens, kBlockTokens)));
  return keys;
}

Result<BlockKey> model_root_key(const wire::Load& load, const wire::LoadConfig& applied) {
  Sha256 hash;
  hash.add(fmt::format("atelier kv 1, block {}, library {}\n", kBlockTokens, llama_version()));
  const auto parts = parts_of(load.path());
  if (!parts) return std::unexpected(parts.error());
  for (const auto& part : *parts) {
    if (auto added = add_file(hash, part); !added) return std::unexpected(added.error());
  }
  hash.add(fmt::format("{} {} {} {} {} {}\n", applied.k_cache_type(), applied.v_cache_type(),
                       static_cast<int>(applied.flash_attention()), applied.rope_freq_base(), applied.rope_freq_scale(),
                       applied.num_experts()));
  return hash.finish();
}

}  // namespace atelier::engine
