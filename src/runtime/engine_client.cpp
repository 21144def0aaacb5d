#include "runtime/engine_client.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "runtime/messages.h"
#include "wire/engine.pb.h"
#include "wire/framing.h"

namespace atelier::runtime {

// ---------------------------------------------------------------- what waits for answers

// A prediction. Shared between the client, which fills the queue, and the Generation, which empties it.
struct EngineClient::Stream {
  Stream(std::uint64_t id_in, const asio::any_io_executor& executor) : id(id_in), wake(executor) {}
  const std::uint64_t id;
  EventQueue queue;
  asio::steady_timer wake;  // its reader waits here; cancelled by each event
  Phase phase = Phase::kWaiting;
  bool finished = false;   // its last event is queued or taken
  bool cancelled = false;  // Cancel was sent
  bool detached = false;   // nobody will read any more
};

// A request with one answer.
struct EngineClient::Call {
  explicit Call(const asio::any_io_executor& executor) : changed(executor) {}
  Signal changed;
  std::unique_ptr<wire::FromEngine> answer;
  std::optional<Error> failure;
  std::function<void(double)> progress;  // of a load
  double fraction = 0;

  bool done() const { return answer != nullptr || failure.has_value(); }
  void fail_with(Error error) {
    if (done()) return;
    failure = std::move(error);
    changed.notify();
  }
};

// Takes the call out of the map when its coroutine leaves, however it leaves.
class EngineClient::CallScope {
 public:
  CallScope(EngineClient& client, std::uint64_t id) : client_(client), id_(id) {}
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;
  ~CallScope() { client_.calls_.erase(id_); }

 private:
  EngineClient& client_;
  std::uint64_t id_;
};

// Counts a request for as long as its coroutine runs.
class EngineClient::ActivityScope {
 public:
  ActivityScope(std::shared_ptr<EngineClient> client, std::uint32_t Activity::* counter)
      : client_(std::move(client)), counter_(counter) {
    ++(client_->activity_.*counter_);
    if (client_->changed_) client_->changed_();
  }
  ActivityScope(const ActivityScope&) = delete;
  ActivityScope& operator=(const ActivityScope&) = delete;
  ~ActivityScope() {
    --(client_->activity_.*counter_);
    if (client_->changed_) client_->changed_();
  }

 private:
  std::shared_ptr<EngineClient> client_;
  std::uint32_t Activity::* counter_;
};

// ---------------------------------------------------------------- a prediction, from its reader's side

class EngineGeneration : public Generation {
 public:
  EngineGeneration(std::weak_ptr<EngineClient> client, std::shared_ptr<EngineClient::Stream> stream)
      : client_(std::move(client)), stream_(std::move(stream)) {}

  ~EngineGeneration() override {
    stream_->detached = true;
    stream_->queue = EventQueue();
    cancel();
  }

  asio::awaitable<std::optional<Event>> next(std::chrono::steady_clock::time_point deadline) override {
    const std::shared_ptr<EngineClient::Stream> stream = stream_;
    const std::weak_ptr<EngineClient> client = client_;
    while (stream->queue.empty()) {
      if (std::chrono::steady_clock::now() >= deadline) co_return std::nullopt;
      stream->wake.expires_at(deadline);
      boost::system::error_code ended;
      co_await stream->wake.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    }
    EventQueue::Popped popped = stream->queue.pop();
    if (popped.flow == EventQueue::Flow::kResume && !stream->finished) {
      if (const auto engine = client.lock()) engine->send_resume(stream->id);
    }
    co_return std::optional<Event>(std::move(popped.event));
  }

  void cancel() override {
    if (stream_->finished || stream_->cancelled) return;
    stream_->cancelled = true;
    if (const auto engine = client_.lock()) engine->send_cancel(stream_->id);
  }

