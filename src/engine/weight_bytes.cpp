#include "engine/weight_bytes.h"

#include <ggml-backend.h>
#include <ggml.h>
#include <gguf.h>

#include <charconv>
#include <memory>
#include <string_view>
#include <system_error>

namespace atelier::engine {

namespace {

using TensorsPtr = std::unique_ptr<ggml_context, decltype(&ggml_free)>;
using BufferPtr = std::unique_ptr<ggml_backend_buffer, decltype(&ggml_backend_buffer_free)>;

// The buffers that the processor's backend would rather have weights in, best first.
std::vector<ggml_backend_buffer_type_t> extra_buffer_types(ggml_backend_dev_t processor) {
  std::vector<ggml_backend_buffer_type_t> types;
  ggml_backend_reg_t backend = ggml_backend_dev_backend_reg(processor);
  const auto get = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(
      ggml_backend_reg_get_proc_address(backend, "ggml_backend_dev_get_extra_bufts"));
  if (get == nullptr) return types;
  ggml_backend_buffer_type_t* all = get(processor);
  for (; all != nullptr && *all != nullptr; ++all) types.push_back(*all);
  return types;
}

// Whether the processor multiplies with these weights where they lie in such a buffer. The shapes are those that the
// library asks with.
bool multiplies(ggml_backend_dev_t processor, ggml_backend_buffer_type_t type, ggml_tensor* weights) {
  constexpr std::int64_t kRows = 512;
  constexpr std::int64_t kExpertsUsed = 2;
  const TensorsPtr scratch(ggml_init({.mem_size = 8 * ggml_tensor_overhead(), .mem_buffer = nullptr, .no_alloc = true}),
                           ggml_free);
  ggml_tensor* product = nullptr;
  if (weights->ne[2] > 1) {
    ggml_tensor* input = ggml_new_tensor_3d(scratch.get(), GGML_TYPE_F32, weights->ne[0], kExpertsUsed, kRows);
    ggml_tensor* experts = ggml_new_tensor_2d(scratch.get(), GGML_TYPE_I32, kExpertsUsed, kRows);
    product = ggml_mul_mat_id(scratch.get(), weights, input, experts);
  } else {
    ggml_tensor* input = ggml_new_tensor_2d(scratch.get(), GGML_TYPE_F32, weights->ne[0], kRows);
    product = ggml_mul_mat(scratch.get(), weights, input);
  }
  const BufferPtr buffer(ggml_backend_buft_alloc_buffer(type, 0), ggml_backend_buffer_free);
  weights->buffer = buffer.get();
  const bool supported = ggml_backend_dev_supports_op(processor, product);
  weights->buffer = nullptr;
  return supported;
}

// "blk.12.attn_q.weight": 12; -1: of no layer.
std::int32_t layer_of(std::string_view name) {
  constexpr std::string_view kLayer = "blk.";
  std::int32_t layer = -1;
  if (name.starts_with(kLayer)) std::from_chars(name.data() + kLayer.size(), name.data() + name.size(), layer);
  return layer;
}

// Matrices that are looked up or convolved with instead of multiplied.
bool is_multiplied(const ggml_tensor* tensor) {
  const std::string_view name = tensor->name;
  if (tensor->ne[1] <= 1 || !name.ends_with(".weight") || layer_of(name) < 0) return false;
  return name.find("ssm_conv1d") == std::string_view::npos && name.find("shortconv.conv") == std::string_view::npos;
}

class Weights {
 public:
  explicit Weights(const WeightPlacement& placement)
      : first_gpu_layer_(placement.layers + 1 - placement.gpu_layers), placement_(placement) {
    processor_ = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (processor_ != nullptr) extra_types_ = extra_buffer_types(processor_);
  }

  void take(ggml_tensor* tensor) {
    const std::string_view name = tensor->name;
    if (name == "token_embd.weight") {
      input_ = tensor;
    } else if (name == "output.weight") {
      has_output_ = true;
      place(tensor, placement_.layers, true);
    } else {
      const std::int32_t layer = layer_of(name);
      place(tensor, layer >= 0 ? layer : placement_.layers, is_multiplied(tensor));
    }
  }

  // While the tensors are there.
  WeightBytes finish() {
    if (input_ != nullptr && !has_output_ && placement_.has_output) {
      if (placement_.gpu_layers > 0) {
        bytes_.on_gpu += ggml_nbytes(input_);
        bytes_.beyond_file += ggml_nbytes(input_);
      } else if (auto type = better_place(input_)) {
        bytes_.beyond_file += ggml_backend_buft_get_alloc_size(type, input_);
      }
    }
    return bytes_;
  }

 private:
  ggml_backend_buffer_type_t better_place(ggml_tensor* tensor) const {
    for (ggml_backend_buffer_type_t type : extra_types_) {
      if (multiplies(processor_, type, tensor)) return type;
    }
    return nullptr;
  }

  void place(ggml_tensor* tensor, std::int32_t layer, bool multiplied) {
    const std::uint64_t in_file = ggml_nbytes(tensor);
    if (placement_.gpu_layers > 0 && layer >= first_gpu_layer_) {
      bytes_.on_gpu += in_file;
      return;
    }
    ggml_backend_buffer_type_t type = multiplied ? better_place(tensor) : nullptr;
    if (type == nullptr) return;
    const std::uint64_t there = ggml_backend_buft_get_alloc_size(type, tensor);
    bytes_.beyond_file += there > in_file ? there - in_file : 0;
  }

  std::int32_t first_gpu_layer_;
  WeightPlacement placement_;
  ggml_backend_dev_t processor_ = nullptr;
  std::vector<ggml_backend_buffer_type_t> extra_types_;
  ggml_tensor* input_ = nullptr;
  bool has_output_ = false;
  WeightBytes bytes_;
};

}  // namespace

WeightBytes weight_bytes(const std::vector<std::filesystem::path>& files, const WeightPlacement& placement) {
  Weights weights(placement);
  std::vector<TensorsPtr> kept;
  for (const std::filesystem::path& file : files) {
    ggml_context* tensors = nullptr;
    gguf_context* header = gguf_init_from_file(file.c_str(), {.no_alloc = true, .ctx = &tensors});
    if (header == nullptr) continue;
    gguf_free(header);
    kept.emplace_back(tensors, ggml_free);
    for (ggml_tensor* t = ggml_get_first_tensor(tensors); t != nullptr; t = ggml_get_next_tensor(tensors, t)) {
      weights.take(t);
    }
  }
  return weights.finish();
}

}  // namespace atelier::engine
