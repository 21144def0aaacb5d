#include "tests/scripted_engine/player.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

namespace atelier::scripted {
namespace {

// Unsent bytes beyond which predictions wait: this engine, too, must not grow without bound.
constexpr std::size_t kMaxUnsentBytes = 1024 * 1024;
constexpr std::int32_t kBosToken = 256;
constexpr std::int32_t kEndToken = 257;

void print(const std::string& line) {
  std::string text = line + "\n";
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t written = write(STDERR_FILENO, rest.data(), rest.size());
    if (written <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

// Byte tokens: a text's tokens are its bytes.
template <class Segments>
std::vector<std::int32_t> tokenize(const Segments& segments, bool add_bos) {
  std::vector<std::int32_t> ids;
  if (add_bos) ids.push_back(kBosToken);
  for (const wire::Segment& segment : segments) {
    for (const char c : segment.text()) ids.push_back(static_cast<unsigned char>(c));
    ids.insert(ids.end(), segment.tokens().ids().begin(), segment.tokens().ids().end());
  }
  return ids;
}

// Template text as T(…), content as C(…), token ids as I(1 2 3): what was sent, with its provenance.
std::string describe_prompt(const wire::Generate& request) {
  std::string text;
  for (const wire::Segment& segment : request.prompt()) {
    if (segment.has_tokens()) {
      text += fmt::format("I({})", fmt::join(segment.tokens().ids(), " "));
    } else {
      text += segment.provenance() == wire::PROVENANCE_TEMPLATE ? "T(" : "C(";
      text += segment.text() + ")";
    }
  }
  return text;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(toupper(c));
  return text;
}

}  // namespace

// One prediction.
struct Player::Playback {
  std::uint64_t id = 0;
  wire::Generate request;
  Rule rule;
  std::uint64_t prompt_tokens = 0;
  bool accepted = false;
  bool started = false;  // admitted
  bool paused = false;
  bool scheduled = false;
  std::size_t step = 0;
  std::uint64_t repetition = 0;
  std::uint64_t sent = 0;
  std::uint64_t pauses = 0;
  std::uint64_t resumes = 0;
};

Player::Player(int socket, StartOptions options) : socket_(socket), options_(std::move(options)) {}
Player::~Player() = default;

// ---------------------------------------------------------------- the loop

int Player::run() {
  say_hello();
  while (true) {
    run_timers();
    flush(false);
    if (ended_ && !script_.ignore_end && !options_.ignore_end) return 0;
    int timeout = -1;
    if (!timers_.empty() && out_.size() <= kMaxUnsentBytes) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - Clock::now());
      timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
    }
    const short events = static_cast<short>((deaf_ ? 0 : POLLIN) | (out_.empty() ? 0 : POLLOUT));
    pollfd entry{ended_ ? -1 : socket_, events, 0};
    if (poll(&entry, 1, timeout) < 0 && errno != EINTR) return 1;
    if (deaf_ && (entry.revents & POLLHUP) != 0) ended_ = true;
    if (!deaf_ && (entry.revents & (POLLIN | POLLHUP)) != 0 && !read_socket()) ended_ = true;
  }
}

void Player::after(std::chrono::milliseconds delay, std::function<void()> action) {
  timers_.emplace(Clock::now() + delay, std::move(action));
}

void Player::run_timers() {
  // Bounded, so that messages of the server are seen between.
  for (int i = 0; i < 256 && out_.size() <= kMaxUnsentBytes; ++i) {
    if (timers_.empty() || timers_.begin()->first > Clock::now()) return;
    const std::function<void()> action = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    action();
  }
}

bool Player::read_socket() {
  char buffer[64 * 1024];
  const ssize_t got = recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  reader_.feed(std::string_view(buffer, static_cast<std::size_t>(got)));
  while (true) {
    auto payload = reader_.next();
    if (!payload) return false;
    if (!*payload) return true;
    wire::ToEngine message;
    if (!wire::parse_payload(**payload, message)) return false;
    if (message.has_shutdown()) return false;
    handle(message);
  }
}

void Player::send(const wire::FromEngine& message) {
  if (auto framed = wire::append_frame(out_, message); !framed) print(framed.error().message);
}

void Player::flush(bool wait) {
  while (!out_.empty()) {
    const ssize_t sent = ::send(socket_, out_.data(), out_.size(), MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
    if (sent <= 0) {
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno != EAGAIN) out_.clear();
      return;
    }
    out_.erase(0, static_cast<std::size_t>(sent));
  }
}

void Player::crash(Crash how) {
  flush(true);
  switch (how) {
    case Crash::kNone: return;
    case Crash::kExit: _exit(3);
    case Crash::kKill: kill(getpid(), SIGKILL); break;
    case Crash::kAbort: signal(SIGABRT, SIG_DFL); abort();
    case Crash::kSegfault:
      signal(SIGSEGV, SIG_DFL);
      raise(SIGSEGV);
      break;
  }
  pause();  // for the signal
}

void Player::send_raw(const std::string& what, std::uint64_t id) {
  if (what == "malformed") {
    out_.append("\x05\x00\x00\x00\xff\xff\xff\xff\xff", 9);
  } else if (what == "oversized") {
    out_.append("\xff\xff\xff\x7f", 4);
  } else if (what == "truncated") {
    out_.append("\x10\x00\x00\x00\x08", 5);
    crash(Crash::kExit);
  } else if (what == "wrong_type") {
    wire::FromEngine message;
    message.set_id(id);
    message.mutable_text()->set_text("not what was asked for");
    send(message);
  } else if (what == "empty") {
    out_.append(4, '\0');
  } else if (what == "hello") {
    say_hello();
  } else if (what == "close") {
    flush(true);
    close(socket_);
    while (true) pause();
  } else {
    print("unknown raw message: " + what);
    _exit(4);
  }
}

void Player::send_error(std::uint64_t id, const ScriptError& error) {
  wire::FromEngine message;
  message.set_id(id);
  wire::ErrorKind kind = wire::ERROR_INTERNAL;
  if (!wire::ErrorKind_Parse("ERROR_" + upper(error.kind), &kind)) print("unknown error kind: " + error.kind);
  message.mutable_error()->set_kind(kind);
  message.mutable_error()->set_message(error.message);
  message.mutable_error()->set_param(error.param);
  send(message);
}

// ---------------------------------------------------------------- handshake and load

void Player::say_hello() {
  if (options_.hello == "never") return;
  if (options_.hello == "exit") _exit(5);
  if (options_.hello == "garbage") return send_raw("malformed", 0);
  if (options_.hello == "oversized") return send_raw("oversized", 0);
  wire::FromEngine message;
  if (options_.hello == "load_first") {
    message.mutable_loaded();
  } else {
    wire::Hello* hello = message.mutable_hello();
    hello->set_protocol_version(options_.protocol_version);
    hello->set_engine_name("scripted-engine");
    hello->set_engine_version("1");
    hello->set_library_version("a script");
  }
  send(message);
}

void Player::handle(const wire::ToEngine& message) {
  if (message.has_estimate()) return handle_estimate(message);
  if (message.has_load()) return handle_load(message);
  if (!loaded_) return send_error(message.id(), {"not_loaded", "nothing is loaded yet", {}});
  switch (message.body_case()) {
    case wire::ToEngine::kGenerate: return handle_generate(message);
    case wire::ToEngine::kPause:
    case wire::ToEngine::kResume:
    case wire::ToEngine::kCancel: return handle_flow(message);
    case wire::ToEngine::kEmbed: return handle_embed(message);
    case wire::ToEngine::kTokenize: return handle_tokenize(message);
    case wire::ToEngine::kDetokenize: return handle_detokenize(message);
    case wire::ToEngine::kCount: return handle_count(message);
    case wire::ToEngine::kInfo: return handle_info(message);
    default: return send_error(message.id(), {"unsupported", "unknown request", {}});
  }
}

void Player::handle_estimate(const wire::ToEngine& message) {
  auto script = read_script(message.estimate().load().path());
  if (!script) {
    print(script.error().message);
    return send_error(message.id(), {"load_failed", script.error().message, {}});
  }
  const auto& estimate = script->estimate;
  crash(estimate.crash);
  if (!estimate.raw.empty()) return send_raw(estimate.raw, message.id());
  if (estimate.hang) return;
  if (estimate.error) return send_error(message.id(), *estimate.error);
  wire::FromEngine answer;
  answer.set_id(message.id());
  wire::Estimated& estimated = *answer.mutable_estimated();
  *estimated.mutable_config() = message.estimate().load().config();
  if (estimated.config().context_length() == 0) {
    estimated.mutable_config()->set_context_length(script->load.context_length);
  }
  estimated.set_weight_bytes(estimate.weight_bytes);
  estimated.set_kv_cache_bytes(estimate.kv_cache_bytes);
  estimated.set_compute_bytes(estimate.compute_bytes);
  estimated.set_gpu_bytes(estimate.gpu_bytes);
  estimated.set_available_bytes(estimate.available_bytes);
  estimated.set_fits(estimate.fits);
  estimated.set_lowered(estimate.lowered);
  estimated.set_exact(estimate.exact);
  send(answer);
}

void Player::handle_load(const wire::ToEngine& message) {
  auto script = read_script(message.load().path());
  if (!script) {
    print(script.error().message);
    return send_error(message.id(), {"load_failed", script.error().message, {}});
  }
  script_ = std::move(*script);
  if (script_.ignore_end) signal(SIGTERM, SIG_IGN);
  config_ = message.load().config();
  load_step(message.id(), 0);
}

void Player::load_step(std::uint64_t id, std::size_t step) {
  if (step < script_.load.progress.size()) {
    wire::FromEngine message;
    message.set_id(id);
    message.mutable_load_progress()->set_fraction(static_cast<float>(script_.load.progress[step]));
    send(message);
    return after(script_.load.step, [this, id, step] { load_step(id, step + 1); });
  }
  for (const std::string& line : script_.load.print) print(line);
  for (const std::string& line : script_.load.log) {
    wire::FromEngine message;
    message.mutable_log()->set_level(wire::LOG_INFO);
    message.mutable_log()->set_message(line);
    send(message);
  }
  crash(script_.load.crash);
  if (!script_.load.raw.empty()) return send_raw(script_.load.raw, id);
  if (script_.load.hang) return;
  if (script_.load.error) return send_error(id, *script_.load.error);
  finish_load(id);
}

void Player::finish_load(std::uint64_t id) {
  parallel_ = config_.parallel() != 0 ? config_.parallel() : (script_.parallel != 0 ? script_.parallel : 4);
  context_length_ = config_.context_length() != 0 ? config_.context_length() : script_.load.context_length;
  wire::FromEngine message;
  message.set_id(id);
  wire::Loaded* loaded = message.mutable_loaded();
  config_.set_parallel(parallel_);
  config_.set_context_length(context_length_);
  if (config_.kv_cells() == 0) config_.set_kv_cells(2 * context_length_);
  *loaded->mutable_config() = config_;
  wire::ModelInfo* model = loaded->mutable_model();
  model->set_architecture(script_.load.architecture);
  model->set_description("a script");
  model->set_trained_context_length(script_.load.context_length);
  model->set_embedding_length(static_cast<std::uint32_t>(script_.embed.vectors.front().size()));
  model->set_vocabulary_size(258);
  model->set_adds_bos(true);
  model->set_bos_token(kBosToken);
  model->set_eos_token(kEndToken);
  model->set_bos_text("<s>");
  model->set_eos_text("</s>");
  loaded_ = true;
  send(message);
}

// ---------------------------------------------------------------- predictions

void Player::handle_generate(const wire::ToEngine& message) {
  const std::uint64_t id = message.id();
  auto playback = std::make_unique<Playback>();
  playback->id = id;
  playback->request = message.generate();
  const wire::Generate& request = playback->request;
  playback->prompt_tokens = tokenize(request.prompt(), request.add_bos()).size();

  std::string prompt;
  for (const wire::Segment& segment : request.prompt()) prompt += segment.text();
  const auto rule = std::find_if(script_.generate.begin(), script_.generate.end(), [&](const Rule& candidate) {
    return prompt.find(candidate.when) != std::string::npos;
  });
  if (rule == script_.generate.end()) {
    return send_error(id, {"invalid_request", "no rule of the script fits the prompt", {}});
  }
  playback->rule = *rule;
  if (rule->refuse) return send_error(id, *rule->refuse);
  if (playback->prompt_tokens >= context_length_) {
    wire::FromEngine refusal;
    refusal.set_id(id);
    refusal.mutable_error()->set_kind(wire::ERROR_CONTEXT_LENGTH_EXCEEDED);
    refusal.mutable_error()->set_message(
        fmt::format("The prompt has {} tokens, the context holds {}", playback->prompt_tokens, context_length_));
    refusal.mutable_error()->set_prompt_tokens(playback->prompt_tokens);
    refusal.mutable_error()->set_context_length(context_length_);
    return send(refusal);
  }
  playing_.emplace(id, std::move(playback));
  after(rule->accept_after, [this, id] {
    const auto found = playing_.find(id);
    if (found == playing_.end()) return;
    found->second->accepted = true;
    wire::FromEngine accepted;
    accepted.set_id(id);
    accepted.mutable_accepted()->set_prompt_tokens(found->second->prompt_tokens);
    accepted.mutable_accepted()->set_queue_position(static_cast<std::uint32_t>(waiting_.size()));
    send(accepted);
    waiting_.push_back(id);
    admit();
  });
}

void Player::admit() {
  while (running_ < parallel_ && !waiting_.empty()) {
    const std::uint64_t id = waiting_.front();
    waiting_.pop_front();
    ++running_;
    Playback& admitted = *playing_.at(id);
    admitted.started = true;
    after(admitted.rule.start_after, [this, id] {
      const auto found = playing_.find(id);
      if (found == playing_.end()) return;
      wire::FromEngine started;
      started.set_id(id);
      started.mutable_started()->set_cached_tokens(found->second->rule.cached_tokens);
      send(started);
      schedule(*found->second);
    });
  }
}

void Player::schedule(Playback& playback) {
  if (playback.paused || playback.scheduled) return;
  playback.scheduled = true;
  const std::uint64_t id = playback.id;
  const bool more = playback.step < playback.rule.steps.size();
  after(more ? playback.rule.steps[playback.step].after : std::chrono::milliseconds(0), [this, id] { advance(id); });
}

void Player::advance(std::uint64_t id) {
  const auto found = playing_.find(id);
  if (found == playing_.end()) return;
  Playback& playback = *found->second;
  playback.scheduled = false;
  if (playback.paused) return;
  if (playback.step >= playback.rule.steps.size()) {
    ScriptDone done;
    done.end_token = kEndToken;
    return finish(playback, done);
  }
  const Step& step = playback.rule.steps[playback.step];
  if (!play(playback, step)) return;
  ++playback.repetition;
  if (step.times != 0 && playback.repetition >= step.times) {
    playback.repetition = 0;
    ++playback.step;
  }
  schedule(playback);
}

bool Player::play(Playback& playback, const Step& step) {
  wire::FromEngine message;
  message.set_id(playback.id);
  switch (step.kind) {
    case Step::Kind::kPieces: return send_pieces(playback, step.pieces, step.of_prompt);
    case Step::Kind::kProgress:
      message.mutable_prompt_progress()->set_processed_tokens(step.processed);
      message.mutable_prompt_progress()->set_total_tokens(step.total);
      send(message);
      return true;
    case Step::Kind::kEcho: {
      ScriptPiece piece;
      if (step.text == "request") {
        const auto status = google::protobuf::util::MessageToJsonString(playback.request, &piece.text);
        if (!status.ok()) print(status.ToString());
      } else {
        piece.text = describe_prompt(playback.request);
      }
      return send_pieces(playback, {piece}, false);
    }
    case Step::Kind::kReport: {
      ScriptPiece piece;
      piece.text = fmt::format("sent={} pauses={} resumes={}", playback.sent, playback.pauses, playback.resumes);
      return send_pieces(playback, {piece}, false);
    }
    case Step::Kind::kError: {
      const std::uint64_t id = playback.id;
      send_error(id, step.error);
      playing_.erase(id);
      --running_;
      admit();
      return false;
    }
    case Step::Kind::kDone: finish(playback, step.done); return false;
    case Step::Kind::kCrash: crash(step.crash); return false;
    case Step::Kind::kRaw: send_raw(step.text, playback.id); return true;
    case Step::Kind::kHang: return false;
    case Step::Kind::kDeaf: deaf_ = true; return true;
    case Step::Kind::kPrint: print(step.text); return true;
    case Step::Kind::kLog:
      message.set_id(0);
      message.mutable_log()->set_level(wire::LOG_WARN);
      message.mutable_log()->set_message(step.text);
      send(message);
      return true;
    case Step::Kind::kWait: return true;
  }
  return true;
}

bool Player::send_pieces(Playback& playback, const std::vector<ScriptPiece>& pieces, bool of_prompt) {
  const std::uint64_t limit = playback.request.limits().max_tokens();
  wire::FromEngine message;
  message.set_id(playback.id);
  message.mutable_delta()->set_of_prompt(of_prompt);
  bool full = false;
  for (const ScriptPiece& piece : pieces) {
    wire::Piece* out = message.mutable_delta()->add_pieces();
    out->set_text(piece.text);
    out->set_is_control(piece.is_control);
    out->set_token_id(piece.token.value_or(static_cast<std::int32_t>(playback.sent % 256)));
    if (playback.request.logprobs()) {
      out->set_logprob(static_cast<float>(piece.logprob.value_or(-0.5)));
      out->set_token_bytes(piece.text);
      for (std::uint32_t i = 0; i < playback.request.top_logprobs(); ++i) {
        wire::TokenLogprob* candidate = out->add_top();
        const bool given = i < piece.top.size();
        candidate->set_token_id(given ? piece.top[i].token.value_or(0) : static_cast<std::int32_t>(i));
        candidate->set_bytes(given ? piece.top[i].text : fmt::format("candidate {}", i));
        candidate->set_logprob(given ? static_cast<float>(piece.top[i].logprob.value_or(-1))
                                     : -1.0F - static_cast<float>(i));
      }
    }
    if (of_prompt) continue;
    ++playback.sent;
    full = limit != 0 && playback.sent >= limit;
    if (full) break;
  }
  send(message);
  if (!full) return true;
  ScriptDone done;
  done.reason = "max_tokens";
  finish(playback, done);
  return false;
}

void Player::finish(Playback& playback, const ScriptDone& done) {
  wire::FromEngine message;
  message.set_id(playback.id);
  wire::Done* out = message.mutable_done();
  wire::StopReason reason = wire::STOP_END_TOKEN;
  const std::string name = done.reason == "string" || done.reason == "stop_string" ? "STRING" : upper(done.reason);
  if (!wire::StopReason_Parse("STOP_" + name, &reason)) print("unknown stop reason: " + done.reason);
  out->set_reason(reason);
  out->set_stop_string(done.stop_string);
  if (done.end_token) out->set_end_token(*done.end_token);
  out->set_prompt_tokens(playback.prompt_tokens);
  out->set_cached_tokens(playback.rule.cached_tokens);
  out->set_predicted_tokens(playback.sent);
  out->set_seed(playback.request.sampling().has_seed() ? playback.request.sampling().seed() : 42);
  out->set_queue_seconds(0.25);
  out->set_prompt_seconds(0.5);
  out->set_generation_seconds(2);
  send(message);
  if (playback.started) --running_;
  const auto waiting = std::find(waiting_.begin(), waiting_.end(), playback.id);
  if (waiting != waiting_.end()) waiting_.erase(waiting);
  playing_.erase(std::uint64_t{playback.id});
  admit();
}

void Player::handle_flow(const wire::ToEngine& message) {
  const std::uint64_t id = message.has_pause()    ? message.pause().request()
                           : message.has_resume() ? message.resume().request()
                                                  : message.cancel().request();
  const auto found = playing_.find(id);
  if (found == playing_.end()) return;
  Playback& playback = *found->second;
  if (message.has_pause()) {
    ++playback.pauses;
    playback.paused = !playback.rule.ignore_pause;
  } else if (message.has_resume()) {
    ++playback.resumes;
    playback.paused = false;
    if (playback.started) schedule(playback);
  } else if (!playback.rule.ignore_cancel) {
    if (!playback.accepted) {
      playing_.erase(id);
      return send_error(id, {"cancelled", "cancelled before it was accepted", {}});
    }
    ScriptDone done;
    done.reason = "cancelled";
    finish(playback, done);
  }
}

// ---------------------------------------------------------------- the rest

void Player::handle_embed(const wire::ToEngine& message) {
  const std::uint64_t id = message.id();
  auto answer = std::make_shared<wire::FromEngine>();
  answer->set_id(id);
  wire::Embeddings* out = answer->mutable_embeddings();
  const auto& vectors = script_.embed.vectors;
  out->set_dimensions(static_cast<std::uint32_t>(vectors.front().size()));
  int index = 0;
  for (const wire::Segment& input : message.embed().inputs()) {
    std::vector<float> vector = vectors[static_cast<std::size_t>(index++) % vectors.size()];
    float length = 0;
    for (const float x : vector) length += x * x;
    length = std::sqrt(length);
    for (float& x : vector) {
      if (message.embed().normalize() && length > 0) x /= length;
      out->mutable_values()->append(reinterpret_cast<const char*>(&x), sizeof x);
    }
    const std::vector<wire::Segment> one{input};
    std::size_t tokens = tokenize(one, false).size();
    if (tokens > context_length_ && !message.embed().truncate()) {
      return send_error(
          id, {"context_length_exceeded",
               fmt::format("Input {} has {} tokens, the context holds {}", index - 1, tokens, context_length_),
               {}});
    }
    out->add_token_counts(std::min<std::size_t>(tokens, context_length_));
  }
  after(script_.embed.after, [this, id, answer] {
    crash(script_.embed.crash);
    if (script_.embed.hang) return;
    if (script_.embed.error) return send_error(id, *script_.embed.error);
    send(*answer);
  });
}

void Player::handle_tokenize(const wire::ToEngine& message) {
  wire::FromEngine answer;
  answer.set_id(message.id());
  wire::Tokens* tokens = answer.mutable_tokens();
  for (const std::int32_t id : tokenize(message.tokenize().segments(), message.tokenize().add_bos())) {
    tokens->add_ids(id);
    if (message.tokenize().with_pieces()) tokens->add_pieces(id < 256 ? std::string(1, static_cast<char>(id)) : "<s>");
  }
  send(answer);
}

void Player::handle_detokenize(const wire::ToEngine& message) {
  wire::FromEngine answer;
  answer.set_id(message.id());
  std::string* text = answer.mutable_text()->mutable_text();
  for (const std::int32_t id : message.detokenize().ids()) {
    if (id >= 0 && id < 256) {
      *text += static_cast<char>(id);
    } else if (message.detokenize().render_control()) {
      *text += id == kBosToken ? "<s>" : "</s>";
    }
  }
  send(answer);
}

void Player::handle_count(const wire::ToEngine& message) {
  wire::FromEngine answer;
  answer.set_id(message.id());
  answer.mutable_count_result()->set_tokens(tokenize(message.count().segments(), message.count().add_bos()).size());
  answer.mutable_count_result()->set_context_length(context_length_);
  send(answer);
}

void Player::handle_info(const wire::ToEngine& message) {
  wire::FromEngine answer;
  answer.set_id(message.id());
  wire::InfoResult* info = answer.mutable_info_result();
  info->set_running(running_);
  info->set_waiting(static_cast<std::uint32_t>(waiting_.size()));
  info->set_paused(static_cast<std::uint32_t>(
      std::count_if(playing_.begin(), playing_.end(), [](const auto& item) { return item.second->paused; })));
  send(answer);
}

}  // namespace atelier::scripted