 private:
  std::weak_ptr<EngineClient> client_;
  std::shared_ptr<EngineClient::Stream> stream_;
};

// ---------------------------------------------------------------- life

std::string last_lines_text(const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string text = " Its last lines:";
  for (const std::string& line : lines) text += "\n" + line;
  return text;
}

EngineClient::EngineClient(asio::any_io_executor executor, Options options, std::function<void()> changed)
    : executor_(executor),
      options_(std::move(options)),
      log_(options_.name),
      changed_(std::move(changed)),
      incoming_(std::make_unique<wire::FromEngine>()),
      state_changed_(executor) {}

EngineClient::~EngineClient() { kill_now(); }

Result<std::shared_ptr<EngineClient>> EngineClient::start(asio::any_io_executor executor, Options options,
                                                          std::function<void()> changed) {
  std::shared_ptr<EngineClient> client(new EngineClient(executor, std::move(options), std::move(changed)));
  EngineProcess::Callbacks callbacks;
  const std::weak_ptr<EngineClient> weak = client;
  callbacks.frame = [weak](std::string_view payload) -> Result<void> {
    const auto self = weak.lock();
    return self ? self->take_frame(payload) : Result<void>();
  };
  callbacks.ended = [weak](const EngineEnd& end) {
    if (const auto self = weak.lock()) self->on_ended(end);
  };
  auto process = EngineProcess::start(executor, client->options_.runtime, client->options_.log_file,
                                      client->options_.stop_grace, std::move(callbacks));
  if (!process) return std::unexpected(process.error());
  client->process_ = std::move(*process);
  client->pid_ = client->process_->pid();
  client->log_.info("engine started, process {}", client->pid_);
  return client;
}

void EngineClient::stop(Error reason) {
  fail_everything(reason);
  process_->stop();
}

void EngineClient::kill(Error reason) {
  fail_everything(reason);
  process_->kill(reason.message);
}

void EngineClient::kill_now() {
  changed_ = nullptr;
  if (process_) process_->kill_now();
  if (!end_) end_ = EngineEnd{true, "killed", {}};
  fail_everything({ErrorCode::kShuttingDown, "The server is shutting down", {}});
}

asio::awaitable<void> EngineClient::wait_for_end() {
  const auto self = shared_from_this();
  while (!self->end_) co_await self->state_changed_.wait();
}

void EngineClient::on_ended(const EngineEnd& end) {
  end_ = end;
  if (!failure_) {
    log_.error("engine (process {}) ended: {}", pid_, end.reason);
  } else {
    log_.info("engine (process {}) ended: {}", pid_, end.reason);
  }
  fail_everything({ErrorCode::kEngineCrashed,
                   fmt::format("The engine of {} ended while it was working ({}).{}", options_.name, end.reason,
                               last_lines_text(end.last_lines)),
                   {}});
  state_changed_.notify();
  if (changed_) changed_();
}

void EngineClient::fail_everything(const Error& reason) {
  if (failure_) return;
  failure_ = reason;
  while (!streams_.empty()) finish_stream(streams_.begin()->first, Event(reason));
  for (const auto& [id, call] : calls_) call->fail_with(reason);  // they leave the map themselves
  state_changed_.notify();
}

// ---------------------------------------------------------------- messages from the engine

Result<void> EngineClient::take_frame(std::string_view payload) {
  if (auto parsed = wire::parse_payload(payload, *incoming_); !parsed) {
    return fail(ErrorCode::kCorrupt, fmt::format("it sent a malformed frame: {}", parsed.error().message));
  }
  auto taken = dispatch(*incoming_);
  // Memory of an unusually large message is given back.
  if (payload.size() > 1024 * 1024) incoming_ = std::make_unique<wire::FromEngine>();
  return taken;
}

Result<void> EngineClient::dispatch(wire::FromEngine& message) {
  if (message.has_log()) {  // may come before Hello
    process_->log_line(message.log().message());
    return {};
  }
  if (message.has_hello()) return take_hello(message);
  if (!hello_) return fail(ErrorCode::kCorrupt, "its first message was not Hello");
  // Keep what is looked up: a callback may change the maps.
  if (const auto stream = streams_.find(message.id()); stream != streams_.end()) {
    const std::shared_ptr<Stream> kept = stream->second;
    return take_stream_message(*kept, message);
  }
  if (const auto call = calls_.find(message.id()); call != calls_.end()) {
    const std::shared_ptr<Call> kept = call->second;
    return take_call_message(*kept, message);
  }
  return {};  // the answer to a request that nobody waits for any more
}

Result<void> EngineClient::take_hello(const wire::FromEngine& message) {
  if (hello_) return fail(ErrorCode::kCorrupt, "it sent Hello twice");
  const wire::Hello& hello = message.hello();
  if (hello.protocol_version() != wire::kProtocolVersion) {
    return fail(
        ErrorCode::kCorrupt,
        fmt::format("{} {} speaks version {} of the engine protocol, this server version {}; use a runtime "
                    "made for this server",
                    hello.engine_name(), hello.engine_version(), hello.protocol_version(), wire::kProtocolVersion));
  }
  hello_ = true;
  log_.info("engine is {} {} on {}", hello.engine_name(), hello.engine_version(), hello.library_version());
  state_changed_.notify();
  return {};
}

Result<void> EngineClient::take_stream_message(Stream& stream, wire::FromEngine& message) {
  std::optional<Event> event;
  switch (message.body_case()) {
    case wire::FromEngine::kAccepted:
      event = Accepted{message.accepted().prompt_tokens(), message.accepted().queue_position()};
      break;
    case wire::FromEngine::kStarted:
      move_phase(stream, Phase::kProcessingPrompt);
      event = Started{message.started().cached_tokens()};
      break;
    case wire::FromEngine::kPromptProgress:
      event = PromptProgress{message.prompt_progress().processed_tokens(), message.prompt_progress().total_tokens()};
      break;
    case wire::FromEngine::kDelta:
      if (!message.delta().of_prompt()) move_phase(stream, Phase::kGenerating);
      event = from_wire(*message.mutable_delta());
      break;
    case wire::FromEngine::kDone: finish_stream(stream.id, from_wire(message.done())); return {};
    case wire::FromEngine::kError: finish_stream(stream.id, from_wire(message.error())); return {};
    default:
      return fail(ErrorCode::kCorrupt,
                  fmt::format("it answered Generate with a message of type {}", static_cast<int>(message.body_case())));
  }
  if (stream.detached) return {};
  const EventQueue::Flow flow = stream.queue.push(std::move(*event));
  stream.wake.cancel();
  if (stream.queue.overflowed()) return fail(ErrorCode::kCorrupt, "it went on sending after it was told to pause");
  if (flow == EventQueue::Flow::kPause) send_pause(stream.id);
  return {};
}

Result<void> EngineClient::take_call_message(Call& call, wire::FromEngine& message) {
  if (call.done()) return {};
  if (message.has_load_progress()) {
    const double fraction = message.load_progress().fraction();
    if (std::isfinite(fraction) && fraction > call.fraction) {
      call.fraction = std::min(fraction, 1.0);
      if (call.progress) call.progress(call.fraction);
    }
    return {};
  }
  if (message.has_error()) {
    call.fail_with(from_wire(message.error()));
    return {};
  }
  call.answer = std::make_unique<wire::FromEngine>();
  call.answer->Swap(&message);
  call.changed.notify();
  return {};
}

std::uint32_t& EngineClient::phase_count(Phase phase) {
  switch (phase) {
    case Phase::kWaiting: return activity_.waiting;
    case Phase::kProcessingPrompt: return activity_.processing_prompt;
    case Phase::kGenerating: break;
  }
  return activity_.generating;
}

void EngineClient::move_phase(Stream& stream, Phase phase) {
  if (static_cast<int>(phase) <= static_cast<int>(stream.phase)) return;
  --phase_count(stream.phase);
  ++phase_count(phase);
  stream.phase = phase;
}

void EngineClient::finish_stream(std::uint64_t id, Event last) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const std::shared_ptr<Stream> stream = found->second;
  streams_.erase(found);
  --phase_count(stream->phase);
  stream->finished = true;
  if (!stream->detached) stream->queue.push(std::move(last));
  stream->wake.cancel();
  if (changed_) changed_();
}

