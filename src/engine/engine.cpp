#include "engine/engine.h"

#include <fmt/format.h>
#include <ggml-backend.h>
#include <llama.h>

#include <chrono>
#include <cstdio>
#include <utility>
#include <vector>

#include "engine/ranking_head.h"
#include "engine/requests.h"
#include "engine/sandbox.h"
#include "wire/engine.pb.h"

namespace atelier::engine {

namespace {

// Messages that have been read and not been dealt with. Beyond this the engine stops reading.
constexpr std::size_t kMaxUnreadBytes = std::size_t{256} * 1024 * 1024;
constexpr std::size_t kMaxEmbeddingInputs = 16384;

}  // namespace

class Engine::Incoming {
 public:
  Incoming(std::unique_ptr<wire::ToEngine> message, std::size_t bytes, Engine& engine)
      : message_(std::move(message)), bytes_(bytes), engine_(engine) {
    engine_.unread_bytes_ += bytes_;
  }
  ~Incoming() {
    const std::size_t before = engine_.unread_bytes_.fetch_sub(bytes_);
    if (before >= kMaxUnreadBytes && before - bytes_ < kMaxUnreadBytes && engine_.connection_) {
      engine_.connection_->resume_reading();
    }
  }
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;

  const wire::ToEngine& operator*() const { return *message_; }
  const wire::ToEngine* operator->() const { return message_.get(); }

