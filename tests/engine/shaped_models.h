// Small models with random weights whose memory is of another kind than plain attention, or their positions: written to a file when a
// test wants one. Vocabulary and tokenizer are those of the fixture tiny-llama.
#pragma once

#include <string>

namespace atelier::engine::test {

enum class MemoryKind {
  kSlidingWindow,  // Gemma 3's shape: five layers of six see the last kWindow tokens only
  kRecurrent,      // Mamba's: one state, no cells of single tokens
  kYarn,           // Llama's, with positions stretched by YaRN, which scales what it turns
  kNoPositions,    // SmolLM3's: every fourth layer has no rotary positions
  kHybrid,         // LFM2's: layers with short convolutions, whose state is the last tokens, and one with attention
};
inline constexpr int kWindow = 32;

// A file in a folder that is removed with it.
class ShapedModel {
 public:
  explicit ShapedModel(MemoryKind kind);
  ~ShapedModel();
  ShapedModel(const ShapedModel&) = delete;
  ShapedModel& operator=(const ShapedModel&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string folder_;
  std::string path_;
};

}  // namespace atelier::engine::test