// ---------------------------------------------------------------- messages to the engine

Result<void> EngineClient::send(const wire::ToEngine& message, bool always) {
  if (failure_) return std::unexpected(*failure_);
  outgoing_.clear();
  if (auto framed = wire::append_frame(outgoing_, message); !framed) return framed;
  auto sent = process_->send(outgoing_, always);
  if (outgoing_.capacity() > 1024 * 1024) outgoing_ = {};
  return sent;
}

// A failure of these three needs no handling: the engine is ending, and so are its predictions.
void EngineClient::send_pause(std::uint64_t request) {
  wire::ToEngine message;
  message.mutable_pause()->set_request(request);
  (void)send(message, true);
}

void EngineClient::send_resume(std::uint64_t request) {
  wire::ToEngine message;
  message.mutable_resume()->set_request(request);
  (void)send(message, true);
}

void EngineClient::send_cancel(std::uint64_t request) {
  wire::ToEngine message;
  message.mutable_cancel()->set_request(request);
  (void)send(message, true);
}

Result<std::unique_ptr<Generation>> EngineClient::generate(const GenerateRequest& request) {
  if (failure_) return std::unexpected(*failure_);
  if (activity_.waiting + activity_.embedding >= options_.max_queue) {
    return fail(ErrorCode::kQueueFull, fmt::format("{} requests wait for {} already, and no more may; try again later",
                                                   options_.max_queue, options_.name));
  }
  const std::uint64_t id = next_id_++;
  wire::ToEngine message;
  message.set_id(id);
  to_wire(request, *message.mutable_generate());
  if (auto sent = send(message, false); !sent) return std::unexpected(sent.error());
  auto stream = std::make_shared<Stream>(id, executor_);
  streams_.emplace(id, stream);
  ++activity_.waiting;
  if (changed_) changed_();
  return std::make_unique<EngineGeneration>(weak_from_this(), std::move(stream));
}

