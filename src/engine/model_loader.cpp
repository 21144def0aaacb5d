#include "engine/model_loader.h"

#include <fmt/format.h>
#include <ggml-backend.h>
#include <gguf.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/memory_info.h"
#include "engine/cpu_topology.h"
#include "engine/invariant.h"
#include "engine/library_log.h"
#include "engine/mapped_files.h"
#include "engine/memory_lines.h"
#include "engine/model_files.h"
#include "engine/step_pacer.h"

namespace atelier::engine {

namespace {

constexpr std::uint32_t kDefaultParallel = 4;
constexpr std::uint32_t kMaxParallel = 128;
constexpr std::uint32_t kDefaultBatch = 512;
constexpr std::uint32_t kMaxBatch = 16384;
constexpr std::uint32_t kMaxThreads = 512;
constexpr std::uint64_t kDefaultKvMemoryBytes = std::uint64_t{1} << 30;
constexpr std::uint32_t kDefaultTokenGapMs = 750;
constexpr std::uint32_t kMaxTokenGapMs = 3'600'000;
constexpr std::uint32_t kMaxContext = 1U << 26;
// Prompt positions whose log probabilities are computed at once; each costs a row of logits.
constexpr std::uint32_t kPromptLogprobRows = 32;
// Inputs embedded in one batch.
constexpr std::uint32_t kEmbeddingSequences = 32;
// The library's own limit, for running and kept sequences together.
constexpr std::uint32_t kMaxSequences = 256;
// Paused predictions that keep their cells, at most.
constexpr std::uint32_t kMaxPaused = 32;
// The library reserves a row of logits for every sequence, kept ones too. So much memory is spent on that.
constexpr std::uint64_t kKeptRowBytes = std::uint64_t{32} * 1024 * 1024;
// States kept of finished requests and checkpoints, however small they are.
constexpr std::uint64_t kMaxKeptStates = 64;
// And no fewer than one for each prediction that ends, with those for the system prompt and the last turn.
constexpr std::uint32_t kLeastKeptBeside = 2;

// A machine without any free memory serves nobody.
constexpr float kMostOfMemory = 0.95F;

// What the library can keep its cache in.
constexpr ggml_type kCacheTypes[] = {GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_Q8_0,  GGML_TYPE_Q4_0,
                                     GGML_TYPE_Q4_1, GGML_TYPE_Q5_0, GGML_TYPE_Q5_1, GGML_TYPE_IQ4_NL};

Result<ggml_type> cache_type(const std::string& name, const char* param) {
  if (name.empty()) return GGML_TYPE_F16;
  std::string known;
  for (const ggml_type type : kCacheTypes) {
    if (name == ggml_type_name(type)) return type;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", ggml_type_name(type));
  }
  return fail(ErrorCode::kInvalidRequest, fmt::format("\"{}\" is not a type of cache; there are {}", name, known),
              param);
}

Result<void> check_at_most(std::uint32_t value, std::uint32_t most, const char* param) {
  if (value <= most) return {};
  return fail(ErrorCode::kInvalidRequest, fmt::format("{} is {}; at most {} is possible", param, value, most), param);
}

bool have_gpu() {
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    const auto type = ggml_backend_dev_type(ggml_backend_dev_get(i));
    if (type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU) return true;
  }
  return false;
}

std::uint64_t free_gpu_bytes() {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t device = ggml_backend_dev_get(i);
    // Integrated devices use the machine's memory, which is counted already.
    if (ggml_backend_dev_type(device) != GGML_BACKEND_DEVICE_TYPE_GPU) continue;
    std::size_t free = 0;
    std::size_t total = 0;
    ggml_backend_dev_memory(device, &free, &total);
    sum += free;
  }
  return sum;
}

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

}  // namespace

Error ModelLoader::library_error(ErrorCode code, const std::string& what) const {
  const std::string reasons = LibraryLog::errors();
  return Error{code, reasons.empty() ? what : fmt::format("{}: {}", what, reasons), ""};
}

