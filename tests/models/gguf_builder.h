// Writes small GGUF files for tests, byte for byte as the format has them; wrong ones too.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace atelier::models {

class GgufBuilder {
 public:
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;

  GgufBuilder& text(std::string_view key, std::string_view value) { return pair(key, 8, string_bytes(value)); }
  GgufBuilder& u32(std::string_view key, std::uint32_t value) { return pair(key, 4, raw(value)); }
  GgufBuilder& u64(std::string_view key, std::uint64_t value) { return pair(key, 10, raw(value)); }
  GgufBuilder& i32(std::string_view key, std::int32_t value) { return pair(key, 5, raw(value)); }
  GgufBuilder& u16(std::string_view key, std::uint16_t value) { return pair(key, 2, raw(value)); }
  GgufBuilder& f32(std::string_view key, float value) { return pair(key, 6, raw(value)); }
  GgufBuilder& boolean(std::string_view key, bool value) { return pair(key, 7, raw<std::uint8_t>(value)); }
  GgufBuilder& texts(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes = raw<std::uint32_t>(8) + raw<std::uint64_t>(values.size());
    for (const auto& value : values) bytes += string_bytes(value);
    return pair(key, 9, bytes);
  }
  GgufBuilder& i32s(std::string_view key, const std::vector<std::int32_t>& values) {
    std::string bytes = raw<std::uint32_t>(5) + raw<std::uint64_t>(values.size());
    for (const auto value : values) bytes += raw(value);
    return pair(key, 9, bytes);
  }
  GgufBuilder& pair(std::string_view key, std::uint32_t type, std::string_view value) {
    pairs_ += string_bytes(key) + raw(type);
    pairs_ += value;
    ++pair_count_;
    return *this;
  }

  // `block` and `bytes` are the type's: elements in a block, bytes of a block.
  GgufBuilder& tensor(std::string_view name, const std::vector<std::uint64_t>& dimensions, std::uint32_t type = 0,
                      std::uint64_t block = 1, std::uint64_t bytes = 4) {
    std::uint64_t elements = 1;
    tensors_ += string_bytes(name) + raw(static_cast<std::uint32_t>(dimensions.size()));
    for (const auto extent : dimensions) {
      tensors_ += raw(extent);
      elements *= extent;
    }
    tensors_ += raw(type) + raw(data_bytes_);
    data_bytes_ += (elements / block * bytes + alignment - 1) / alignment * alignment;
    ++tensor_count_;
    return *this;
  }

  std::string build() const {
    std::string out = "GGUF" + raw(version) + raw(tensor_count_) + raw(pair_count_) + pairs_ + tensors_;
    if (tensor_count_ > 0) {
      out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
      out.resize(out.size() + data_bytes_, '\x11');
    }
    return out;
  }

  template <class T>
  static std::string raw(T value) {
    std::string bytes(sizeof(T), '\0');
    std::memcpy(bytes.data(), &value, sizeof(T));
    return bytes;
  }
  static std::string string_bytes(std::string_view text) { return raw<std::uint64_t>(text.size()) + std::string(text); }

 private:
  std::string pairs_;
  std::string tensors_;
  std::uint64_t pair_count_ = 0;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t data_bytes_ = 0;
};

// A Llama-shaped model with all that the catalog reads: 2 layers, 4 heads of 8, 2 KV heads, 6 tokens.
inline GgufBuilder llama_model(std::uint32_t file_type = 15, std::string_view name = "") {
  GgufBuilder builder;
  builder.text("general.architecture", "llama").u32("general.file_type", file_type);
  if (!name.empty()) builder.text("general.name", name);
  builder.u32("llama.context_length", 4096)
      .u32("llama.embedding_length", 32)
      .u32("llama.block_count", 2)
      .u32("llama.feed_forward_length", 64)
      .u32("llama.attention.head_count", 4)
      .u32("llama.attention.head_count_kv", 2)
      .text("tokenizer.ggml.model", "gpt2")
      .texts("tokenizer.ggml.tokens", {"a", "b", "<s>", "</s>", "<|im_end|>", "<pad>"})
      .u32("tokenizer.ggml.bos_token_id", 2)
      .u32("tokenizer.ggml.eos_token_id", 3)
      .u32("tokenizer.ggml.eot_token_id", 4)
      .boolean("tokenizer.ggml.add_bos_token", true)
      .text("tokenizer.chat_template", "{{ messages }}")
      .tensor("token_embd.weight", {32, 6}, 0)
      .tensor("blk.0.attn_q.weight", {32, 32}, 8, 32, 34)
      .tensor("blk.0.attn_norm.weight", {32}, 0);
  return builder;
}

inline GgufBuilder bert_model() {
  GgufBuilder builder;
  builder.text("general.architecture", "nomic-bert")
      .u32("general.file_type", 15)
      .u32("nomic-bert.context_length", 2048)
      .u32("nomic-bert.embedding_length", 32)
      .u32("nomic-bert.block_count", 2)
      .u32("nomic-bert.attention.head_count", 4)
      .boolean("nomic-bert.attention.causal", false)
      .u32("nomic-bert.pooling_type", 1)
      .tensor("token_embd.weight", {32, 6}, 0);
  return builder;
}

inline GgufBuilder projector() {
  GgufBuilder builder;
  builder.text("general.architecture", "clip")
      .text("general.type", "mmproj")
      .boolean("clip.has_vision_encoder", true)
      .tensor("v.patch_embd.weight", {32, 6}, 0);
  return builder;
}

}  // namespace atelier::models