 private:
  std::unique_ptr<wire::ToEngine> message_;
  std::size_t bytes_;
  Engine& engine_;
};

Engine::Engine(int socket, Options options) : options_(std::move(options)) {
  connection_ = std::make_unique<Connection>(
      socket,
      [this](std::unique_ptr<wire::ToEngine> message, std::size_t bytes) { receive(std::move(message), bytes); },
      [this] { return unread_bytes_ < kMaxUnreadBytes; },
      [this](CloseReason reason, const std::string& what) { closed(reason, what); });
  log_ =
      std::make_unique<LibraryLog>([this](LibraryLogLevel level, const std::string& line) { send_log(level, line); });
  text_thread_ = std::thread([this] {
    while (!text_tasks_.closed()) {
      for (TaskQueue::Task& task : text_tasks_.take(TaskQueue::Wait::kForTask)) {
        if (!closing_) task();
      }
    }
  });
  wire::FromEngine hello;
  hello.mutable_hello()->set_protocol_version(wire::kProtocolVersion);
  hello.mutable_hello()->set_engine_name("atelier-engine");
  hello.mutable_hello()->set_engine_version(ATELIER_VERSION);
  hello.mutable_hello()->set_library_version(llama_version());
  send(hello);
}

Engine::~Engine() {
  closing_ = true;
  text_tasks_.close();
  text_thread_.join();
  // The tasks hold messages, which refer to the connection's bookkeeping.
  tasks_.take(TaskQueue::Wait::kNo);
  text_tasks_.take(TaskQueue::Wait::kNo);
  scheduler_.reset();
  embedder_.reset();
  model_.reset();
  log_.reset();
  connection_.reset();
}

void Engine::receive(std::unique_ptr<wire::ToEngine> message, std::size_t bytes) {
  // Bytes of the envelope count too, so that empty messages cannot pile up for free.
  auto incoming = std::make_shared<Incoming>(std::move(message), bytes + 256, *this);
  tasks_.push([this, incoming = std::move(incoming)] { handle(incoming); });
}

void Engine::closed(CloseReason reason, const std::string& what) {
  if (reason != CloseReason::kEndOfFile) {
    std::fprintf(stderr, "atelier-engine: %s\n", what.c_str());
    exit_code_ = 1;
  }
  closing_ = true;
  tasks_.close();
  if (options_.on_closed) options_.on_closed(exit_code_);
}

int Engine::run() {
  while (!closing_) {
    const bool busy = (scheduler_ && scheduler_->has_work()) || (embedder_ && embedder_->has_work());
    for (TaskQueue::Task& task : tasks_.take(busy ? TaskQueue::Wait::kNo : TaskQueue::Wait::kForTask)) {
      if (closing_) break;
      task();
    }
    if (closing_) break;
    if (scheduler_ && scheduler_->has_work()) scheduler_->step();
    if (embedder_ && embedder_->has_work()) embedder_->step();
    if (busy && wait_policy_) wait_policy_->note_step(std::chrono::steady_clock::now());
  }
  return exit_code_;
}

void Engine::shut_down() {
  for (const auto& [id, paused] : preparing_) send_error(id, {ErrorCode::kCancelled, "The engine is shut down", ""});
  preparing_.clear();
  if (scheduler_) scheduler_->cancel_all();
  if (embedder_) embedder_->cancel_all();
  closing_ = true;
}

void Engine::send_error(std::uint64_t id, const Error& error) {
  wire::FromEngine message;
  message.set_id(id);
  fill_error(error, *message.mutable_error());
  send(message);
}

void Engine::send_log(LibraryLogLevel level, const std::string& line) {
  if (level == LibraryLogLevel::kDebug) return;
  wire::FromEngine message;
  wire::Log& log = *message.mutable_log();
  log.set_level(level == LibraryLogLevel::kError  ? wire::LOG_ERROR
                : level == LibraryLogLevel::kWarn ? wire::LOG_WARN
                                                  : wire::LOG_INFO);
  log.set_message(line);
  send(message);
}

// ---------------------------------------------------------------- messages

void Engine::handle(const Message& message) {
  const std::uint64_t id = (*message)->id();
  switch ((*message)->body_case()) {
    case wire::ToEngine::kEstimate: return handle_estimate(message);
    case wire::ToEngine::kLoad: return handle_load(message);
    case wire::ToEngine::kGenerate: return handle_generate(message);
    case wire::ToEngine::kEmbed: return handle_embed(message);
    case wire::ToEngine::kTokenize:
    case wire::ToEngine::kDetokenize:
    case wire::ToEngine::kCount: return handle_text_request(message);
    case wire::ToEngine::kPause: return handle_pause((*message)->pause().request(), true);
    case wire::ToEngine::kResume: return handle_pause((*message)->resume().request(), false);
    case wire::ToEngine::kCancel: return handle_cancel((*message)->cancel().request());
    case wire::ToEngine::kInfo: return handle_info(id);
    case wire::ToEngine::kShutdown: return shut_down();
    case wire::ToEngine::BODY_NOT_SET: break;
  }
  send_error(id, {ErrorCode::kInvalidRequest, "This engine does not know that message", ""});
}

// Before the first byte of the model is read.
void Engine::restrict_to(const wire::Load& load) {
  if (restricted_) return;
  restricted_ = true;
  if (!options_.sandbox) {
    send_log(LibraryLogLevel::kInfo, "Sandbox: off; the engine runs with the user's full rights");
    return;
  }
  SandboxPlan plan = plan_sandbox({load.path(), load.mmproj_path()}, options_.backends);
  plan.readable.insert(plan.readable.end(), load.model_folders().begin(), load.model_folders().end());
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    const auto type = ggml_backend_dev_type(ggml_backend_dev_get(i));
    const bool on_gpu = !load.config().has_gpu_layers() || load.config().gpu_layers() != 0;
    plan.gpu = plan.gpu || (on_gpu && (type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU));
  }
  // Landlock names folders that are there.
  if (!load.kv_cache_folder().empty() && KvBlockStore::make_folder(load.kv_cache_folder())) {
    plan.writable.push_back(std::filesystem::path(load.kv_cache_folder()).parent_path().string());
  }
  const SandboxReport report = enter_sandbox(plan);
  send_log(report.complete() ? LibraryLogLevel::kInfo : LibraryLogLevel::kWarn, report.describe());
}