asio::awaitable<Result<void>> EngineClient::wait_for_hello() {
  const auto self = shared_from_this();
  asio::steady_timer timer(self->executor_, self->options_.start_timeout);
  const std::weak_ptr<EngineClient> weak = self;
  timer.async_wait([weak](boost::system::error_code error) {
    const auto client = weak.lock();
    if (error || !client) return;
    client->hello_timed_out_ = true;
    client->state_changed_.notify();
  });
  while (!self->hello_ && !self->failure_ && !self->hello_timed_out_) co_await self->state_changed_.wait();
  if (self->hello_) co_return Result<void>();
  if (self->failure_) co_return std::unexpected(*self->failure_);
  const double seconds = std::chrono::duration<double>(self->options_.start_timeout).count();
  co_return fail(ErrorCode::kModelLoadFailed,
                 fmt::format("The engine did not answer within {:g} seconds of its start.{}", seconds,
                             last_lines_text(self->process_->last_lines())));
}

asio::awaitable<Result<std::shared_ptr<EngineClient::Call>>> EngineClient::ask(std::shared_ptr<wire::ToEngine> message,
                                                                               std::stop_token stop) {
  const auto self = shared_from_this();
  const std::uint64_t id = message->id();
  // A load registers its call before, for the progress.
  std::shared_ptr<Call>& entry = self->calls_[id];
  if (!entry) entry = std::make_shared<Call>(self->executor_);
  const std::shared_ptr<Call> call = entry;
  const CallScope scope(*self, id);
  if (auto sent = self->send(*message, false); !sent) co_return std::unexpected(sent.error());
  message.reset();

  const asio::any_io_executor executor = self->executor_;
  auto on_stop = [call, executor] {
    asio::post(executor, [call] { call->fail_with({ErrorCode::kCancelled, "The request was cancelled", {}}); });
  };
  const std::stop_callback<decltype(on_stop)> stop_callback(stop, on_stop);
  while (!call->done()) co_await call->changed.wait();
  if (call->failure) {
    if (call->failure->code == ErrorCode::kCancelled && stop.stop_requested()) self->send_cancel(id);
    co_return std::unexpected(*call->failure);
  }
  co_return call;
}

