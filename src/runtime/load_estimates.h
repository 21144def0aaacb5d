// What loads would take, asked of engines that are started for one question each and ended with the answer. They are
// sandboxed as any engine. One works at a time; answers are remembered for as long as the file, the settings and the
// free memory are what they were. Loop thread; held by shared_ptr.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <unordered_map>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/error.h"
#include "runtime/engine_client.h"
#include "runtime/instances.h"
#include "runtime/signal.h"

namespace atelier::runtime {

class LoadEstimates : public std::enable_shared_from_this<LoadEstimates> {
 public:
  struct Options {
    EngineRuntime runtime;
    std::filesystem::path log_file;           // empty: none
    std::chrono::milliseconds limit{20'000};  // from the start of the engine to its answer
  };
  LoadEstimates(asio::any_io_executor executor, Options options);

  // What the engine refuses (settings, a broken file) comes as it says it. kUnavailable where it could not be asked: it
  // does not start, crashes, or takes too long.
  asio::awaitable<Result<MemoryEstimate>> ask(LoadRequest request, std::stop_token stop);

  // Ends the engine under way; this and all further questions are answered with kShuttingDown.
  void stop();
  // The same without waiting for anything. For destructors.
  void kill_now();

 private:
  class Turn;
  struct Known {
    std::string version;  // of the file
    MemoryEstimate estimate;
  };
  std::optional<MemoryEstimate> known(const std::string& key, const LoadRequest& request);
  void remember(const std::string& key, const LoadRequest& request, const MemoryEstimate& estimate);
  asio::awaitable<Result<MemoryEstimate>> ask_engine(LoadRequest request, std::stop_token stop);

  asio::any_io_executor executor_;
  Options options_;
  Signal changed_;
  bool busy_ = false;
  bool stopped_ = false;
  std::shared_ptr<EngineClient> client_;  // of the question under way
  std::unordered_map<std::string, Known> known_;
};

}  // namespace atelier::runtime
