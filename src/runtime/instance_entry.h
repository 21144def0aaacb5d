// One instance as the registry (instances.cpp) keeps it, and the lease through which everyone else sees it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "runtime/engine_client.h"
#include "runtime/instances.h"

namespace atelier::runtime {

struct InstanceEntry {
  enum class State { kLoading, kReady, kUnloading, kDead };

  InstanceEntry(std::string id_in, LoadRequest request_in, const asio::any_io_executor& executor)
      : id(std::move(id_in)), request(std::move(request_in)), ttl_timer(executor) {}

  const std::string id;
  const LoadRequest request;
  State state = State::kLoading;
  // A JIT switch waits for its last users; nobody new is let in.
  bool draining = false;
  std::shared_ptr<EngineClient> client;  // null until the process was started
  std::function<void()> changed;         // the registry's: activity, leases or life changed
  EngineClient::Loaded loaded;
  double load_seconds = 0;
  std::uint32_t leases = 0;
  bool busy = false;  // as of the last change
  std::chrono::steady_clock::time_point last_used = std::chrono::steady_clock::now();
  std::chrono::system_clock::time_point last_used_at = std::chrono::system_clock::now();
  asio::steady_timer ttl_timer;

  bool usable() const { return state == State::kReady && client->usable(); }
  bool idle() const { return leases == 0 && client->activity().idle(); }
  void touch();
  InstanceInfo info() const;
  // Why it takes no requests; meaningful when not usable.
  Error refusal() const;
};

// An Instance that keeps its entry in use for as long as it exists.
std::shared_ptr<Instance> lease(std::shared_ptr<InstanceEntry> entry);

}  // namespace atelier::runtime