asio::awaitable<Result<EngineClient::Loaded>> EngineClient::load(LoadRequest request,
                                                                 std::function<void(double)> progress) {
  const auto self = shared_from_this();
  auto hello = co_await self->wait_for_hello();
  if (!hello) co_return std::unexpected(hello.error());

  auto message = std::make_shared<wire::ToEngine>();
  const std::uint64_t id = self->next_id_++;
  message->set_id(id);
  if (auto converted = to_wire(request, *message->mutable_load()); !converted) {
    co_return std::unexpected(converted.error());
  }
  auto call = std::make_shared<Call>(self->executor_);
  call->progress = std::move(progress);
  self->calls_.emplace(id, std::move(call));
  const std::stop_token no_stop;
  auto answer = co_await self->ask(std::move(message), no_stop);
  if (!answer) {
    Error error = answer.error();
    // Why memory is short the error says in full.
    const bool explained = error.code == ErrorCode::kInsufficientResources;
    if (!self->failure_ && !explained) error.message += last_lines_text(self->process_->last_lines());
    co_return std::unexpected(std::move(error));
  }
  const wire::FromEngine& reply = *(*answer)->answer;
  if (!reply.has_loaded()) {
    self->kill({ErrorCode::kEngineCrashed, "The engine answered Load with another message", {}});
    co_return std::unexpected(*self->failure_);
  }
  co_return Loaded{from_wire(reply.loaded().config()), from_wire(reply.loaded().model())};
}

// ---------------------------------------------------------------- requests with one answer

namespace {

std::unexpected<Error> wrong_answer(std::string_view request) {
  return fail(ErrorCode::kInternal, fmt::format("The engine answered {} with another message", request));
}

}  // namespace

asio::awaitable<Result<MemoryEstimate>> EngineClient::estimate(LoadRequest request) {
  const auto self = shared_from_this();
  auto hello = co_await self->wait_for_hello();
  if (!hello) co_return std::unexpected(hello.error());
  auto message = std::make_shared<wire::ToEngine>();
  message->set_id(self->next_id_++);
  if (auto converted = to_wire(request, *message->mutable_estimate()->mutable_load()); !converted) {
    co_return std::unexpected(converted.error());
  }
  const std::stop_token no_stop;
  auto answer = co_await self->ask(std::move(message), no_stop);
  if (!answer) co_return std::unexpected(answer.error());
  const wire::FromEngine& reply = *(*answer)->answer;
  if (!reply.has_estimated()) co_return wrong_answer("Estimate");
  co_return from_wire(reply.estimated());
}

asio::awaitable<Result<EmbedResult>> EngineClient::embed(EmbedRequest request, std::stop_token stop) {
  const auto self = shared_from_this();
  if (self->failure_) co_return std::unexpected(*self->failure_);
  if (self->activity_.waiting + self->activity_.embedding >= self->options_.max_queue) {
    co_return fail(ErrorCode::kQueueFull,
                   fmt::format("{} requests wait for {} already, and no more may; try again later",
                               self->options_.max_queue, self->options_.name));
  }
  const ActivityScope activity(self, &Activity::embedding);
  const std::size_t inputs = request.inputs.size();
  auto message = std::make_shared<wire::ToEngine>();
  message->set_id(self->next_id_++);
  to_wire(request, *message->mutable_embed());
  request = {};
  auto answer = co_await self->ask(std::move(message), stop);
  if (!answer) co_return std::unexpected(answer.error());
  const wire::FromEngine& reply = *(*answer)->answer;
  if (!reply.has_embeddings()) co_return wrong_answer("Embed");
  co_return from_wire(reply.embeddings(), inputs);
}

