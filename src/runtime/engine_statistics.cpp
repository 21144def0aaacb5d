#include "runtime/engine_statistics.h"

#include <stop_token>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "runtime/signal.h"

namespace atelier::runtime {
namespace {

// What has come so far; shared by those that ask and the one that waits for them.
struct Asked {
  explicit Asked(const asio::any_io_executor& executor) : answered(executor) {}
  std::vector<InstanceStatistics> all;
  std::size_t waiting = 0;
  Signal answered;
};

asio::awaitable<void> ask_engine(std::shared_ptr<Asked> asked, std::size_t index, std::shared_ptr<EngineClient> client,
                                 std::stop_token stop) {
  try {
    const Result<EngineStatistics> statistics = co_await client->statistics(std::move(stop));
    if (statistics) asked->all[index].engine = *statistics;
  } catch (const std::exception& e) {
    log::error("Asking an engine for its statistics failed: {}", e.what());
  }
  --asked->waiting;
  asked->answered.notify();
}

}  // namespace

asio::awaitable<std::vector<InstanceStatistics>> ask_engines(asio::any_io_executor executor,
                                                             std::vector<EngineToAsk> engines,
                                                             std::chrono::milliseconds limit) {
  const auto asked = std::make_shared<Asked>(executor);
  asked->waiting = engines.size();
  for (EngineToAsk& engine : engines) asked->all.push_back({std::move(engine.info), std::nullopt});
  std::stop_source late;
  asio::steady_timer timer(executor, limit);
  timer.async_wait([late](boost::system::error_code error) mutable {
    if (!error) late.request_stop();
  });
  for (std::size_t i = 0; i < engines.size(); ++i) {
    auto work = ask_engine(asked, i, std::move(engines[i].client), late.get_token());
    asio::co_spawn(executor, std::move(work), asio::detached);
  }
  while (asked->waiting > 0) co_await asked->answered.wait();
  co_return std::move(asked->all);
}

}  // namespace atelier::runtime
