#include "engine/shift_probe.h"

#include <llama.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

namespace atelier::engine {

namespace {

constexpr std::size_t kTokens = 16;
// A wrong turn shows by more than this part of the logits' spread, roundings (of 16-bit keys and of quantised
// activations) by much less.
constexpr double kTolerance = 0.1;
// Far enough that a wrong turn of a layer is a large one.
constexpr std::int32_t kFarthest = 1000;

struct Free {
  void operator()(llama_context* context) const { llama_free(context); }
  void operator()(llama_batch* batch) const {
    llama_batch_free(*batch);
    delete batch;
  }
};

bool is_unquantised(ggml_type type) { return type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_BF16; }

class Probe {
 public:
  Probe(llama_model* model, llama_context_params params)
      : vocabulary_size_(llama_vocab_n_tokens(llama_model_get_vocab(model))),
        distance_(std::min(kFarthest, llama_model_n_ctx_train(model) / 2)),
        batch_(new llama_batch(llama_batch_init(kTokens, 0, 1))) {
    params.n_ctx = 256;
    params.n_batch = params.n_ubatch = kTokens;
    params.n_outputs_max = 2;
    params.n_seq_max = 2;
    params.embeddings = false;
    context_.reset(llama_init_from_model(model, params));
  }

  bool run() {
    if (!context_ || vocabulary_size_ < 2 || distance_ < static_cast<llama_pos>(kTokens)) return false;
    llama_memory_t memory = llama_get_memory(context_.get());
    if (memory == nullptr || !llama_memory_can_shift(memory)) return false;
    if (!decode_all(0, 0) || !decode_all(1, distance_)) return false;
    const std::vector<std::uint8_t> before = state_of_first();
    llama_memory_seq_add(memory, 1, distance_, -1, -distance_);
    const std::vector<float> there = logits_behind(0);
    const std::vector<float> moved = logits_behind(1);
    if (there.empty() || moved.empty()) return false;
    if (!llama_memory_seq_rm(memory, 0, static_cast<llama_pos>(kTokens), -1) || state_of_first() != before)
      return false;
    return distance(there, moved) < kTolerance;
  }

 private:
  void add(llama_pos position, llama_seq_id sequence, bool wants_logits) {
    const auto row = batch_->n_tokens++;
    // Any tokens will do, as long as they are not all the same.
    batch_->token[row] = (position * 37 + 11) % vocabulary_size_;
    batch_->pos[row] = position;
    batch_->n_seq_id[row] = 1;
    batch_->seq_id[row][0] = sequence;
    batch_->logits[row] = static_cast<std::int8_t>(wants_logits);
  }
  // The same tokens, at positions from `begin` on.
  bool decode_all(llama_seq_id sequence, llama_pos begin) {
    batch_->n_tokens = 0;
    for (std::size_t i = 0; i < kTokens; ++i) {
      add(static_cast<llama_pos>(i), sequence, i + 1 == kTokens);
      batch_->pos[i] += begin;
    }
    return llama_decode(context_.get(), *batch_) == 0;
  }
  std::vector<float> logits_behind(llama_seq_id sequence) {
    batch_->n_tokens = 0;
    add(static_cast<llama_pos>(kTokens), sequence, true);
    if (llama_decode(context_.get(), *batch_) != 0) return {};
    const float* row = llama_get_logits_ith(context_.get(), 0);
    return row == nullptr ? std::vector<float>() : std::vector<float>(row, row + vocabulary_size_);
  }
  std::vector<std::uint8_t> state_of_first() {
    llama_synchronize(context_.get());
    std::vector<std::uint8_t> state(llama_state_seq_get_size(context_.get(), 0));
    state.resize(llama_state_seq_get_data(context_.get(), state.data(), state.size(), 0));
    return state;
  }
  // In parts of the spread of the first; not a number where either has none.
  static double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double mean = 0;
    for (const float value : a) mean += value;
    mean /= static_cast<double>(a.size());
    double difference = 0;
    double spread = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
      spread += std::pow(a[i] - mean, 2);
    }
    return std::sqrt(difference / spread);
  }

  std::int32_t vocabulary_size_;
  std::int32_t distance_;
  std::unique_ptr<llama_batch, Free> batch_;
  std::unique_ptr<llama_context, Free> context_;
};

}  // namespace

bool shift_is_exact(llama_model* model, const llama_context_params& params) {
  const llama_rope_type rope = llama_model_rope_type(model);
  if (rope != LLAMA_ROPE_TYPE_NORM && rope != LLAMA_ROPE_TYPE_NEOX) return false;
  if (!is_unquantised(params.type_k)) return false;
  try {
    return Probe(model, params).run();
  } catch (const std::exception&) {
    return false;  // no room for another context, for one
  }
}

}  // namespace atelier::engine
