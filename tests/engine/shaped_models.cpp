#include "tests/engine/shaped_models.h"

#include <ggml.h>
#include <gguf.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <random>
#include <stdexcept>

#include "tests/engine/test_models.h"

namespace atelier::engine::test {

namespace {

constexpr int kWidth = 64;

// Collects keys and tensors of one model.
class Writer {
 public:
  explicit Writer(const char* architecture)
      : architecture_(architecture),
        out_(gguf_init_empty(), gguf_free),
        tensors_(ggml_init({.mem_size = std::size_t{16} << 20, .mem_buffer = nullptr, .no_alloc = false}), ggml_free),
        source_(gguf_init_from_file(kTinyLlama.c_str(), {.no_alloc = true, .ctx = nullptr}), gguf_free) {
    if (!source_) throw std::runtime_error("no model at " + kTinyLlama + " (run the test fixtures_set first)");
    copy_tokenizer();
    gguf_set_val_str(out_.get(), "general.architecture", architecture);
    gguf_set_val_str(out_.get(), "general.name", architecture);
    set("context_length", 2048);
    set("embedding_length", kWidth);
    gguf_set_val_f32(out_.get(), key("attention.layer_norm_rms_epsilon").c_str(), 1e-5F);
    const auto tokens = gguf_find_key(source_.get(), "tokenizer.ggml.tokens");
    vocabulary_ = static_cast<int>(gguf_get_arr_n(source_.get(), tokens));
  }

  int vocabulary() const { return vocabulary_; }
  void set(const char* name, std::uint32_t value) { gguf_set_val_u32(out_.get(), key(name).c_str(), value); }
  void stretch(float factor, std::uint32_t from) {
    gguf_set_val_str(out_.get(), key("rope.scaling.type").c_str(), "yarn");
    gguf_set_val_f32(out_.get(), key("rope.scaling.factor").c_str(), factor);
    set("rope.scaling.original_context_length", from);
  }
  // One for each layer.
  void set(const char* name, std::initializer_list<std::uint32_t> values) {
    gguf_set_arr_data(out_.get(), key(name).c_str(), GGUF_TYPE_UINT32, std::data(values), values.size());
  }
  // Normal with a spread that keeps signals about as large as they came.
  void add_random(const std::string& name, std::initializer_list<std::int64_t> shape) {
    const float spread = 1 / std::sqrt(static_cast<float>(*shape.begin()));
    add(name, shape, [&] { return std::normal_distribution<float>(0, spread)(random_); });
  }
  void add_filled(const std::string& name, std::initializer_list<std::int64_t> shape, float value) {
    add(name, shape, [=] { return value; });
  }
  void write(const std::string& path) {
    if (!gguf_write_to_file(out_.get(), path.c_str(), false)) throw std::runtime_error("cannot write " + path);
  }

 private:
  std::string key(const char* name) const { return architecture_ + "." + name; }

  // All keys, less those of the shape.
  void copy_tokenizer() {
    gguf_set_kv(out_.get(), source_.get());
    for (std::int64_t i = gguf_get_n_kv(out_.get()) - 1; i >= 0; --i) {
      const std::string name = gguf_get_key(out_.get(), i);
      if (!name.starts_with("tokenizer.")) gguf_remove_key(out_.get(), name.c_str());
    }
  }

  void add(const std::string& name, std::initializer_list<std::int64_t> shape, const std::function<float()>& value) {
    ggml_tensor* tensor =
        ggml_new_tensor(tensors_.get(), GGML_TYPE_F32, static_cast<int>(shape.size()), std::data(shape));
    ggml_set_name(tensor, name.c_str());
    auto* data = static_cast<float*>(tensor->data);
    for (std::int64_t i = 0; i < ggml_nelements(tensor); ++i) data[i] = value();
    gguf_add_tensor(out_.get(), tensor);
  }

