#include "runtime/load_estimates.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "base/memory_info.h"
#include "runtime/file_version.h"
#include "runtime/messages.h"
#include "wire/engine.pb.h"

namespace atelier::runtime {
namespace {

// Answers kept; beyond that all are forgotten, which costs a second or two when somebody asks again.
constexpr std::size_t kMostKnown = 256;
// As the engine has it (proto/engine.proto, memory_share).
constexpr double kMostOfMemory = 0.95;

Error shutting_down() { return {ErrorCode::kShuttingDown, "The server is shutting down", {}}; }
Error cancelled() { return {ErrorCode::kCancelled, "The estimate was cancelled", {}}; }

// Empty where the request cannot be put into words for an engine.
std::string key_of(const LoadRequest& request) {
  wire::Load load;
  if (!to_wire(request, load)) return {};
  std::string key;
  load.SerializeToString(&key);
  return key;
}

bool within_share(const MemoryEstimate& estimate, const LoadRequest& request, std::uint64_t available) {
  const double share = std::min<double>(request.memory_share.value_or(kMostOfMemory), kMostOfMemory);
  return static_cast<double>(estimate.total_bytes()) <= share * static_cast<double>(available);
}

}  // namespace

// The right to have an engine work; waiters are told when it ends.
class LoadEstimates::Turn {
 public:
  explicit Turn(LoadEstimates& estimates) : estimates_(estimates) { estimates_.busy_ = true; }
  ~Turn() {
    estimates_.busy_ = false;
    estimates_.client_.reset();
    estimates_.changed_.notify();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  LoadEstimates& estimates_;
};

LoadEstimates::LoadEstimates(asio::any_io_executor executor, Options options)
    : executor_(executor), options_(std::move(options)), changed_(executor) {}

asio::awaitable<Result<MemoryEstimate>> LoadEstimates::ask(LoadRequest request, std::stop_token stop) {
  const auto self = shared_from_this();
  const std::string key = key_of(request);
  const std::weak_ptr<LoadEstimates> weak = self;
  const asio::any_io_executor executor = self->executor_;
  auto on_stop = [weak, executor] {
    asio::post(executor, [weak] {
      if (const auto still_there = weak.lock()) still_there->changed_.notify();
    });
  };
  const std::stop_callback<decltype(on_stop)> stop_callback(stop, on_stop);
  while (self->busy_ && !self->stopped_ && !stop.stop_requested()) co_await self->changed_.wait();
  if (self->stopped_) co_return std::unexpected(shutting_down());
  if (stop.stop_requested()) co_return std::unexpected(cancelled());
  if (auto found = self->known(key, request)) co_return std::move(*found);

  const Turn turn(*self);
  LoadRequest asked = request;
  auto answer = co_await self->ask_engine(std::move(asked), stop);
  if (self->stopped_) co_return std::unexpected(shutting_down());
  if (answer) self->remember(key, request, *answer);
  co_return answer;
}

asio::awaitable<Result<MemoryEstimate>> LoadEstimates::ask_engine(LoadRequest request, std::stop_token stop) {
  const auto self = shared_from_this();
  EngineClient::Options options;
  options.name = fmt::format("an estimate for {}", request.model_key);
  options.runtime = self->options_.runtime;
  options.log_file = self->options_.log_file;
  options.start_timeout = self->options_.limit;
  auto started = EngineClient::start(self->executor_, std::move(options), nullptr);
  if (!started) {
    co_return fail(ErrorCode::kUnavailable,
                   fmt::format("The engine could not be started. {}", started.error().message));
  }
  const std::shared_ptr<EngineClient> client = std::move(*started);
  self->client_ = client;

  const std::weak_ptr<EngineClient> weak = client;
  const double seconds = std::chrono::duration<double>(self->options_.limit).count();
  asio::steady_timer timer(self->executor_, self->options_.limit);
  timer.async_wait([weak, seconds](boost::system::error_code error) {
    const auto asked = weak.lock();
    if (error || !asked) return;
    asked->kill({ErrorCode::kUnavailable, fmt::format("The engine gave no estimate within {:g} s", seconds), {}});
  });
  const asio::any_io_executor executor = self->executor_;
  auto on_stop = [weak, executor] {
    asio::post(executor, [weak] {
      if (const auto asked = weak.lock()) asked->kill(cancelled());
    });
  };
  const std::stop_callback<decltype(on_stop)> stop_callback(stop, on_stop);

  auto answer = co_await client->estimate(std::move(request));
  timer.cancel();
  const bool engine_failed = !client->usable() && !stop.stop_requested();
  client->kill(cancelled());
  co_await client->wait_for_end();
  if (!answer && engine_failed) co_return fail(ErrorCode::kUnavailable, answer.error().message);
  co_return answer;
}

std::optional<MemoryEstimate> LoadEstimates::known(const std::string& key, const LoadRequest& request) {
  const auto found = known_.find(key);
  if (key.empty() || found == known_.end()) return std::nullopt;
  MemoryEstimate estimate = found->second.estimate;
  const std::uint64_t available = read_memory_info().available_bytes;
  const bool fits = within_share(estimate, request, available);
  // With much less memory than then, the engine might choose smaller now.
  const bool as_much = available / 9 >= estimate.available_bytes / 10;
  if (found->second.version != file_version(request.path) || !as_much || (estimate.fits && !fits)) {
    known_.erase(found);
    return std::nullopt;
  }
  estimate.available_bytes = available;
  estimate.fits = fits;
  return estimate;
}

// What was chosen smaller for lack of memory is chosen anew when there is more. Of a GPU's free memory nothing is known
// here.
void LoadEstimates::remember(const std::string& key, const LoadRequest& request, const MemoryEstimate& estimate) {
  if (key.empty() || estimate.lowered || estimate.gpu_bytes > 0) return;
  if (known_.size() >= kMostKnown) known_.clear();
  known_[key] = {file_version(request.path), estimate};
}

void LoadEstimates::stop() {
  stopped_ = true;
  if (client_) client_->kill(shutting_down());
  changed_.notify();
}

void LoadEstimates::kill_now() {
  stopped_ = true;
  if (client_) client_->kill_now();
}

}  // namespace atelier::runtime
