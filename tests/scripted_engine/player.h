// Plays a script on an engine's socket. One thread, one poll loop; timers give the script's delays.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/scripted_engine/script.h"
#include "wire/engine.pb.h"
#include "wire/framing.h"

namespace atelier::scripted {

// What happens before any script is known; from the command line.
struct StartOptions {
  std::string hello = "normal";  // or "never", "garbage", "oversized", "exit", "load_first"
  std::uint32_t protocol_version = wire::kProtocolVersion;
  bool ignore_end = false;
};

class Player {
 public:
  Player(int socket, StartOptions options);
  ~Player();
  int run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Playback;

  void say_hello();
  void handle(const wire::ToEngine& message);
  void handle_estimate(const wire::ToEngine& message);
  void handle_load(const wire::ToEngine& message);
  void load_step(std::uint64_t id, std::size_t step);
  void finish_load(std::uint64_t id);
  void handle_generate(const wire::ToEngine& message);
  void handle_embed(const wire::ToEngine& message);
  void handle_tokenize(const wire::ToEngine& message);
  void handle_detokenize(const wire::ToEngine& message);
  void handle_count(const wire::ToEngine& message);
  void handle_info(const wire::ToEngine& message);
  void handle_flow(const wire::ToEngine& message);

  void admit();
  void schedule(Playback& playback);
  void advance(std::uint64_t id);
  bool play(Playback& playback, const Step& step);  // false where it ended
  bool send_pieces(Playback& playback, const std::vector<ScriptPiece>& pieces, bool of_prompt);
  void finish(Playback& playback, const ScriptDone& done);
  void send_error(std::uint64_t id, const ScriptError& error);
  void send_raw(const std::string& what, std::uint64_t id);
  void crash(Crash how);

  void send(const wire::FromEngine& message);
  void flush(bool wait);
  bool read_socket();
  void after(std::chrono::milliseconds delay, std::function<void()> action);
  void run_timers();

  int socket_;
  StartOptions options_;
  Script script_;
  wire::FrameReader reader_;
  std::string out_;
  std::multimap<Clock::time_point, std::function<void()>> timers_;
  bool loaded_ = false;
  bool ended_ = false;
  bool deaf_ = false;
  std::uint32_t parallel_ = 4;
  std::uint32_t context_length_ = 4096;
  wire::LoadConfig config_;
  std::map<std::uint64_t, std::unique_ptr<Playback>> playing_;
  std::deque<std::uint64_t> waiting_;
  std::uint32_t running_ = 0;
};

}  // namespace atelier::scripted
