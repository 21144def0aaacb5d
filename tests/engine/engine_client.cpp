#include "tests/engine/engine_client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include "engine/engine.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {

std::string Answer::text() const {
  std::string out;
  for (const wire::Piece& piece : pieces) {
    if (!piece.is_control()) out += piece.text();
  }
  return out;
}

std::vector<std::int32_t> Answer::tokens() const {
  std::vector<std::int32_t> out;
  for (const wire::Piece& piece : pieces) out.push_back(piece.token_id());
  return out;
}

void Answer::add(const wire::FromEngine& message) {
  switch (message.body_case()) {
    case wire::FromEngine::kAccepted: accepted = message.accepted(); break;
    case wire::FromEngine::kStarted: started = message.started(); break;
    case wire::FromEngine::kPromptProgress: progress.push_back(message.prompt_progress()); break;
    case wire::FromEngine::kDelta: {
      auto& list = message.delta().of_prompt() ? prompt_pieces : pieces;
      list.insert(list.end(), message.delta().pieces().begin(), message.delta().pieces().end());
      ++deltas;
      break;
    }
    case wire::FromEngine::kDone: done = message.done(); break;
    case wire::FromEngine::kError: error = message.error(); break;
    default: throw std::runtime_error("an answer that is none of a generation");
  }
}

EngineClient::EngineClient(Where where) {
  load_backends();
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) throw std::runtime_error("socketpair");
  socket_ = sockets[0];
  if (where == Where::kThread)
    start_thread(sockets[1]);
  else
    start_process(sockets[1]);
  const wire::FromEngine hello = next();
  if (!hello.has_hello() || hello.hello().protocol_version() != wire::kProtocolVersion) {
    throw std::runtime_error("the engine does not begin with Hello");
  }
}

void EngineClient::start_thread(int socket) {
  thread_ = std::thread([this, socket] {
    Engine engine(socket, {});
    exit_code_ = engine.run();
  });
}

std::vector<std::string> engine_command() {
  std::vector<std::string> words;
  const std::string launcher = ATELIER_ENGINE_LAUNCHER;
  for (std::size_t begin = 0; begin < launcher.size();) {
    const std::size_t end = std::min(launcher.find('|', begin), launcher.size());
    words.push_back(launcher.substr(begin, end - begin));
    begin = end + 1;
  }
  words.emplace_back(ATELIER_ENGINE_PROGRAM);
  if (const std::string backends = ATELIER_BACKENDS_DIR; !backends.empty()) {
    words.emplace_back("--backends");
    words.push_back(backends);
  }
  return words;
}

void EngineClient::start_process(int socket) {
  std::vector<std::string> words = engine_command();
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    if (socket == wire::kEngineSocketFd)
      ::fcntl(socket, F_SETFD, 0);
    else
      ::dup2(socket, wire::kEngineSocketFd);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(socket);
}

EngineClient::~EngineClient() {
  close_socket();
  wait();
}

void EngineClient::close_socket() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

int EngineClient::wait() {
  if (ended_) return exit_code_;
  ended_ = true;
  if (thread_.joinable()) thread_.join();
  if (pid_ > 0) {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  return exit_code_;
}

void EngineClient::send_bytes(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) throw std::runtime_error("send");
    sent += static_cast<std::size_t>(n);
  }
}

void EngineClient::send(const wire::ToEngine& message) {
  std::string frame;
  if (!wire::append_frame(frame, message)) throw std::runtime_error("append_frame");
  send_bytes(frame);
}

wire::FromEngine EngineClient::next() {
  while (true) {
    auto payload = reader_.next();
    if (!payload) throw std::runtime_error(payload.error().message);
    if (*payload) {
      wire::FromEngine message;
      if (!wire::parse_payload(**payload, message)) throw std::runtime_error("parse_payload");
      if (message.has_log())
        logs.push_back(message.log());
      else if (message.has_load_progress())
        load_progress.push_back(message.load_progress().fraction());
      else
        return message;
      continue;
    }
    pollfd readable{socket_, POLLIN, 0};
    if (::poll(&readable, 1, 60'000) == 0) throw std::runtime_error("the engine is silent");
    char buffer[65536];
    const ssize_t n = ::recv(socket_, buffer, sizeof buffer, 0);
    if (n <= 0) throw std::runtime_error("the engine closed the socket");
    reader_.feed({buffer, static_cast<std::size_t>(n)});
  }
}

void EngineClient::take(const wire::FromEngine& message) { answers_[message.id()].add(message); }

wire::FromEngine EngineClient::ask(wire::ToEngine message) {
  const std::uint64_t id = ++last_id_;
  message.set_id(id);
  send(message);
  while (true) {
    wire::FromEngine answer = next();
    if (answer.id() == id) return answer;
    take(answer);
  }
}

wire::FromEngine EngineClient::load(const std::string& path, const wire::LoadConfig& config, bool embedding,
                                    bool vocabulary_only) {
  wire::ToEngine message;
  message.mutable_load()->set_path(path);
  *message.mutable_load()->mutable_config() = config;
  message.mutable_load()->set_embedding(embedding);
  message.mutable_load()->set_vocabulary_only(vocabulary_only);
  return ask(std::move(message));
}

std::uint64_t EngineClient::generate(const wire::Generate& generate) {
  wire::ToEngine message;
  message.set_id(++last_id_);
  *message.mutable_generate() = generate;
  send(message);
  return last_id_;
}

Answer& EngineClient::wait_for(std::uint64_t id) {
  take_until([&] { return answers_[id].ended(); });
  return answers_[id];
}

void EngineClient::cancel(std::uint64_t id) {
  wire::ToEngine message;
  message.mutable_cancel()->set_request(id);
  send(message);
}

void EngineClient::pause(std::uint64_t id) {
  wire::ToEngine message;
  message.mutable_pause()->set_request(id);
  send(message);
}

void EngineClient::resume(std::uint64_t id) {
  wire::ToEngine message;
  message.mutable_resume()->set_request(id);
  send(message);
}

wire::InfoResult EngineClient::info() {
  wire::ToEngine message;
  message.mutable_info();
  return ask(std::move(message)).info_result();
}

wire::LoadConfig exact_config() {
  wire::LoadConfig config;
  config.set_k_cache_type("f32");
  config.set_v_cache_type("f32");
  config.set_flash_attention(wire::SWITCH_OFF);
  // On a busy machine several threads wait for each other at every operation of a tiny model.
  config.set_threads(1);
  return config;
}

wire::Generate greedy_request(const std::vector<std::int32_t>& prompt, std::uint64_t max_tokens) {
  wire::Generate generate;
  generate.add_prompt()->mutable_tokens()->mutable_ids()->Add(prompt.begin(), prompt.end());
  generate.mutable_sampling()->set_temperature(0);
  generate.mutable_limits()->set_max_tokens(max_tokens);
  return generate;
}

wire::Segment text_segment(const std::string& text, wire::Provenance provenance) {
  wire::Segment segment;
  segment.set_text(text);
  segment.set_provenance(provenance);
  return segment;
}

}  // namespace atelier::engine::test