  std::string architecture_;
  std::unique_ptr<gguf_context, decltype(&gguf_free)> out_;
  std::unique_ptr<ggml_context, decltype(&ggml_free)> tensors_;
  std::unique_ptr<gguf_context, decltype(&gguf_free)> source_;
  int vocabulary_ = 0;
  std::mt19937 random_{1};
};

void write_sliding_window(const std::string& path) {
  constexpr int kLayers = 6;
  constexpr int kHead = 32;
  constexpr int kHeads = 2;
  constexpr int kFeedForward = 96;
  Writer out("gemma3");
  out.set("block_count", kLayers);
  out.set("feed_forward_length", kFeedForward);
  out.set("attention.head_count", kHeads);
  out.set("attention.head_count_kv", 1);
  out.set("attention.key_length", kHead);
  out.set("attention.value_length", kHead);
  out.set("attention.sliding_window", kWindow);
  out.add_random("token_embd.weight", {kWidth, out.vocabulary()});
  out.add_filled("output_norm.weight", {kWidth}, 1);
  for (int layer = 0; layer < kLayers; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    for (const char* norm : {"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"}) {
      out.add_filled(name + norm + ".weight", {kWidth}, 1);
    }
    out.add_filled(name + "attn_q_norm.weight", {kHead}, 1);
    out.add_filled(name + "attn_k_norm.weight", {kHead}, 1);
    out.add_random(name + "attn_q.weight", {kWidth, kHead * kHeads});
    out.add_random(name + "attn_k.weight", {kWidth, kHead});
    out.add_random(name + "attn_v.weight", {kWidth, kHead});
    out.add_random(name + "attn_output.weight", {kHead * kHeads, kWidth});
    out.add_random(name + "ffn_gate.weight", {kWidth, kFeedForward});
    out.add_random(name + "ffn_up.weight", {kWidth, kFeedForward});
    out.add_random(name + "ffn_down.weight", {kFeedForward, kWidth});
  }
  out.write(path);
}

void write_plain(const std::string& architecture, const std::string& path) {
  constexpr int kLayers = 4;
  constexpr int kHead = 32;
  constexpr int kHeads = 2;
  constexpr int kFeedForward = 96;
  Writer out(architecture.c_str());
  out.set("block_count", kLayers);
  out.set("feed_forward_length", kFeedForward);
  out.set("attention.head_count", kHeads);
  out.set("attention.head_count_kv", 1);
  out.set("rope.dimension_count", kHead);
  if (architecture == "llama") out.stretch(4, 512);
  out.add_random("token_embd.weight", {kWidth, out.vocabulary()});
  out.add_filled("output_norm.weight", {kWidth}, 1);
  for (int layer = 0; layer < kLayers; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    out.add_filled(name + "attn_norm.weight", {kWidth}, 1);
    out.add_filled(name + "ffn_norm.weight", {kWidth}, 1);
    out.add_random(name + "attn_q.weight", {kWidth, kHead * kHeads});
    out.add_random(name + "attn_k.weight", {kWidth, kHead});
    out.add_random(name + "attn_v.weight", {kWidth, kHead});
    out.add_random(name + "attn_output.weight", {kHead * kHeads, kWidth});
    out.add_random(name + "ffn_gate.weight", {kWidth, kFeedForward});
    out.add_random(name + "ffn_up.weight", {kWidth, kFeedForward});
    out.add_random(name + "ffn_down.weight", {kFeedForward, kWidth});
  }
  out.write(path);
}

void write_recurrent(const std::string& path) {
  constexpr int kLayers = 2;
  constexpr int kInner = 2 * kWidth;
  constexpr int kState = 16;
  constexpr int kConvolution = 4;
  constexpr int kRank = 4;
  Writer out("mamba");
  out.set("block_count", kLayers);
  out.set("feed_forward_length", 0);
  out.set("attention.head_count", 0);
  out.set("ssm.conv_kernel", kConvolution);
  out.set("ssm.inner_size", kInner);
  out.set("ssm.state_size", kState);
  out.set("ssm.time_step_rank", kRank);
  out.add_random("token_embd.weight", {kWidth, out.vocabulary()});
  out.add_filled("output_norm.weight", {kWidth}, 1);
  for (int layer = 0; layer < kLayers; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    out.add_filled(name + "attn_norm.weight", {kWidth}, 1);
    out.add_random(name + "ssm_in.weight", {kWidth, 2 * kInner});
    out.add_random(name + "ssm_conv1d.weight", {kConvolution, kInner});
    out.add_filled(name + "ssm_conv1d.bias", {kInner}, 0.1F);
    out.add_random(name + "ssm_x.weight", {kInner, kRank + 2 * kState});
    out.add_random(name + "ssm_dt.weight", {kRank, kInner});
    out.add_filled(name + "ssm_dt.bias", {kInner}, 0.1F);
    // Negative: the state fades.
    out.add_filled(name + "ssm_a", {kState, kInner}, -0.2F);
    out.add_filled(name + "ssm_d", {kInner}, 1);
    out.add_random(name + "ssm_out.weight", {kInner, kWidth});
  }
  out.write(path);
}

void write_hybrid(const std::string& path) {
  constexpr std::uint32_t kHeadsOfLayers[] = {0, 1, 0};  // none: a convolution
  constexpr int kHead = 32;
  constexpr int kHeads = 2;
  constexpr int kConvolution = 3;
  constexpr int kFeedForward = 96;
  Writer out("lfm2");
  out.set("block_count", std::size(kHeadsOfLayers));
  out.set("feed_forward_length", kFeedForward);
  out.set("attention.head_count", kHeads);
  out.set("attention.head_count_kv", {kHeadsOfLayers[0], kHeadsOfLayers[1], kHeadsOfLayers[2]});
  out.set("shortconv.l_cache", kConvolution);
  out.add_random("token_embd.weight", {kWidth, out.vocabulary()});
  out.add_filled("token_embd_norm.weight", {kWidth}, 1);
  for (std::size_t layer = 0; layer < std::size(kHeadsOfLayers); ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    for (const char* norm : {"attn_norm", "ffn_norm"}) out.add_filled(name + norm + ".weight", {kWidth}, 1);
    if (kHeadsOfLayers[layer] == 0) {
      out.add_random(name + "shortconv.conv.weight", {kConvolution, kWidth});
      out.add_random(name + "shortconv.in_proj.weight", {kWidth, 3 * kWidth});
      out.add_random(name + "shortconv.out_proj.weight", {kWidth, kWidth});
    } else {
      out.add_filled(name + "attn_q_norm.weight", {kHead}, 1);
      out.add_filled(name + "attn_k_norm.weight", {kHead}, 1);
      out.add_random(name + "attn_q.weight", {kWidth, kHead * kHeads});
      out.add_random(name + "attn_k.weight", {kWidth, kHead});
      out.add_random(name + "attn_v.weight", {kWidth, kHead});
      out.add_random(name + "attn_output.weight", {kHead * kHeads, kWidth});
    }
    out.add_random(name + "ffn_gate.weight", {kWidth, kFeedForward});
    out.add_random(name + "ffn_up.weight", {kWidth, kFeedForward});
    out.add_random(name + "ffn_down.weight", {kFeedForward, kWidth});
  }
  out.write(path);
}

}  // namespace

ShapedModel::ShapedModel(MemoryKind kind) {
  std::string folder = (std::filesystem::temp_directory_path() / "atelier-shaped-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
  folder_ = folder;
  path_ = folder_ + "/model.gguf";
  switch (kind) {
    case MemoryKind::kSlidingWindow: write_sliding_window(path_); break;
    case MemoryKind::kRecurrent: write_recurrent(path_); break;
    case MemoryKind::kYarn: write_plain("llama", path_); break;
    case MemoryKind::kNoPositions: write_plain("smollm3", path_); break;
    case MemoryKind::kHybrid: write_hybrid(path_); break;
  }
}

ShapedModel::~ShapedModel() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace atelier::engine::test