std::unique_ptr<KvBlockStore> Engine::block_store(const wire::Load& load) {
  wire::LoadConfig applied;
  wire::ModelInfo info;
  model_->describe(applied, info);
  if (!applied.prefix_cache()) return nullptr;
  KvBlockStore::Options options;
  options.memory_bytes = applied.kv_memory_bytes();
  options.folder = load.kv_cache_folder();
  options.disk_bytes = load.kv_cache_disk_bytes();
  options.warn = [this](const std::string& text) { send_log(LibraryLogLevel::kWarn, text); };
  const auto root = model_root_key(load, applied);
  // Without a name for the model there is no telling what a file belongs to.
  if (!root) {
    options.warn(root.error().message + ". Prompts are not kept on disk");
    return nullptr;
  }
  options.root = *root;
  if (options.memory_bytes == 0 && (options.folder.empty() || options.disk_bytes == 0)) return nullptr;
  return std::make_unique<KvBlockStore>(std::move(options));
}

void Engine::handle_estimate(const Message& message) {
  const std::uint64_t id = (*message)->id();
  if (model_) {
    send_error(id, {ErrorCode::kInvalidRequest, "This engine has a model already; ask another engine", ""});
    return;
  }
  restrict_to((*message)->estimate().load());
  Model::Hooks hooks;
  hooks.abandon = &closing_;
  hooks.warn = [this](const std::string& text) { send_log(LibraryLogLevel::kWarn, text); };
  const auto estimated = Model::estimate((*message)->estimate().load(), hooks);
  if (!estimated) {
    send_error(id, estimated.error());
    return;
  }
  wire::FromEngine answer;
  answer.set_id(id);
  *answer.mutable_estimated() = *estimated;
  send(answer);
}

void Engine::handle_load(const Message& message) {
  const std::uint64_t id = (*message)->id();
  if (model_) {
    send_error(id, {ErrorCode::kInvalidRequest, "This engine has a model already; start another engine", ""});
    return;
  }
  restrict_to((*message)->load());
  Model::Hooks hooks;
  hooks.abandon = &closing_;
  hooks.warn = [this](const std::string& text) { send_log(LibraryLogLevel::kWarn, text); };
  hooks.progress = [this, id](float fraction) {
    wire::FromEngine progress;
    progress.set_id(id);
    progress.mutable_load_progress()->set_fraction(fraction);
    send(progress);
  };
  auto model = Model::load((*message)->load(), hooks);
  if (!model) {
    send_error(id, model.error());
    return;
  }
  wire::FromEngine answer;
  answer.set_id(id);
  wire::Loaded& loaded = *answer.mutable_loaded();
  (*model)->describe(*loaded.mutable_config(), *loaded.mutable_model());
  if ((*message)->load().embedding() && loaded.config().pooling() == "rank" &&
      !may_have_ranking_head((*message)->load().path())) {
    send_error(id,
               {ErrorCode::kInvalidRequest,
                "The model has no ranking head, so it gives no rank; choose mean, cls or last, or a reranking model",
                "pooling"});
    return;
  }
  model_ = std::move(*model);
  const auto sink = [this](const wire::FromEngine& out) { send(out); };
  if (model_->context() != nullptr) {
    if (model_->for_embedding())
      embedder_ = std::make_unique<Embedder>(*model_, sink);
    else
      scheduler_ = std::make_unique<Scheduler>(*model_, sink, Scheduler::Seams{}, block_store((*message)->load()));
  }
  if (model_->runs_on_cpu()) wait_policy_ = std::make_unique<OmpWaitPolicy>(loaded.config().threads());
  send(answer);
}

bool Engine::check_loaded(std::uint64_t id, Needs needs) {
  if (!model_) {
    send_error(id, {ErrorCode::kModelNotLoaded, "No model is loaded in this engine", ""});
    return false;
  }
  if (needs == Needs::kVocabulary) return true;
  if (model_->context() == nullptr) {
    send_error(id, {ErrorCode::kModelNotLoaded, "Only the model's vocabulary is loaded", ""});
    return false;
  }
  if (needs == Needs::kGeneration && !scheduler_) {
    send_error(id, {ErrorCode::kNotImplemented, "The model was loaded for embedding; it generates no text", ""});
    return false;
  }
  if (needs == Needs::kEmbedding && !embedder_) {
    send_error(id, {ErrorCode::kNotImplemented, "The model was loaded for text; load it for embedding", ""});
    return false;
  }
  return true;
}