Result<std::unique_ptr<Model>> ModelLoader::run() {
  out_.reset(new Model());
  config_ = load_.config();
  LibraryLog::clear_errors();
  if (auto done = check_settings(); !done) return std::unexpected(done.error());
  if (auto done = check_file(); !done) return std::unexpected(done.error());
  if (auto done = plan_ahead(); !done) return std::unexpected(done.error());
  if (auto done = load_weights(); !done) return std::unexpected(done.error());
  give_up_copied_pages();
  out_->vocabulary_ = std::make_unique<Vocabulary>(llama_model_get_vocab(out_->model_.get()));
  if (!load_.vocabulary_only()) {
    if (auto done = check_abilities(); !done) return std::unexpected(done.error());
    if (auto done = plan(); !done) return std::unexpected(done.error());
    if (auto done = make_context(); !done) return std::unexpected(done.error());
    if (abandoned()) return fail(ErrorCode::kCancelled, "The load was given up");
    warm_up();
  } else {
    // Counts are checked against the context that a full load would give by default.
    const std::uint32_t trained = meta_number("context_length", kDefaultContextLength);
    const std::uint32_t wished = config_.context_length();
    out_->context_length_ = wished > 0 ? wished : std::min(kDefaultContextLength, trained);
    config_.set_context_length(out_->context_length_);
  }
  on_progress(1);
  out_->applied_ = std::make_unique<wire::LoadConfig>(config_);
  return std::move(out_);
}

// Ranges, and the defaults of what is absent.
Result<void> ModelLoader::check_settings() {
  const auto k = cache_type(config_.k_cache_type(), "k_cache_type");
  if (!k) return std::unexpected(k.error());
  const auto v = cache_type(config_.v_cache_type(), "v_cache_type");
  if (!v) return std::unexpected(v.error());
  k_type_ = *k;
  v_type_ = *v;
  config_.set_k_cache_type(ggml_type_name(k_type_));
  config_.set_v_cache_type(ggml_type_name(v_type_));
  if (ggml_is_quantized(v_type_) && config_.flash_attention() == wire::SWITCH_OFF) {
    return fail(ErrorCode::kInvalidRequest, "A quantised V cache needs flash attention; switch it on, or use f16",
                "v_cache_type");
  }
  const std::pair<std::uint32_t, std::pair<std::uint32_t, const char*>> bounds[] = {
      {config_.context_length(), {kMaxContext, "context_length"}},
      {config_.kv_cells(), {kMaxContext, "kv_cells"}},
      {config_.cache_tokens(), {kMaxContext, "cache_tokens"}},
      {config_.parallel(), {kMaxParallel, "parallel"}},
      {config_.eval_batch_size(), {kMaxBatch, "eval_batch_size"}},
      {config_.micro_batch_size(), {kMaxBatch, "micro_batch_size"}},
      {config_.threads(), {kMaxThreads, "threads"}},
      {config_.batch_threads(), {kMaxThreads, "batch_threads"}},
      {config_.token_gap_ms(), {kMaxTokenGapMs, "token_gap_ms"}},
  };
  for (const auto& [value, bound] : bounds) {
    if (auto done = check_at_most(value, bound.first, bound.second); !done) return done;
  }
  for (const float value : {config_.rope_freq_base(), config_.rope_freq_scale()}) {
    if (!std::isfinite(value) || value < 0) {
      return fail(ErrorCode::kInvalidRequest, "Rope settings must be positive numbers", "rope_freq_base");
    }
  }
  if (config_.parallel() == 0) config_.set_parallel(kDefaultParallel);
  if (config_.eval_batch_size() == 0) config_.set_eval_batch_size(kDefaultBatch);
  // A step must have room for every running sequence.
  config_.set_eval_batch_size(std::max(config_.eval_batch_size(), 2 * config_.parallel() + 32));
  if (config_.micro_batch_size() == 0) config_.set_micro_batch_size(kDefaultBatch);
  config_.set_micro_batch_size(std::min(config_.micro_batch_size(), config_.eval_batch_size()));
  if (!config_.has_use_mmap()) config_.set_use_mmap(true);
  if (!config_.has_prefix_cache()) config_.set_prefix_cache(true);
  if (!config_.has_ngram_speculation()) config_.set_ngram_speculation(true);
  if (!config_.has_kv_memory_bytes()) {
    config_.set_kv_memory_bytes(std::min(kDefaultKvMemoryBytes, read_memory_info().available_bytes / 8));
  }
  if (!config_.has_token_gap_ms()) config_.set_token_gap_ms(kDefaultTokenGapMs);
  out_->token_gap_ = std::chrono::milliseconds(config_.token_gap_ms());
  if (!config_.has_offload_kv_cache_to_gpu()) config_.set_offload_kv_cache_to_gpu(true);
  has_gpu_ = have_gpu();
  if (config_.has_seed()) out_->default_seed_ = config_.seed();
  out_->parallel_ = config_.parallel();
  out_->for_embedding_ = load_.embedding();
  return {};
}

