// How much of what a load gets: the part of ModelLoader that weighs plans, by rule of thumb or by the library's own count.
#include <fmt/format.h>
#include <ggml-backend.h>
#include <llama.h>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "engine/library_log.h"
#include "engine/memory_lines.h"
#include "engine/model_files.h"
#include "engine/model_loader.h"
#include "engine/weight_bytes.h"

namespace atelier::engine {

namespace {

// The program with its libraries, and what each token of a vocabulary takes there. Measured: 1,040 tokens and 128,256.
constexpr std::uint64_t kProgramBytes = std::uint64_t{20} << 20;
constexpr std::uint64_t kBytesPerToken = 300;
// Beyond so many times the memory that there is, a plan is not worth an exact count: a count takes memory too, for
// every cell a few bytes.
constexpr std::uint64_t kHopeless = 4;

// Buffers in memory that GPUs have for themselves, by the names that the library's log gives them.
std::uint64_t work_on_gpus(const MemoryLines& lines) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t device = ggml_backend_dev_get(i);
    if (ggml_backend_dev_type(device) != GGML_BACKEND_DEVICE_TYPE_GPU) continue;
    bytes += lines.work_on(ggml_backend_buft_name(ggml_backend_dev_buffer_type(device)));
  }
  return bytes;
}

bool have_discrete_gpu() { return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU) != nullptr; }

}  // namespace

