// What the tests of this room share: a loop that runs coroutines to their end, and real engine processes that
// play scripts (tests/scripted_engine/README.md). Nothing here sleeps; a test that would hang fails after a minute.
#pragma once

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "runtime/instances.h"

namespace atelier::runtime {

inline constexpr auto kNoDeadline = std::chrono::steady_clock::time_point::max();

// A coroutine that was started; its result once it has one.
template <class T>
class Running {
 public:
  bool done() const { return state_->has_value(); }
  T& value() { return **state_; }

 private:
  friend class Loop;
  std::shared_ptr<std::optional<T>> state_ = std::make_shared<std::optional<T>>();
};

class Loop {
 public:
  asio::any_io_executor executor() { return context_.get_executor(); }

  template <class T>
  Running<T> start(asio::awaitable<T> work) {
    Running<T> started;
    auto state = started.state_;
    asio::co_spawn(context_, std::move(work), [state](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      *state = std::move(value);
    });
    return started;
  }

  // Runs the loop's work until the condition holds, looking after each handler.
  template <class Condition>
  void run_until(Condition condition) {
    while (!condition()) {
      if (context_.stopped()) context_.restart();
      if (context_.run_one_for(std::chrono::seconds(60)) > 0) continue;
      std::cerr << "the condition of a test was not met: nothing happened for a minute\n";
      std::abort();
    }
  }

  // Handlers that are ready now.
  void run_ready() {
    if (context_.stopped()) context_.restart();
    context_.poll();
  }

  template <class T>
  T& wait(Running<T>& started) {
    run_until([&] { return started.done(); });
    return started.value();
  }
  template <class T>
  T run(asio::awaitable<T> work) {
    Running<T> started = start(std::move(work));
    return std::move(wait(started));
  }
  void run(asio::awaitable<void> work) { run(as_bool(std::move(work))); }

 private:
  static asio::awaitable<bool> as_bool(asio::awaitable<void> work) {
    co_await std::move(work);
    co_return true;
  }
  asio::io_context context_{1};
};

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "atelier-runtime-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }
  std::string read(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(path_ / name, std::ios::binary).rdbuf();
    return text.str();
  }

 private:
  std::filesystem::path path_;
};

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// A server's runtime room with scripted engines.
struct Engines {
  Loop loop;
  Folder folder;
  InstancesConfig config;
  std::unique_ptr<Instances> instances;

  Engines() {
    // A shell script in between notes each process that is started.
    const auto starter = folder.write("start-engine", "#!/bin/sh\necho $$ >> " + (folder.path() / "pids").string() +
                                                          "\nexec " SCRIPTED_ENGINE " \"$@\"\n");
    std::filesystem::permissions(starter, std::filesystem::perms::owner_all);
    config.runtime.name = "scripted";
    config.runtime.exe = starter;
    config.log_folder = folder.path();
    config.engine_stop_grace = std::chrono::milliseconds(10'000);
  }
  void start() { instances = Instances::create(loop.executor(), config); }

  std::vector<std::string> pids() const { return lines_of(folder.read("pids")); }

  LoadRequest request(const std::string& key, const std::string& script) {
    LoadRequest request;
    request.model_key = key;
    request.path = folder.write(key + ".json", script);
    return request;
  }

  asio::awaitable<Result<std::shared_ptr<Instance>>> load(LoadRequest request) {
    return instances->load(std::move(request), nullptr, std::stop_token());
  }
  asio::awaitable<Result<Instances::Acquired>> acquire(LoadRequest request, std::stop_token stop = {}) {
    return instances->acquire(std::move(request), nullptr, std::move(stop));
  }
  std::shared_ptr<Instance> loaded(const std::string& key, const std::string& script) {
    if (!instances) start();
    auto result = loop.run(load(request(key, script)));
    if (!result) {
      ADD_FAILURE() << result.error().message;
      std::abort();
    }
    return *result;
  }
};

inline GenerateRequest prompt(const std::string& text) {
  GenerateRequest request;
  request.prompt.push_back({text, true, {}});
  return request;
}

inline std::shared_ptr<Generation> generate(Instance& instance, GenerateRequest request) {
  auto generation = instance.generate(std::move(request));
  if (!generation) {
    ADD_FAILURE() << generation.error().message;
    std::abort();
  }
  return std::shared_ptr<Generation>(std::move(*generation));
}

// What came of a prediction, to its end.
struct Outcome {
  std::vector<Event> events;
  std::string text;  // of its pieces, control ones included
  std::size_t pieces = 0;
  const Done* done() const { return events.empty() ? nullptr : std::get_if<Done>(&events.back()); }
  const Error* error() const { return events.empty() ? nullptr : std::get_if<Error>(&events.back()); }
};

inline void add(Outcome& outcome, Event event) {
  if (const Delta* delta = std::get_if<Delta>(&event)) {
    for (const Piece& piece : delta->pieces) outcome.text += piece.text;
    outcome.pieces += delta->pieces.size();
  }
  outcome.events.push_back(std::move(event));
}

inline asio::awaitable<Outcome> read_all(std::shared_ptr<Generation> generation) {
  Outcome outcome;
  while (!outcome.done() && !outcome.error()) {
    auto event = co_await generation->next(kNoDeadline);
    add(outcome, std::move(*event));
  }
  co_return outcome;
}

inline asio::awaitable<std::optional<Event>> next_event(std::shared_ptr<Generation> generation,
                                                        std::chrono::steady_clock::time_point deadline) {
  auto event = co_await generation->next(deadline);
  co_return event;
}

}  // namespace atelier::runtime