Result<void> ModelLoader::check_file() {
  if (!load_.mmproj_path().empty()) {
    return fail(ErrorCode::kNotImplemented, "This engine does not read images yet; load the model without a projector",
                "mmproj_path");
  }
  for (const auto& file : model_parts(load_.path())) {
    std::error_code error;
    const std::uint64_t bytes = std::filesystem::file_size(file, error);
    if (error) return fail(ErrorCode::kModelLoadFailed, fmt::format("{}: {}", file.string(), error.message()), "path");
    file_bytes_ += bytes;
  }
  available_bytes_ = read_memory_info().available_bytes;
  if (has_gpu_ && config_.gpu_layers() != 0) available_bytes_ += free_gpu_bytes();
  const float share = load_.has_memory_share() ? load_.memory_share() : kMostOfMemory;
  if (!(share > 0)) return fail(ErrorCode::kInvalidRequest, "memory_share must be above 0", "memory_share");
  free_bytes_ = static_cast<std::uint64_t>(static_cast<double>(available_bytes_) *
                                           static_cast<double>(std::min(share, kMostOfMemory)));
  if (given_bytes_) free_bytes_ = *given_bytes_;
  if (!without_weights_ && !load_.vocabulary_only() && free_bytes_ > 0 && file_bytes_ > free_bytes_) {
    return fail(ErrorCode::kInsufficientResources,
                fmt::format("The model's file has {:.0f} MiB, but it may take {:.0f} MiB of the {:.0f} MiB that are "
                            "free. Unload other models or choose a smaller one",
                            mib(file_bytes_), mib(free_bytes_), mib(available_bytes_)));
  }
  if (config_.has_num_experts()) {
    gguf_init_params params{true, nullptr};
    if (gguf_context* file = gguf_init_from_file(load_.path().c_str(), params)) {
      const auto key = gguf_find_key(file, "general.architecture");
      if (key >= 0 && gguf_get_kv_type(file, key) == GGUF_TYPE_STRING) architecture_ = gguf_get_val_str(file, key);
      gguf_free(file);
    }
  }
  return {};
}

bool ModelLoader::on_progress(float fraction) {
  fraction = std::clamp(fraction, 0.0F, 1.0F);
  if (fraction >= progress_ + 0.01F || (fraction >= 1 && progress_ < 1)) {
    progress_ = fraction;
    if (fraction < 1) give_up_copied_pages();
    if (hooks_.progress) hooks_.progress(fraction);
  }
  return !abandoned();
}

// While weights are read and behind the last of them. The first run touches what is used where it is mapped.
void ModelLoader::give_up_copied_pages() {
  if (without_weights_ || !config_.use_mmap() || config_.use_mlock()) return;
  give_up_mapped_pages(model_parts(load_.path()));
}

llama_model_params ModelLoader::model_params() {
  llama_model_params params = llama_model_default_params();
  params.vocab_only = load_.vocabulary_only();
  params.no_alloc = without_weights_;
  params.n_gpu_layers = config_.has_gpu_layers() ? config_.gpu_layers() : -1;
  if (without_weights_) {
    params.load_mode = LLAMA_LOAD_MODE_NONE;
  } else if (config_.use_mmap()) {
    params.load_mode = config_.use_mlock() ? LLAMA_LOAD_MODE_MMAP_MLOCK : LLAMA_LOAD_MODE_MMAP;
  } else {
    params.load_mode = config_.use_mlock() ? LLAMA_LOAD_MODE_MLOCK : LLAMA_LOAD_MODE_NONE;
  }
  // The last hundredth is for the context and the first run.
  params.progress_callback = [](float fraction, void* self) {
    return static_cast<ModelLoader*>(self)->on_progress(fraction * 0.99F);
  };
  params.progress_callback_user_data = this;
  if (config_.has_num_experts() && !architecture_.empty()) {
    overrides_[0].tag = LLAMA_KV_OVERRIDE_TYPE_INT;
    overrides_[0].val_i64 = config_.num_experts();
    const std::string key = architecture_ + ".expert_used_count";
    const std::size_t length = std::min(key.size(), sizeof overrides_[0].key - 1);
    std::copy_n(key.data(), length, overrides_[0].key);
    params.kv_overrides = overrides_;  // ended by the second, whose key is empty
  }
  return params;
}

