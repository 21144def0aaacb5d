// The conversation with one engine: handshake, load, and any number of requests at a time, told apart by ids
// that are never used twice. Whatever ends the engine ends everything that waits for it, at once.
//
// Loop thread. Held by shared_ptr; its process dies with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/error.h"
#include "base/log.h"
#include "runtime/engine_process.h"
#include "runtime/event_queue.h"
#include "runtime/generation.h"
#include "runtime/instances.h"
#include "runtime/signal.h"

namespace atelier::wire {
class FromEngine;
class ToEngine;
}  // namespace atelier::wire

namespace atelier::runtime {

class EngineClient : public std::enable_shared_from_this<EngineClient> {
 public:
  struct Options {
    std::string name;  // of the instance, for messages and the log
    EngineRuntime runtime;
    std::filesystem::path log_file;
    std::chrono::milliseconds start_timeout{60'000};
    std::chrono::milliseconds stop_grace{5'000};
    std::uint32_t max_queue = 512;
  };
  struct Loaded {
    LoadConfig config;
    EngineModelInfo model;
  };
  struct Activity {
    std::uint32_t waiting = 0;            // generations not yet admitted
    std::uint32_t processing_prompt = 0;  // admitted, no token yet
    std::uint32_t generating = 0;
    std::uint32_t embedding = 0;
    std::uint32_t other = 0;  // tokenize, detokenize, count

    std::uint32_t requests() const { return waiting + processing_prompt + generating + embedding; }
    bool idle() const { return requests() == 0 && other == 0; }
  };

  // Spawns the process. `changed` is called, on the loop, when the activity changed or the engine ended; it must
  // not release the client on the spot.
  static Result<std::shared_ptr<EngineClient>> start(asio::any_io_executor executor, Options options,
                                                     std::function<void()> changed);
  ~EngineClient();

  // Waits for Hello, then loads. Progress is between 0 and 1 and never decreases. A failure leaves the engine
  // running: the caller ends it. The failure of an engine that died carries its last lines, and so does a
  // load that it refused.
  asio::awaitable<Result<Loaded>> load(LoadRequest request, std::function<void(double)> progress);

  // Waits for Hello, then asks what a load would take. Failures as those of load.
  asio::awaitable<Result<MemoryEstimate>> estimate(LoadRequest request);

  Result<std::unique_ptr<Generation>> generate(const GenerateRequest& request);
  asio::awaitable<Result<EmbedResult>> embed(EmbedRequest request, std::stop_token stop);
  asio::awaitable<Result<std::vector<std::int32_t>>> tokenize(std::vector<PromptSegment> segments, bool add_bos);
  asio::awaitable<Result<std::string>> detokenize(std::vector<std::int32_t> tokens);
  asio::awaitable<Result<std::uint64_t>> count(std::vector<PromptSegment> segments, bool add_bos);

  // Does not count as activity: who watches an engine does not keep it loaded.
  asio::awaitable<Result<EngineStatistics>> statistics(std::stop_token stop);

  // Ends everything that waits with `reason`, then the engine in order (EngineProcess::stop).
  void stop(Error reason);
  // The same, at once.
  void kill(Error reason);
  // Kills and waits for the process (milliseconds); `changed` is not called any more. For destructors.
  void kill_now();
  // Until the process has been reaped.
  asio::awaitable<void> wait_for_end();

  bool usable() const { return !failure_; }  // requests may be made
  bool ended() const { return end_.has_value(); }
  const EngineEnd& end() const { return *end_; }  // meaningful when ended
  // Why no request can be made any more; meaningful when not usable.
  const Error& failure() const { return *failure_; }

  Activity activity() const { return activity_; }
  int pid() const { return pid_; }

 private:
  friend class EngineGeneration;
  struct Stream;
  struct Call;
  class CallScope;
  class ActivityScope;
  enum class Phase { kWaiting, kProcessingPrompt, kGenerating };

  EngineClient(asio::any_io_executor executor, Options options, std::function<void()> changed);
  Result<void> take_frame(std::string_view payload);
  Result<void> dispatch(wire::FromEngine& message);
  Result<void> take_stream_message(Stream& stream, wire::FromEngine& message);
  Result<void> take_call_message(Call& call, wire::FromEngine& message);
  Result<void> take_hello(const wire::FromEngine& message);
  void on_ended(const EngineEnd& end);
  void fail_everything(const Error& reason);
  void finish_stream(std::uint64_t id, Event last);
  void move_phase(Stream& stream, Phase phase);
  std::uint32_t& phase_count(Phase phase);

  Result<void> send(const wire::ToEngine& message, bool always);
  void send_pause(std::uint64_t request);
  void send_resume(std::uint64_t request);
  void send_cancel(std::uint64_t request);
  asio::awaitable<Result<void>> wait_for_hello();
  // Sends, and waits for the one answer.
  asio::awaitable<Result<std::shared_ptr<Call>>> ask(std::shared_ptr<wire::ToEngine> message, std::stop_token stop);

  asio::any_io_executor executor_;
  Options options_;
  log::Logger log_;
  std::function<void()> changed_;
  std::shared_ptr<EngineProcess> process_;
  int pid_ = 0;
  std::unique_ptr<wire::FromEngine> incoming_;  // reused: its memory is kept from message to message
  std::string outgoing_;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, std::shared_ptr<Stream>> streams_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Call>> calls_;
  Activity activity_;
  bool hello_ = false;
  bool hello_timed_out_ = false;
  std::optional<Error> failure_;
  std::optional<EngineEnd> end_;
  Signal state_changed_;  // hello, end
};

// " Its last lines:\n…"; empty where there are none.
std::string last_lines_text(const std::vector<std::string>& lines);

}  // namespace atelier::runtime
