// The engine: takes messages of the protocol and answers them, until the socket ends.
//
// Threads. run() is the decode thread: it owns the model's context, the scheduler and the embedder, and every
// private method runs on it unless it says otherwise. The connection's socket thread hands messages over as
// tasks. A text thread tokenises and detokenises (a long prompt takes longer than a decode step) and hands the
// result back as a task, so requests reach the scheduler in the order in which they came.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "engine/connection.h"
#include "engine/draft_model.h"
#include "engine/embedder.h"
#include "engine/kv_block_store.h"
#include "engine/library_log.h"
#include "engine/model.h"
#include "engine/omp_wait_policy.h"
#include "engine/prediction.h"
#include "engine/scheduler.h"
#include "engine/task_queue.h"

namespace atelier::engine {

class Engine {
 public:
  struct Options {
    // Called on the socket thread when the socket has ended and run() is about to return this: for a watchdog.
    std::function<void(int exit_code)> on_closed;
    // Whether a load restricts the process for good (sandbox.h): for a process that is nothing but an engine.
    bool sandbox = false;
    // Where the library's plug-ins were loaded from; empty: where it looks by itself.
    std::string backends;
  };

  // Takes the socket over and says hello. The library's backends must have been loaded.
  Engine(int socket, Options options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Serves until end of file or Shutdown (0), or a fault of the protocol or the socket (1, said on stderr).
  int run();

 private:
  // A message and its bytes, which count as unread until it has been dealt with.
  class Incoming;
  using Message = std::shared_ptr<Incoming>;

  // Socket thread.
  void receive(std::unique_ptr<wire::ToEngine> message, std::size_t bytes);
  void closed(CloseReason reason, const std::string& what);

  void handle(const Message& message);
  void handle_estimate(const Message& message);
  void handle_load(const Message& message);
  void restrict_to(const wire::Load& load);
  void handle_generate(const Message& message);
  void handle_embed(const Message& message);
  void handle_text_request(const Message& message);
  void handle_cancel(std::uint64_t id);
  void handle_pause(std::uint64_t id, bool paused);
  void handle_info(std::uint64_t id);
  void shut_down();

  Result<std::shared_ptr<DraftModel>> draft_model(const std::string& path);
  std::unique_ptr<KvBlockStore> block_store(const wire::Load& load);

  // What a request of this kind needs of the model; answers with an error where it is not there.
  enum class Needs { kVocabulary, kGeneration, kEmbedding };
  bool check_loaded(std::uint64_t id, Needs needs);

  // The decode thread's part after tokenising.
  void submit_generate(std::uint64_t id, Result<GenerateRequest> request);
  void submit_embed(std::uint64_t id, Result<EmbedRequest> request);

  // Text thread.
  void answer_text_request(const wire::ToEngine& message);
  Result<EmbedRequest> prepare_embed(const wire::ToEngine& message) const;

  // Any thread.
  void send(const wire::FromEngine& message) { connection_->send(message); }
  void send_error(std::uint64_t id, const Error& error);
  void send_log(LibraryLogLevel level, const std::string& line);

  Options options_;
  bool restricted_ = false;
  std::atomic<bool> closing_{false};
  std::atomic<std::size_t> unread_bytes_{0};
  std::atomic<int> exit_code_{0};
  TaskQueue tasks_;
  TaskQueue text_tasks_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<LibraryLog> log_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<Embedder> embedder_;
  std::unique_ptr<OmpWaitPolicy> wait_policy_;  // where the processor computes
  std::shared_ptr<DraftModel> draft_model_;     // the one that was named last; predictions may still hold another
  // Requests on the text thread, and whether they were paused meanwhile. A cancelled one is taken out.
  std::unordered_map<std::uint64_t, bool> preparing_;
  std::thread text_thread_;
};

}  // namespace atelier::engine