Result<void> ModelLoader::load_weights() {
  MemoryLines lines;
  try {
    const LibraryLog::Tap tap([&](LibraryLogLevel, const std::string& line) { lines.take(line); },
                              without_weights_ ? LibraryLog::Tap::Others::kAreSpared : LibraryLog::Tap::Others::kHear);
    out_->model_.reset(llama_model_load_from_file(load_.path().c_str(), model_params()));
  } catch (const std::exception& e) {
    return fail(ErrorCode::kModelLoadFailed, fmt::format("The model could not be loaded: {}", e.what()));
  }
  if (!out_->model_) {
    if (abandoned()) return fail(ErrorCode::kCancelled, "The load was given up");
    return std::unexpected(library_error(ErrorCode::kModelLoadFailed, "The model could not be loaded"));
  }
  architecture_ = meta("general.architecture");
  const auto layers = llama_model_n_layer(out_->model_.get()) + 1;
  const auto wished = config_.has_gpu_layers() ? config_.gpu_layers() : -1;
  config_.set_gpu_layers(!has_gpu_ ? 0 : wished < 0 ? layers : std::min(wished, layers));
  out_->runs_on_cpu_ = config_.gpu_layers() < layers;
  weight_bytes_ = lines.weights();
  return {};
}

std::string ModelLoader::meta(const std::string& key) const {
  char buffer[256];
  const auto n = llama_model_meta_val_str(out_->model_.get(), key.c_str(), buffer, sizeof buffer);
  return n < 0 ? std::string() : std::string(buffer);
}

std::uint32_t ModelLoader::meta_number(const std::string& key, std::uint32_t otherwise) const {
  const std::string text = meta(architecture_ + "." + key);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0 ? value : otherwise;
}

// What cannot be served is said before memory is spent on it.
Result<void> ModelLoader::check_abilities() {
  const llama_model* model = out_->model_.get();
  const bool encodes = llama_model_has_encoder(model);
  const bool decodes = llama_model_has_decoder(model);
  if (load_.embedding()) {
    if (encodes && decodes) {
      return fail(ErrorCode::kNotImplemented,
                  fmt::format("Models of architecture {} (encoder and decoder) give no embeddings", architecture_));
    }
    return {};
  }
  if (encodes || !decodes) {
    return fail(ErrorCode::kNotImplemented,
                fmt::format("Models of architecture {} ({}) generate no text here", architecture_,
                            encodes && decodes ? "encoder and decoder" : "encoder only"));
  }
  if (llama_model_is_diffusion(model)) {
    return fail(ErrorCode::kNotImplemented, "Diffusion models are not supported yet");
  }
  if (meta(architecture_ + ".attention.causal") == "false") {
    return fail(
        ErrorCode::kNotImplemented,
        fmt::format("Models of architecture {} give embeddings and no text; load it for embedding", architecture_));
  }
  if (out_->vocabulary_->size() == 0) {
    return fail(ErrorCode::kNotImplemented, "A model without a vocabulary generates no text");
  }
  return {};
}

// Threads meet after every operation, a few hundred times a token. A model this small is computed faster by one
// thread than by several that wait for each other, and on a busy machine by orders of magnitude.
void ModelLoader::choose_threads() {
  constexpr std::uint64_t kTooSmallToShare = std::uint64_t{32} * 1024 * 1024;
  if (config_.threads() == 0) {
    const bool tiny = llama_model_size(out_->model_.get()) < kTooSmallToShare;
    config_.set_threads(tiny ? 1 : physical_cores(allowed_processors()));
  }
  if (config_.batch_threads() == 0) config_.set_batch_threads(config_.threads());
}

// Paused sequences keep their cells and leave their place to others, so there are more sequences than run.
// Recurrent models keep a whole state for each sequence, which is much.
void ModelLoader::choose_sequences() {
  const llama_model* model = out_->model_.get();
  const bool one_state_each = llama_model_is_recurrent(model) || llama_model_is_hybrid(model);
  out_->moves_states_ = one_state_each;
  const std::uint32_t parallel = config_.parallel();
  out_->max_sequences_ = load_.embedding() ? kEmbeddingSequences
                         : one_state_each  ? parallel
                                           : parallel + std::min(parallel, kMaxPaused);
  if (!load_.embedding() && config_.prefix_cache()) {
    const auto row_bytes =
        std::uint64_t{4} * static_cast<std::uint64_t>(std::max(1, llama_vocab_n_tokens(llama_model_get_vocab(model))));
    const auto kept =
        static_cast<std::uint32_t>(std::clamp<std::uint64_t>(kKeptRowBytes / row_bytes, 8, kMaxSequences));
    // A batch has a place for each.
    const std::uint32_t most = std::min(kMaxSequences, config_.eval_batch_size()) - out_->max_sequences_;
    out_->kept_sequences_ = std::min({one_state_each ? choose_kept_states() : kept, kept, most});
    // One id is for pieces of sequences on their way.
    out_->spare_sequence_ = !one_state_each && out_->kept_sequences_ > 1;
    if (out_->spare_sequence_) --out_->kept_sequences_;
    out_->reuse_ = one_state_each ? Reuse::kWhole : Reuse::kAnywhere;
  }
  // The library wants a row of logits for each sequence that there may be.
  const std::uint32_t beside_running = out_->kept_sequences_ + (out_->spare_sequence_ ? 1 : 0);
  out_->max_outputs_ = out_->max_sequences_ + std::max(load_.embedding() ? 0 : kPromptLogprobRows, beside_running);
}

