#include "runtime/instance_entry.h"

#include <utility>

#include <fmt/format.h>

namespace atelier::runtime {
namespace {

InstanceStatus status_of(const InstanceEntry& entry) {
  switch (entry.state) {
    case InstanceEntry::State::kLoading: return InstanceStatus::kLoading;
    case InstanceEntry::State::kUnloading: return InstanceStatus::kUnloading;
    case InstanceEntry::State::kDead: return InstanceStatus::kDead;
    case InstanceEntry::State::kReady: break;
  }
  if (!entry.client->usable()) return InstanceStatus::kDead;
  const EngineClient::Activity activity = entry.client->activity();
  if (activity.generating > 0) return InstanceStatus::kGenerating;
  if (activity.processing_prompt + activity.waiting > 0) return InstanceStatus::kProcessingPrompt;
  if (activity.embedding > 0) return InstanceStatus::kComputingEmbedding;
  return InstanceStatus::kIdle;
}

class LeasedInstance : public Instance {
 public:
  explicit LeasedInstance(std::shared_ptr<InstanceEntry> entry) : entry_(std::move(entry)) { ++entry_->leases; }
  ~LeasedInstance() override {
    --entry_->leases;
    if (entry_->changed) entry_->changed();
  }
  LeasedInstance(const LeasedInstance&) = delete;
  LeasedInstance& operator=(const LeasedInstance&) = delete;

  InstanceInfo info() const override { return entry_->info(); }

  Result<std::unique_ptr<Generation>> generate(GenerateRequest request) override {
    if (!entry_->usable()) return std::unexpected(entry_->refusal());
    entry_->touch();
    return entry_->client->generate(request);
  }

  asio::awaitable<Result<EmbedResult>> embed(EmbedRequest request, std::stop_token stop) override {
    const std::shared_ptr<InstanceEntry> entry = entry_;
    if (!entry->usable()) co_return std::unexpected(entry->refusal());
    entry->touch();
    const std::shared_ptr<EngineClient> client = entry->client;
    auto result = co_await client->embed(std::move(request), std::move(stop));
    entry->touch();
    co_return result;
  }

  asio::awaitable<Result<std::vector<std::int32_t>>> tokenize(std::vector<PromptSegment> segments,
                                                              bool add_bos) override {
    const std::shared_ptr<InstanceEntry> entry = entry_;
    if (!entry->usable()) co_return std::unexpected(entry->refusal());
    entry->touch();
    const std::shared_ptr<EngineClient> client = entry->client;
    auto result = co_await client->tokenize(std::move(segments), add_bos);
    co_return result;
  }

  asio::awaitable<Result<std::string>> detokenize(std::vector<std::int32_t> tokens) override {
    const std::shared_ptr<InstanceEntry> entry = entry_;
    if (!entry->usable()) co_return std::unexpected(entry->refusal());
    entry->touch();
    const std::shared_ptr<EngineClient> client = entry->client;
    auto result = co_await client->detokenize(std::move(tokens));
    co_return result;
  }

  asio::awaitable<Result<std::uint64_t>> count(std::vector<PromptSegment> segments, bool add_bos) override {
    const std::shared_ptr<InstanceEntry> entry = entry_;
    if (!entry->usable()) co_return std::unexpected(entry->refusal());
    entry->touch();
    const std::shared_ptr<EngineClient> client = entry->client;
    auto result = co_await client->count(std::move(segments), add_bos);
    co_return result;
  }

 private:
  std::shared_ptr<InstanceEntry> entry_;
};

}  // namespace

void InstanceEntry::touch() {
  last_used = std::chrono::steady_clock::now();
  last_used_at = std::chrono::system_clock::now();
}

InstanceInfo InstanceEntry::info() const {
  InstanceInfo info;
  info.id = id;
  info.model_key = request.model_key;
  info.kind = request.kind;
  info.status = status_of(*this);
  info.config = state == State::kLoading ? request.config : loaded.config;
  info.model = loaded.model;
  info.ttl = request.ttl;
  info.last_used = last_used_at;
  info.jit = request.jit;
  info.size_bytes = request.size_bytes;
  info.draft_model = request.draft_model;
  info.load_seconds = load_seconds;
  if (client) {
    info.pid = client->pid();
    info.queued = client->activity().requests();
    if (state == State::kReady && client->activity().idle()) {
      info.idle = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - last_used);
    }
  }
  return info;
}

Error InstanceEntry::refusal() const {
  if (client && !client->usable()) return client->failure();
  return {ErrorCode::kInstanceNotFound, fmt::format("The instance {} is not loaded any more", id), {}};
}

std::shared_ptr<Instance> lease(std::shared_ptr<InstanceEntry> entry) {
  return std::make_shared<LeasedInstance>(std::move(entry));
}

}  // namespace atelier::runtime