void Engine::handle_generate(const Message& message) {
  const std::uint64_t id = (*message)->id();
  if (!check_loaded(id, Needs::kGeneration)) return;
  if (!preparing_.emplace(id, false).second) {
    send_error(id, {ErrorCode::kInvalidRequest, "Two requests have the same id", ""});
    return;
  }
  const auto arrival = Clock::now();
  text_tasks_.push([this, message, id, arrival] {
    auto request = std::make_shared<Result<GenerateRequest>>(
        generate_request((*message)->generate(), model_->vocabulary(), model_->default_seed()));
    if (*request) {
      (*request)->id = id;
      (*request)->arrival = arrival;
    }
    tasks_.push([this, id, request] { submit_generate(id, std::move(*request)); });
  });
}

// Loaded in between steps: running predictions wait for it.
Result<std::shared_ptr<DraftModel>> Engine::draft_model(const std::string& path) {
  if (draft_model_ && draft_model_->path() == path) return draft_model_;
  draft_model_.reset();
  Model::Hooks hooks;
  hooks.abandon = &closing_;
  hooks.warn = [this](const std::string& text) { send_log(LibraryLogLevel::kWarn, text); };
  auto draft = DraftModel::load(path, *model_, hooks);
  if (draft) draft_model_ = *draft;
  return draft;
}

void Engine::submit_generate(std::uint64_t id, Result<GenerateRequest> request) {
  const auto prepared = preparing_.extract(id);
  if (prepared.empty()) return;  // cancelled, and answered
  if (!request) {
    send_error(id, request.error());
    return;
  }
  if (!request->draft_path.empty()) {
    auto draft = draft_model(request->draft_path);
    if (!draft) {
      send_error(id, draft.error());
      return;
    }
    request->draft_model = std::move(*draft);
  }
  scheduler_->submit(std::move(*request));
  if (prepared.mapped()) scheduler_->pause(id);
}

void Engine::handle_embed(const Message& message) {
  const std::uint64_t id = (*message)->id();
  if (!check_loaded(id, Needs::kEmbedding)) return;
  if (!preparing_.emplace(id, false).second) {
    send_error(id, {ErrorCode::kInvalidRequest, "Two requests have the same id", ""});
    return;
  }
  text_tasks_.push([this, message, id] {
    auto request = std::make_shared<Result<EmbedRequest>>(prepare_embed(**message));
    tasks_.push([this, id, request] { submit_embed(id, std::move(*request)); });
  });
}

void Engine::submit_embed(std::uint64_t id, Result<EmbedRequest> request) {
  if (preparing_.erase(id) == 0) return;  // cancelled, and answered
  if (!request) {
    send_error(id, request.error());
    return;
  }
  for (std::size_t i = 0; i < request->inputs.size(); ++i) {
    const std::size_t tokens = request->inputs[i].size();
    if (tokens <= model_->context_length()) continue;
    wire::FromEngine answer;
    answer.set_id(id);
    wire::Error& error = *answer.mutable_error();
    error.set_kind(wire::ERROR_CONTEXT_LENGTH_EXCEEDED);
    error.set_message(fmt::format("Input {} has {} tokens, but the context holds {}. Shorten it, or ask for truncation",
                                  i, tokens, model_->context_length()));
    error.set_param("inputs");
    error.set_prompt_tokens(tokens);
    error.set_context_length(model_->context_length());
    send(answer);
    return;
  }
  embedder_->submit(std::move(*request));
}

void Engine::handle_text_request(const Message& message) {
  if (!check_loaded((*message)->id(), Needs::kVocabulary)) return;
  text_tasks_.push([this, message] { answer_text_request(**message); });
}