// As many as the memory that is given for them holds. That memory is taken at once, used or not, so it stays in
// proportion to the model.
std::uint32_t ModelLoader::choose_kept_states() {
  state_bytes_ = measure_state();
  const std::uint32_t least = config_.parallel() + kLeastKeptBeside;
  if (state_bytes_ == 0) return least;
  const std::uint64_t budget = std::min(config_.kv_memory_bytes(), llama_model_size(out_->model_.get()) / 2);
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(std::min(budget / state_bytes_, kMaxKeptStates), least));
}

llama_context_params ModelLoader::context_params() const {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = config_.kv_cells();
  params.n_batch = config_.eval_batch_size();
  params.n_ubatch = config_.micro_batch_size();
  params.n_seq_max = out_->max_sequences_ + out_->kept_sequences_ + (out_->spare_sequence_ ? 1 : 0);
  // Bounds the library's buffers for logits, which at 128k tokens of vocabulary are half a megabyte a row.
  params.n_outputs_max = load_.embedding() ? 0 : std::min(out_->max_outputs_, params.n_batch);
  params.n_threads = static_cast<std::int32_t>(config_.threads());
  params.n_threads_batch = static_cast<std::int32_t>(config_.batch_threads());
  params.rope_freq_base = config_.rope_freq_base();
  params.rope_freq_scale = config_.rope_freq_scale();
  params.type_k = k_type_;
  params.type_v = v_type_;
  params.offload_kqv = config_.offload_kv_cache_to_gpu();
  params.kv_unified = true;
  // Kept prefixes hold cells behind the window, so a cache of the windows alone could run out of them.
  params.swa_full = out_->kept_sequences_ > 0;
  params.no_perf = true;
  params.embeddings = load_.embedding();
  switch (config_.flash_attention()) {
    case wire::SWITCH_OFF: params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED; break;
    case wire::SWITCH_ON: params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED; break;
    default: params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_AUTO; break;
  }
  if (hooks_.abandon != nullptr) {
    params.abort_callback = [](void* flag) { return static_cast<const std::atomic<bool>*>(flag)->load(); };
    params.abort_callback_data = const_cast<std::atomic<bool>*>(hooks_.abandon);
  }
  return params;
}

// Models made for embedding say how they are pooled. Others are pooled by their last token, which alone has
// seen the whole text; without causal attention by the mean.
Result<void> ModelLoader::choose_pooling(llama_context_params& params) {
  const std::string& name = config_.pooling();
  const std::pair<const char*, enum llama_pooling_type> kinds[] = {{"mean", LLAMA_POOLING_TYPE_MEAN},
                                                                   {"cls", LLAMA_POOLING_TYPE_CLS},
                                                                   {"last", LLAMA_POOLING_TYPE_LAST},
                                                                   {"rank", LLAMA_POOLING_TYPE_RANK}};
  for (const auto& [kind, type] : kinds) {
    if (name == kind) {
      params.pooling_type = type;
      return {};
    }
  }
  if (!name.empty()) {
    return fail(
        ErrorCode::kInvalidRequest,
        fmt::format("\"{}\" is not a pooling that gives one embedding; there are mean, cls, last and rank", name),
        "pooling");
  }
  if (meta_number("pooling_type", 0) != 0) return {};  // the model's own
  const bool causal = meta(architecture_ + ".attention.causal") != "false";
  params.pooling_type = causal ? LLAMA_POOLING_TYPE_LAST : LLAMA_POOLING_TYPE_MEAN;
  return {};
}

