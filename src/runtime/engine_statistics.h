// Asks all engines at once what they count, and waits for none longer than a limit. Loop thread.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "runtime/engine_client.h"
#include "runtime/instances.h"

namespace atelier::runtime {

struct EngineToAsk {
  InstanceInfo info;
  std::shared_ptr<EngineClient> client;
};

// One for each, in their order.
asio::awaitable<std::vector<InstanceStatistics>> ask_engines(asio::any_io_executor executor,
                                                             std::vector<EngineToAsk> engines,
                                                             std::chrono::milliseconds limit);

}  // namespace atelier::runtime
