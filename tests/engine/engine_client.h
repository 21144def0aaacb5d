// A server's side of an engine, for tests: sends messages, sorts the answers by request. The engine is the real one,
// on a thread of this process or as a program of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "wire/engine.pb.h"
#include "wire/framing.h"

namespace atelier::engine::test {

// What came back for one Generate.
struct Answer {
  std::optional<wire::Accepted> accepted;
  std::optional<wire::Started> started;
  std::vector<wire::PromptProgress> progress;
  std::vector<wire::Piece> prompt_pieces;
  std::vector<wire::Piece> pieces;
  std::optional<wire::Done> done;
  std::optional<wire::Error> error;
  int deltas = 0;

  // Takes in a message that belongs to it.
  void add(const wire::FromEngine& message);
  bool ended() const { return done || error; }
  std::string text() const;  // without control pieces
  std::vector<std::int32_t> tokens() const;
};

class EngineClient {
 public:
  enum class Where { kThread, kProcess };
  explicit EngineClient(Where where = Where::kThread);
  // Closes the socket and waits for the engine.
  ~EngineClient();
  EngineClient(const EngineClient&) = delete;
  EngineClient& operator=(const EngineClient&) = delete;

  void send(const wire::ToEngine& message);
  void send_bytes(const std::string& bytes);
  void close_socket();
  // The exit code (-1: killed by a signal), once it has ended.
  int wait();
  pid_t pid() const { return pid_; }

  // The next message that is not Log or LoadProgress (those are kept). Throws after a minute without one, and at
  // the end of the socket.
  wire::FromEngine next();

  wire::FromEngine load(const std::string& path, const wire::LoadConfig& config = {}, bool embedding = false,
                        bool vocabulary_only = false);
  std::uint64_t generate(const wire::Generate& generate);
  // Takes messages in until the request has ended.
  Answer& wait_for(std::uint64_t id);
  // Takes messages in until the condition holds.
  template <class Condition>
  void take_until(Condition condition) {
    while (!condition()) take(next());
  }
  Answer& answer(std::uint64_t id) { return answers_[id]; }
  void cancel(std::uint64_t id);
  void pause(std::uint64_t id);
  void resume(std::uint64_t id);
  wire::InfoResult info();
  // Sends a message with a new id, and gives the answer to it; answers of generations are sorted in meanwhile.
  wire::FromEngine ask(wire::ToEngine message);

  std::vector<wire::Log> logs;
  std::vector<float> load_progress;

 private:
  void take(const wire::FromEngine& message);
  void start_thread(int socket);
  void start_process(int socket);

  int socket_ = -1;
  std::thread thread_;
  pid_t pid_ = -1;
  int exit_code_ = 0;
  bool ended_ = false;
  wire::FrameReader reader_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Answer> answers_;
};

// The words that start the engine's program, with the folder of plug-ins.
std::vector<std::string> engine_command();

// F32 cache and no flash attention, in which results are exact.
wire::LoadConfig exact_config();
// One content segment of token ids; greedy.
wire::Generate greedy_request(const std::vector<std::int32_t>& prompt, std::uint64_t max_tokens);
wire::Segment text_segment(const std::string& text, wire::Provenance provenance = wire::PROVENANCE_TEMPLATE);

}  // namespace atelier::engine::test