void Engine::handle_cancel(std::uint64_t id) {
  if (preparing_.erase(id) > 0) {
    send_error(id, {ErrorCode::kCancelled, "The request was cancelled", ""});
    return;
  }
  if (scheduler_) scheduler_->cancel(id);
  if (embedder_) embedder_->cancel(id);
}

void Engine::handle_pause(std::uint64_t id, bool paused) {
  if (const auto found = preparing_.find(id); found != preparing_.end()) {
    found->second = paused;
    return;
  }
  if (!scheduler_) return;
  if (paused)
    scheduler_->pause(id);
  else
    scheduler_->resume(id);
}

void Engine::handle_info(std::uint64_t id) {
  wire::FromEngine answer;
  answer.set_id(id);
  wire::InfoResult& info = *answer.mutable_info_result();
  if (scheduler_) scheduler_->fill_info(info);
  send(answer);
}

// ---------------------------------------------------------------- text thread

void Engine::answer_text_request(const wire::ToEngine& message) {
  const Vocabulary& vocabulary = model_->vocabulary();
  wire::FromEngine answer;
  answer.set_id(message.id());
  if (message.has_detokenize()) {
    const wire::Detokenize& request = message.detokenize();
    auto text = vocabulary.detokenize({request.ids().data(), static_cast<std::size_t>(request.ids_size())},
                                      request.render_control());
    if (!text) return send_error(message.id(), text.error());
    answer.mutable_text()->set_text(std::move(*text));
    return send(answer);
  }
  const bool counts = message.has_count();
  const auto& segments = counts ? message.count().segments() : message.tokenize().segments();
  const bool add_bos = counts ? message.count().add_bos() : message.tokenize().add_bos();
  auto ids = tokenize_segments(segments, vocabulary, {.add_prefix = add_bos});
  if (!ids) return send_error(message.id(), ids.error());
  if (counts) {
    answer.mutable_count_result()->set_tokens(ids->size());
    answer.mutable_count_result()->set_context_length(model_->context_length());
  } else {
    wire::Tokens& tokens = *answer.mutable_tokens();
    tokens.mutable_ids()->Add(ids->begin(), ids->end());
    if (message.tokenize().with_pieces()) {
      for (const std::int32_t id : *ids) tokens.add_pieces(vocabulary.bytes(id));
    }
  }
  send(answer);
}

Result<EmbedRequest> Engine::prepare_embed(const wire::ToEngine& message) const {
  const Vocabulary& vocabulary = model_->vocabulary();
  const wire::Embed& embed = message.embed();
  const std::size_t limit = model_->context_length();
  if (static_cast<std::size_t>(embed.inputs_size()) > kMaxEmbeddingInputs) {
    return fail(
        ErrorCode::kInvalidRequest,
        fmt::format("There are {} inputs; at most {} are possible at once", embed.inputs_size(), kMaxEmbeddingInputs),
        "inputs");
  }
  EmbedRequest request;
  request.id = message.id();
  request.normalize = embed.normalize();
  for (int i = 0; i < embed.inputs_size(); ++i) {
    google::protobuf::RepeatedPtrField<wire::Segment> one;
    *one.Add() = embed.inputs(i);
    // Token ids are taken as they are; the caller knows what belongs around them.
    const bool is_text = !embed.inputs(i).has_tokens();
    auto ids = tokenize_segments(one, vocabulary, {.add_prefix = is_text, .add_suffix = is_text});
    if (!ids) return std::unexpected(ids.error());
    if (ids->empty()) {
      return fail(ErrorCode::kInvalidRequest, fmt::format("Input {} has no tokens", i), "inputs");
    }
    if (ids->size() > limit && embed.truncate()) {
      // What the vocabulary puts at the end stays there.
      const std::size_t kept_end = is_text ? std::min(vocabulary.suffix().size(), limit) : 0;
      ids->erase(ids->begin() + static_cast<std::ptrdiff_t>(limit - kept_end),
                 ids->end() - static_cast<std::ptrdiff_t>(kept_end));
    }
    request.inputs.push_back(std::move(*ids));
  }
  return request;
}

}  // namespace atelier::engine