Result<void> ModelLoader::make_context() {
  llama_context_params params = context_params();
  out_->context_params_ = std::make_unique<llama_context_params>(params);
  if (load_.embedding()) {
    if (auto done = choose_pooling(params); !done) return done;
  }
  try {
    out_->context_.reset(llama_init_from_model(out_->model_.get(), params));
  } catch (const std::exception& e) {
    return fail(ErrorCode::kModelLoadFailed, fmt::format("The model's context could not be made: {}", e.what()));
  }
  llama_context* context = out_->context_.get();
  if (context == nullptr) {
    return std::unexpected(library_error(ErrorCode::kModelLoadFailed, "The model's context could not be made"));
  }
  if (!load_.embedding() && llama_get_memory(context) == nullptr) {
    return fail(ErrorCode::kNotImplemented,
                fmt::format("Models of architecture {} generate no text; load it for embedding", architecture_));
  }
  out_->context_length_ = config_.context_length();
  // The library rounds up; what it rounded to is what there is.
  out_->kv_cells_ = llama_n_ctx(context);
  config_.set_kv_cells(out_->kv_cells_);
  out_->batch_size_ = llama_n_batch(context);
  config_.set_eval_batch_size(llama_n_batch(context));
  config_.set_micro_batch_size(llama_n_ubatch(context));
  out_->attends_in_tiles_ = out_->runs_on_cpu_ && config_.flash_attention() != wire::SWITCH_OFF &&
                            !ggml_is_quantized(k_type_) && k_type_ == v_type_ &&
                            llama_n_ubatch(context) >= StepPacer::kTile &&
                            !llama_model_is_recurrent(out_->model_.get());
  ENGINE_INVARIANT(llama_n_seq_max(context) >= out_->max_sequences_ + out_->kept_sequences_);
  if (load_.embedding()) {
    const auto kind = llama_pooling_type(context);
    out_->embedding_dimensions_ = kind == LLAMA_POOLING_TYPE_RANK
                                      ? llama_model_n_cls_out(out_->model_.get())
                                      : static_cast<std::uint32_t>(llama_model_n_embd_out(out_->model_.get()));
    constexpr const char* kNames[] = {"none", "mean", "cls", "last", "rank"};
    if (kind >= LLAMA_POOLING_TYPE_NONE && kind <= LLAMA_POOLING_TYPE_RANK) config_.set_pooling(kNames[kind]);
  }
  if (!config_.has_rope_freq_base()) {
    const std::string base = meta(architecture_ + ".rope.freq_base");
    config_.set_rope_freq_base(base.empty() ? 0 : std::strtof(base.c_str(), nullptr));
  }
  if (!config_.has_rope_freq_scale()) {
    config_.set_rope_freq_scale(llama_model_rope_freq_scale_train(out_->model_.get()));
  }
  if (!config_.has_num_experts()) config_.set_num_experts(meta_number("expert_used_count", 0));
  return {};
}

// Two tokens through all layers: brings the weights into memory and lets the library build what it builds once,
// so that the first request does not pay for it; and shows whether a sequence can be cut.
void ModelLoader::warm_up() {
  llama_context* context = out_->context_.get();
  const llama_vocab* vocab = llama_model_get_vocab(out_->model_.get());
  const llama_token bos = llama_vocab_bos(vocab);
  llama_token tokens[2] = {};
  if (out_->vocabulary_->contains(bos)) tokens[0] = tokens[1] = bos;
  llama_batch batch = llama_batch_get_one(tokens, 2);
  llama_memory_t memory = llama_get_memory(context);
  // A failure here is no failure of the load; a request would tell.
  const std::int32_t result = memory == nullptr ? llama_encode(context, batch) : llama_decode(context, batch);
  if (result < 0 && hooks_.warn) hooks_.warn(fmt::format("The first run of the model failed with {}", result));
  llama_synchronize(context);
  if (memory == nullptr) return;
  // Whatever kind of memory it is: what cannot give up its last token cannot be cut.
  const bool gave_up = result == 0 && llama_memory_seq_rm(memory, 0, 1, -1);
  if (out_->reuse_ == Reuse::kAnywhere && result == 0 && !gave_up) out_->reuse_ = Reuse::kWhole;
  // A sliding window has given up other cells for those that would be taken back.
  out_->can_take_back_ = gave_up && llama_model_n_swa(out_->model_.get()) == 0;
  if (!out_->can_take_back_) config_.set_ngram_speculation(false);
  llama_memory_clear(memory, true);
}

}  // namespace atelier::engine