asio::awaitable<Result<std::vector<std::int32_t>>> EngineClient::tokenize(std::vector<PromptSegment> segments,
                                                                          bool add_bos) {
  const auto self = shared_from_this();
  if (self->failure_) co_return std::unexpected(*self->failure_);
  const ActivityScope activity(self, &Activity::other);
  auto message = std::make_shared<wire::ToEngine>();
  message->set_id(self->next_id_++);
  for (const PromptSegment& segment : segments) to_wire(segment, *message->mutable_tokenize()->add_segments());
  message->mutable_tokenize()->set_add_bos(add_bos);
  const std::stop_token no_stop;
  auto answer = co_await self->ask(std::move(message), no_stop);
  if (!answer) co_return std::unexpected(answer.error());
  const wire::FromEngine& reply = *(*answer)->answer;
  if (!reply.has_tokens()) co_return wrong_answer("Tokenize");
  co_return std::vector<std::int32_t>(reply.tokens().ids().begin(), reply.tokens().ids().end());
}

asio::awaitable<Result<std::string>> EngineClient::detokenize(std::vector<std::int32_t> tokens) {
  const auto self = shared_from_this();
  if (self->failure_) co_return std::unexpected(*self->failure_);
  const ActivityScope activity(self, &Activity::other);
  auto message = std::make_shared<wire::ToEngine>();
  message->set_id(self->next_id_++);
  message->mutable_detokenize()->mutable_ids()->Add(tokens.begin(), tokens.end());
  message->mutable_detokenize()->set_render_control(true);
  const std::stop_token no_stop;
  auto answer = co_await self->ask(std::move(message), no_stop);
  if (!answer) co_return std::unexpected(answer.error());
  const wire::FromEngine& reply = *(*answer)->answer;
  if (!reply.has_text()) co_return wrong_answer("Detokenize");
  co_return reply.text().text();
}

asio::awaitable<Result<std::uint64_t>> EngineClient::count(std::vector<PromptSegment> segments, bool add_bos) {
  const auto self = shared_from_this();
  if (self->failure_) co_return std::unexpected(*self->failure_);
  const ActivityScope activity(self, &Activity::other);
  auto message = std::make_shared<wire::ToEngine>();
  message->set_id(self->next_id_++);
  for (const PromptSegment& segment : segments) to_wire(segment, *message->mutable_count()->add_segments());
  message->mutable_count()->set_add_bos(add_bos);
  const std::stop_token no_stop;
  auto answer = co_await self->ask(std::move(message), no_stop);
  if (!answer) co_return std::unexpected(answer.error());
  const wire::FromEngine& reply = *(*answer)->answer;
  if (!reply.has_count_result()) co_return wrong_answer("Count");
  co_return reply.count_result().tokens();
}

asio::awaitable<Result<EngineStatistics>> EngineClient::statistics(std::stop_token stop) {
  const auto self = shared_from_this();
  if (self->failure_) co_return std::unexpected(*self->failure_);
  auto message = std::make_shared<wire::ToEngine>();
  message->set_id(self->next_id_++);
  message->mutable_info();
  auto answer = co_await self->ask(std::move(message), std::move(stop));
  if (!answer) co_return std::unexpected(answer.error());
  const wire::FromEngine& reply = *(*answer)->answer;
  if (!reply.has_info_result()) co_return wrong_answer("Info");
  co_return from_wire(reply.info_result());
}

}  // namespace atelier::runtime
