// Names for pieces of a KV cache that outlive their cells.
//
// A sequence is cut into blocks of kBlockTokens tokens from its beginning on. What a block's cells hold follows from the
// model, its settings and all tokens up to the block's end; so its key is a hash over these: of the block before it (for
// the first: of the model and its settings) and of its own tokens. Equal keys mean equal contents, whatever prompt they
// were computed for; a prompt's keys say what of it is there, from its beginning on (as in vLLM's prefix caching).
//
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/sha256.h"

namespace atelier::wire {
class Load;
class LoadConfig;
}  // namespace atelier::wire

namespace atelier::engine {

inline constexpr std::size_t kBlockTokens = 64;

using BlockKey = Sha256Digest;

struct BlockKeyHash {
  std::size_t operator()(const BlockKey& key) const {
    std::size_t hash = 0;
    std::memcpy(&hash, key.data(), sizeof hash);
    return hash;
  }
};

// Of one block, or of what begins one (the end of a sequence), behind the block with key `before`; behind the root for the
// first.
BlockKey block_key(const BlockKey& before, std::span<const std::int32_t> tokens);

// Of every whole block of `tokens`, in order.
std::vector<BlockKey> block_keys(const BlockKey& root, std::span<const std::int32_t> tokens);

// What the first block's key begins from: the file (its path, size, time of change and samples of its bytes; all parts
// of a split one) and the settings that change what cells hold, with the library's version. Reads at most a few hundred
// kilobytes. Fails with kIo.
Result<BlockKey> model_root_key(const wire::Load& load, const wire::LoadConfig& applied);

}  // namespace atelier::engine