ModelShape ModelLoader::shape() const {
  const llama_model* model = out_->model_.get();
  ModelShape shape;
  const auto number = [](auto value) { return static_cast<std::uint32_t>(std::max<std::int64_t>(0, value)); };
  shape.weight_bytes = weight_bytes_.value_or(llama_model_size(model));
  shape.trained_context_length = number(llama_model_n_ctx_train(model));
  shape.embedding_length = number(llama_model_n_embd(model));
  shape.head_count = std::max(1U, number(llama_model_n_head(model)));
  shape.vocabulary_size = number(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  shape.feed_forward_length = meta_number("feed_forward_length", 4 * shape.embedding_length);
  const std::uint32_t per_head = shape.embedding_length / shape.head_count;
  const std::uint64_t heads = std::max(1U, number(llama_model_n_head_kv(model)));
  const std::uint64_t k_row = heads * meta_number("attention.key_length", per_head);
  const std::uint64_t v_row = heads * meta_number("attention.value_length", per_head);
  const auto bytes = [](ggml_type type, std::uint64_t n) {
    return n * ggml_type_size(type) / static_cast<std::uint64_t>(ggml_blck_size(type));
  };
  if (!llama_model_is_recurrent(model)) {
    shape.bytes_per_cell = number(llama_model_n_layer(model)) * (bytes(k_type_, k_row) + bytes(v_type_, v_row));
  }
  shape.state_bytes = state_bytes_ * (out_->max_sequences_ + out_->kept_sequences_);
  return shape;
}

// What one sequence has beside its cells: a small context with one sequence tells. 0: could not be learnt.
std::uint64_t ModelLoader::measure_state() {
  constexpr std::uint64_t kLeast = (std::uint64_t{1} << 20) / 100;  // the log is not more precise
  MemoryLines lines;
  const LibraryLog::Tap tap([&](LibraryLogLevel, const std::string& line) { lines.take(line); },
                            LibraryLog::Tap::Others::kAreSpared);
  llama_context_params params = context_params();
  params.n_ctx = 256;
  params.n_batch = params.n_ubatch = 32;
  params.n_seq_max = 1;
  params.n_outputs_max = 1;
  try {
    const std::unique_ptr<llama_context, ContextDeleter> context(llama_init_from_model(out_->model_.get(), params));
    if (!context || !lines.state()) return 0;
  } catch (const std::exception&) {
    return 0;  // loading goes on, and says what is wrong if anything is
  }
  return std::max(*lines.state(), kLeast);
}

std::uint64_t ModelLoader::process_bytes() const {
  const llama_vocab* vocab = llama_model_get_vocab(out_->model_.get());
  return kProgramBytes + kBytesPerToken * static_cast<std::uint64_t>(std::max(0, llama_vocab_n_tokens(vocab)));
}

LoadWishes ModelLoader::wishes() const {
  LoadWishes wishes;
  wishes.context_length = config_.context_length();
  wishes.kv_cells = config_.kv_cells();
  if (config_.has_cache_tokens()) wishes.cache_tokens = config_.cache_tokens();
  wishes.micro_batch_size = config_.micro_batch_size();
  wishes.output_rows = load_.embedding() ? 0 : out_->max_outputs_;
  wishes.flash_attention = config_.flash_attention() != wire::SWITCH_OFF;
  wishes.stretches_context = config_.rope_freq_base() > 0 || config_.rope_freq_scale() > 0;
  wishes.for_embedding = load_.embedding();
  return wishes;
}

void ModelLoader::apply(const LoadPlan& plan) {
  config_.set_context_length(plan.context_length);
  config_.set_kv_cells(plan.kv_cells);
  config_.set_cache_tokens(plan.cache_tokens);
  if (load_.embedding()) {
    // One input is one micro-batch: a pooled row is computed from all of its tokens at once.
    config_.set_eval_batch_size(plan.context_length);
    config_.set_micro_batch_size(plan.context_length);
  }
}

// A model that takes most of the memory: whether it fits is to be known before gigabytes are read.
Result<void> ModelLoader::plan_ahead() {
  if (load_.vocabulary_only() || file_bytes_ <= free_bytes_ / 2) return {};
  auto plan = plan_without_weights();
  if (plan) {
    exact_plan_ = *plan;
  } else if (plan.error().code == ErrorCode::kInsufficientResources || plan.error().code == ErrorCode::kCancelled) {
    return std::unexpected(plan.error());
  }
  return {};  // what else is wrong the load itself will find
}

Result<void> ModelLoader::plan() {
  choose_threads();
  choose_sequences();
  const LoadWishes wishes = this->wishes();
  const ModelShape shape = this->shape();
  if (!exact_plan_) {
    auto rough = choose_plan(wishes, shape, free_bytes_);
    if (!rough) return std::unexpected(rough.error());
    if (rough->estimated_bytes > free_bytes_ / 2 || rough->lowered) {
      auto exact = plan_without_weights();
      if (exact) {
        rough = std::move(exact);
      } else if (exact.error().code == ErrorCode::kInsufficientResources || !rough->fits) {
        return std::unexpected(exact.error());
      }
    }
    exact_plan_ = *rough;
  }
  const LoadPlan& plan = *exact_plan_;
  if (wishes.context_length > plan.context_length && hooks_.warn) {
    hooks_.warn(fmt::format("The context length was lowered from {} to {}, for which the model was trained",
                            wishes.context_length, plan.context_length));
  }
  apply(plan);
  return {};
}

// The same load beside this one, with the same memory to plan for: what this one has read of it is not counted twice.
Result<LoadPlan> ModelLoader::plan_without_weights() {
  Model::Hooks quiet;
  quiet.abandon = hooks_.abandon;
  ModelLoader dry(load_, quiet);
  dry.given_bytes_ = free_bytes_;
  const auto estimated = dry.estimate();
  if (!estimated) return std::unexpected(estimated.error());
  if (!dry.exact_plan_->fits) return std::unexpected(does_not_fit(*dry.exact_plan_, dry.shape(), free_bytes_));
  return *dry.exact_plan_;
}

// Has the library make the context that the plan wants, without its memory.
Result<std::uint64_t> ModelLoader::measure(const LoadPlan& plan) {
  apply(plan);
  const ModelShape shape = this->shape();
  const std::uint64_t rough = rough_estimate(wishes_, shape, plan.kv_cells);
  const std::uint64_t rough_cells = std::uint64_t{plan.kv_cells} * shape.bytes_per_cell;
  const bool hopeless = rough / kHopeless > free_bytes_;
  MemoryLines lines;
  bool has_memory = true;
  if (!hopeless) {
    const LibraryLog::Tap tap([&](LibraryLogLevel, const std::string& line) { lines.take(line); },
                              LibraryLog::Tap::Others::kAreSpared);
    llama_context_params params = context_params();
    if (load_.embedding()) {
      if (auto done = choose_pooling(params); !done) return std::unexpected(done.error());
    }
    std::unique_ptr<llama_context, ContextDeleter> context;
    try {
      context.reset(llama_init_from_model(out_->model_.get(), params));
    } catch (const std::exception& e) {
      return fail(ErrorCode::kModelLoadFailed, fmt::format("The model's context cannot be made: {}", e.what()));
    }
    if (!context) {
      return std::unexpected(library_error(ErrorCode::kModelLoadFailed, "The model's context cannot be made"));
    }
    has_memory = llama_get_memory(context.get()) != nullptr;
    config_.set_kv_cells(llama_n_ctx(context.get()));
  }
  const bool told_cache = lines.kv_cache() || lines.state() || !has_memory;
  measured_ = {};
  measured_.exact = told_cache && lines.compute();
  measured_.kv_cache = told_cache ? lines.kv_cache().value_or(0) : rough_cells;
  measured_.state = lines.state().value_or(0);
  measured_.compute = lines.compute() ? *lines.compute() + lines.output().value_or(0)
                                      : rough - std::min(rough, shape.weight_bytes + rough_cells);
  if (has_gpu_) {
    measured_.on_gpu = work_on_gpus(lines);
    // The cache of a layer is where the layer is.
    const auto layers = static_cast<std::uint64_t>(std::max(1, llama_model_n_layer(out_->model_.get())));
    const auto on_gpu =
        std::min<std::uint64_t>(static_cast<std::uint64_t>(std::max(0, config_.gpu_layers() - 1)), layers);
    if (config_.offload_kv_cache_to_gpu() && have_discrete_gpu()) {
      measured_.on_gpu += (measured_.kv_cache + measured_.state) / layers * on_gpu;
    }
  }
  return shape.weight_bytes + measured_.sum() + process_bytes();
}

Result<wire::Estimated> ModelLoader::estimate() {
  without_weights_ = true;
  out_.reset(new Model());
  config_ = load_.config();
  LibraryLog::clear_errors();
  if (load_.vocabulary_only()) {
    return fail(ErrorCode::kInvalidRequest, "An estimate is of a whole load; leave vocabulary_only out",
                "vocabulary_only");
  }
  if (auto done = check_settings(); !done) return std::unexpected(done.error());
  if (auto done = check_file(); !done) return std::unexpected(done.error());
  if (auto done = load_weights(); !done) return std::unexpected(done.error());
  out_->vocabulary_ = std::make_unique<Vocabulary>(llama_model_get_vocab(out_->model_.get()));
  if (auto done = check_abilities(); !done) return std::unexpected(done.error());
  choose_threads();
  choose_sequences();

  WeightPlacement placement;
  placement.layers = llama_model_n_layer(out_->model_.get());
  placement.gpu_layers = config_.gpu_layers();
  placement.has_output = meta(architecture_ + ".attention.causal") != "false";
  const WeightBytes weights = weight_bytes(model_parts(load_.path()), placement);
  weight_bytes_ = llama_model_size(out_->model_.get()) + weights.beyond_file;

  wishes_ = wishes();
  auto plan = choose_plan(wishes_, shape(), free_bytes_, [this](const LoadPlan& one) { return measure(one); });
  if (!plan) return std::unexpected(plan.error());
  exact_plan_ = *plan;

  wire::Estimated out;
  *out.mutable_config() = config_;
  out.set_weight_bytes(*weight_bytes_);
  out.set_kv_cache_bytes(measured_.kv_cache);
  out.set_state_bytes(measured_.state);
  out.set_compute_bytes(measured_.compute);
  out.set_process_bytes(process_bytes());
  out.set_gpu_bytes(have_discrete_gpu() ? weights.on_gpu + measured_.on_gpu : 0);
  out.set_available_bytes(available_bytes_);
  out.set_fits(plan->fits);
  out.set_lowered(plan->lowered);
  out.set_exact(measured_.exact);
  return out;
}

}  // namespace atelier::engine
