// The registry of instances and its policy: identifiers, shared loads, JIT switches, idle time, back-off.
//
// A load runs as a task of its own (a coroutine on the loop) and its callers wait for the task; so a load can
// be shared, goes on when one of several callers leaves, and is cancelled when the last one does.
//
// All waiting is on one Signal, `changed_`, which is notified whenever an instance's activity, leases or life
// or a task changed; waiters check their own condition. Waiters are few (loads, unloads, switches), so waking
// all of them is cheap.
//
// JIT switches of one kind of model run one after another, in order of arrival (tickets): the first in line
// evicts, loads, and only then the next begins. Requests for a model that is being evicted start a switch of
// their own and thereby wait behind the running one.
#include "runtime/instances.h"

#include <algorithm>
#include <list>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "base/log.h"
#include "runtime/engine_statistics.h"
#include "runtime/file_version.h"
#include "runtime/instance_entry.h"
#include "runtime/kv_cache_folders.h"
#include "runtime/load_estimates.h"
#include "runtime/restart_backoff.h"
#include "runtime/signal.h"

namespace atelier::runtime {
namespace {

using Clock = std::chrono::steady_clock;
using EntryPtr = std::shared_ptr<InstanceEntry>;

Error shutting_down() { return {ErrorCode::kShuttingDown, "The server is shutting down", {}}; }
Error load_cancelled() { return {ErrorCode::kCancelled, "Loading the model was cancelled", {}}; }

std::string log_file_name(std::string_view id) {
  std::string name = "engine-";
  for (const char c : id.substr(0, 100)) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    name += plain ? c : '_';
  }
  return name + ".log";
}

// ---------------------------------------------------------------- a load and those who wait for it

struct LoadTask {
  LoadRequest request;
  // A load by name has it, and with it its identifier, from the beginning; a JIT load from its turn on.
  EntryPtr entry;
  std::stop_source stop;
  int waiters = 0;
  std::list<LoadProgress> progress;
  double fraction = 0;
  // Once finished. The instance is a lease, so that it cannot go before its waiters took theirs.
  std::optional<Result<std::shared_ptr<Instance>>> result;
  bool loaded = false;  // false where a live instance was found after all
  double load_seconds = 0;

  void report(double new_fraction) {
    fraction = new_fraction;
    for (const LoadProgress& callback : std::list<LoadProgress>(progress)) callback(new_fraction);
  }
};
using TaskPtr = std::shared_ptr<LoadTask>;

// ---------------------------------------------------------------- the registry

class Registry : public std::enable_shared_from_this<Registry> {
 public:
  Registry(asio::any_io_executor executor, InstancesConfig config)
      : executor_(executor), config_(std::move(config)), changed_(executor) {
    LoadEstimates::Options options;
    options.runtime = config_.runtime;
    if (!config_.log_folder.empty()) options.log_file = config_.log_folder / "estimates.log";
    options.limit = config_.estimate_timeout;
    estimates_ = std::make_shared<LoadEstimates>(executor, std::move(options));
  }

  asio::awaitable<Result<std::shared_ptr<Instance>>> load(LoadRequest request, LoadProgress progress,
                                                          std::stop_token stop);
  asio::awaitable<Result<Instances::Acquired>> acquire(LoadRequest request, LoadProgress progress,
                                                       std::stop_token stop);
  asio::awaitable<Result<MemoryEstimate>> estimate(LoadRequest request, std::stop_token stop) {
    return estimates_->ask(std::move(request), std::move(stop));
  }
  std::shared_ptr<Instance> find(std::string_view id) const;
  std::vector<InstanceInfo> list() const;
  asio::awaitable<std::vector<InstanceStatistics>> statistics(std::chrono::milliseconds limit) const;
  asio::awaitable<Result<void>> unload(std::string id);
  asio::awaitable<void> shutdown();
  void abandon();

 private:
  class Waiter;
  class Ticket;
  class Drain;
  class StopNotice;

  Result<std::string> choose_id(const LoadRequest& request) const;
  void give_kv_cache_folder(LoadRequest& request) const;
  EntryPtr add_entry(std::string id, LoadRequest request);
  void on_changed(const EntryPtr& entry);
  void arm_ttl(const EntryPtr& entry);
  void begin_unload(const EntryPtr& entry, Error reason);
  void remove(const EntryPtr& entry);
  EntryPtr live(const LoadRequest& request) const;
  TaskPtr joinable(const LoadRequest& request) const;
  bool ending(const LoadRequest& request) const;
  TaskPtr start_task(LoadRequest request, EntryPtr entry);
  asio::awaitable<Result<std::shared_ptr<Instance>>> wait_for(TaskPtr task, LoadProgress progress,
                                                              std::stop_token stop);

  static asio::awaitable<void> run(std::shared_ptr<Registry> self, TaskPtr task);
  asio::awaitable<Result<std::shared_ptr<Instance>>> perform(TaskPtr task);
  asio::awaitable<Result<void>> make_room(LoadRequest request, std::stop_token stop);
  Result<void> check_backoff(const LoadRequest& request) const;
  asio::awaitable<Result<std::shared_ptr<Instance>>> load_entry(TaskPtr task, EntryPtr entry);
  Error load_failure(const InstanceEntry& entry, Error error);

  asio::any_io_executor executor_;
  InstancesConfig config_;
  Signal changed_;
  std::map<std::string, EntryPtr, std::less<>> entries_;
  std::list<TaskPtr> tasks_;
  std::list<const Ticket*> lines_[2];  // JIT switches of each ModelKind, in order of arrival
  RestartBackoff backoff_;
  std::shared_ptr<LoadEstimates> estimates_;
  bool shutting_down_ = false;
};

// Wakes the waiters when a stop is requested (from whatever thread).
class Registry::StopNotice {
 public:
  StopNotice(Registry& registry, std::stop_token stop)
      : callback_(std::move(stop), Notify{registry.weak_from_this()}) {}

 private:
  struct Notify {
    std::weak_ptr<Registry> registry;
    void operator()() const {
      const auto self = registry.lock();
      if (!self) return;
      asio::post(self->executor_, [weak = registry] {
        if (const auto still_there = weak.lock()) still_there->changed_.notify();
      });
    }
  };
  std::stop_callback<Notify> callback_;
};

// Counts a caller that waits for a task; the last one to leave cancels it.
class Registry::Waiter {
 public:
  Waiter(Registry& registry, LoadTask& task, LoadProgress progress) : registry_(registry), task_(task) {
    ++task_.waiters;
    if (!progress) return;
    if (task_.fraction > 0) progress(task_.fraction);
    position_ = task_.progress.insert(task_.progress.end(), std::move(progress));
  }
  ~Waiter() {
    if (position_) task_.progress.erase(*position_);
    if (--task_.waiters > 0 || task_.result) return;
    task_.stop.request_stop();
    registry_.changed_.notify();
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

 private:
  Registry& registry_;
  LoadTask& task_;
  std::optional<std::list<LoadProgress>::iterator> position_;
};

// A place in the line of JIT switches of one kind.
class Registry::Ticket {
 public:
  Ticket(Registry& registry, ModelKind kind)
      : registry_(registry), line_(registry.lines_[kind == ModelKind::kEmbedding ? 1 : 0]) {
    position_ = line_.insert(line_.end(), this);
  }
  ~Ticket() {
    line_.erase(position_);
    registry_.changed_.notify();
  }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  bool first() const { return line_.front() == this; }

 private:
  Registry& registry_;
  std::list<const Ticket*>& line_;
  std::list<const Ticket*>::iterator position_;
};

// Closes an instance to new users while a switch waits for those it has.
class Registry::Drain {
 public:
  Drain(Registry& registry, EntryPtr entry) : registry_(registry), entry_(std::move(entry)) { entry_->draining = true; }
  ~Drain() {
    entry_->draining = false;  // where the switch was given up, it is open again
    registry_.changed_.notify();
  }
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;

 private:
  Registry& registry_;
  EntryPtr entry_;
};

// ---------------------------------------------------------------- entries

Result<std::string> Registry::choose_id(const LoadRequest& request) const {
  if (!request.identifier.empty()) {
    if (entries_.contains(request.identifier)) {
      return fail(
          ErrorCode::kConflict,
          fmt::format("There is a loaded model with the identifier {} already; unload it first, or choose another",
                      request.identifier),
          "identifier");
    }
    return request.identifier;
  }
  if (!entries_.contains(request.model_key)) return request.model_key;
  int number = 2;
  while (entries_.contains(fmt::format("{}:{}", request.model_key, number))) ++number;
  return fmt::format("{}:{}", request.model_key, number);
}

// Without a folder the engine serves all the same.
void Registry::give_kv_cache_folder(LoadRequest& request) const {
  if (request.kind != ModelKind::kLlm || config_.kv_cache_root.empty() || config_.kv_cache_disk_bytes == 0) return;
  remove_orphaned_kv_caches(config_.kv_cache_root);
  if (const auto made = make_kv_cache_folder(config_.kv_cache_root, request.path); !made) {
    log::warn("{}. Prompts of {} are not kept on disk", made.error().message, request.model_key);
    return;
  }
  request.kv_cache_folder = kv_cache_folder(config_.kv_cache_root, request.path);
  request.kv_cache_disk_bytes = config_.kv_cache_disk_bytes;
}

EntryPtr Registry::add_entry(std::string id, LoadRequest request) {
  give_kv_cache_folder(request);
  request.model_folders = config_.model_folders;
  auto entry = std::make_shared<InstanceEntry>(id, std::move(request), executor_);
  const std::weak_ptr<Registry> weak = weak_from_this();
  const std::weak_ptr<InstanceEntry> weak_entry = entry;
  entry->changed = [weak, weak_entry] {
    const auto self = weak.lock();
    const auto changed_entry = weak_entry.lock();
    if (self && changed_entry) self->on_changed(changed_entry);
  };
  entries_.emplace(std::move(id), entry);
  changed_.notify();
  return entry;
}

void Registry::on_changed(const EntryPtr& entry) {
  if (entry->client) {
    const bool busy = !entry->client->activity().idle();
    if (entry->busy && !busy) entry->touch();  // idle time counts from the end of the last request
    entry->busy = busy;
    if (entry->client->ended()) remove(entry);
  }
  if (entry->state == InstanceEntry::State::kReady) arm_ttl(entry);
  changed_.notify();
}

void Registry::remove(const EntryPtr& entry) {
  // A loading one is removed by its task, which knows what to report.
  if (entry->state == InstanceEntry::State::kLoading || entry->state == InstanceEntry::State::kDead) return;
  entry->state = InstanceEntry::State::kDead;
  entry->ttl_timer.cancel();
  entries_.erase(entry->id);
}

void Registry::arm_ttl(const EntryPtr& entry) {
  if (!entry->request.ttl) return;
  entry->ttl_timer.cancel();
  if (!entry->usable() || !entry->idle()) return;  // comes again when it is idle
  entry->ttl_timer.expires_at(entry->last_used + *entry->request.ttl);
  const std::weak_ptr<Registry> weak = weak_from_this();
  const std::weak_ptr<InstanceEntry> weak_entry = entry;
  entry->ttl_timer.async_wait([weak, weak_entry](boost::system::error_code error) {
    const auto self = weak.lock();
    const auto idle_entry = weak_entry.lock();
    if (error || !self || !idle_entry) return;
    // The timer may have expired just before it was cancelled.
    if (!idle_entry->usable() || !idle_entry->idle()) return;
    if (Clock::now() < idle_entry->last_used + *idle_entry->request.ttl) return self->arm_ttl(idle_entry);
    log::info("{} was idle for {} s and is unloaded", idle_entry->id, idle_entry->request.ttl->count());
    self->begin_unload(
        idle_entry,
        {ErrorCode::kInstanceNotFound, fmt::format("The instance {} was unloaded: it was idle", idle_entry->id), {}});
  });
}

void Registry::begin_unload(const EntryPtr& entry, Error reason) {
  if (entry->state != InstanceEntry::State::kReady) return;
  entry->state = InstanceEntry::State::kUnloading;
  entry->ttl_timer.cancel();
  entry->client->stop(std::move(reason));
  changed_.notify();
}

EntryPtr Registry::live(const LoadRequest& request) const {
  EntryPtr best;
  for (const auto& [id, entry] : entries_) {
    if (entry->request.model_key != request.model_key || entry->request.kind != request.kind) continue;
    if (!entry->usable() || entry->draining) continue;
    if (!best || entry->client->activity().requests() < best->client->activity().requests()) best = entry;
  }
  return best;
}

// An instance of that model whose end is under way: its identifier and its memory are about to be free.
bool Registry::ending(const LoadRequest& request) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& item) {
    const InstanceEntry& entry = *item.second;
    if (entry.request.model_key != request.model_key) return false;
    return entry.state == InstanceEntry::State::kUnloading ||
           (entry.state == InstanceEntry::State::kReady && !entry.usable());
  });
}

TaskPtr Registry::joinable(const LoadRequest& request) const {
  for (const TaskPtr& task : tasks_) {
    if (task->request.model_key == request.model_key && task->request.kind == request.kind) return task;
  }
  return nullptr;
}

std::shared_ptr<Instance> Registry::find(std::string_view id) const {
  const auto found = entries_.find(id);
  if (found == entries_.end() || !found->second->usable() || found->second->draining) return nullptr;
  return lease(found->second);
}

std::vector<InstanceInfo> Registry::list() const {
  std::vector<InstanceInfo> infos;
  infos.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) infos.push_back(entry->info());
  return infos;
}

asio::awaitable<std::vector<InstanceStatistics>> Registry::statistics(std::chrono::milliseconds limit) const {
  std::vector<EngineToAsk> engines;
  for (const auto& [id, entry] : entries_) {
    if (entry->usable()) engines.push_back({entry->info(), entry->client});
  }
  return ask_engines(executor_, std::move(engines), limit);
}

// ---------------------------------------------------------------- loads

TaskPtr Registry::start_task(LoadRequest request, EntryPtr entry) {
  auto task = std::make_shared<LoadTask>();
  task->request = std::move(request);
  task->entry = std::move(entry);
  tasks_.push_back(task);
  asio::co_spawn(executor_, run(shared_from_this(), task), asio::detached);
  return task;
}

asio::awaitable<void> Registry::run(std::shared_ptr<Registry> self, TaskPtr task) {
  Result<std::shared_ptr<Instance>> result = std::unexpected(load_cancelled());
  try {
    result = co_await self->perform(task);
  } catch (const std::exception& e) {
    result = fail(ErrorCode::kInternal, fmt::format("Loading {} failed: {}", task->request.model_key, e.what()));
  }
  if (!result && self->shutting_down_) result = std::unexpected(shutting_down());
  task->result = std::move(result);
  self->tasks_.remove(task);
  self->changed_.notify();
}

asio::awaitable<Result<std::shared_ptr<Instance>>> Registry::wait_for(TaskPtr task, LoadProgress progress,
                                                                      std::stop_token stop) {
  const auto self = shared_from_this();
  const Waiter waiter(*self, *task, std::move(progress));
  const StopNotice notice(*self, stop);
  while (!task->result) {
    if (stop.stop_requested()) {
      if (task->waiters > 1) co_return std::unexpected(load_cancelled());
      // The last one waits until the process is gone.
      task->stop.request_stop();
    }
    co_await self->changed_.wait();
  }
  co_return *task->result;
}

asio::awaitable<Result<std::shared_ptr<Instance>>> Registry::load(LoadRequest request, LoadProgress progress,
                                                                  std::stop_token stop) {
  const auto self = shared_from_this();
  if (self->shutting_down_) co_return std::unexpected(shutting_down());
  if (stop.stop_requested()) co_return std::unexpected(load_cancelled());
  auto id = self->choose_id(request);
  if (!id) co_return std::unexpected(id.error());
  const EntryPtr entry = self->add_entry(std::move(*id), request);
  const TaskPtr task = self->start_task(std::move(request), entry);
  auto result = co_await self->wait_for(task, std::move(progress), std::move(stop));
  co_return result;
}

asio::awaitable<Result<Instances::Acquired>> Registry::acquire(LoadRequest request, LoadProgress progress,
                                                               std::stop_token stop) {
  const auto self = shared_from_this();
  request.jit = true;
  const StopNotice notice(*self, stop);
  while (true) {
    if (self->shutting_down_) co_return std::unexpected(shutting_down());
    if (stop.stop_requested()) co_return std::unexpected(load_cancelled());
    if (const EntryPtr entry = self->live(request)) {
      entry->touch();
      co_return Instances::Acquired{lease(entry), false, 0};
    }
    TaskPtr task = self->joinable(request);
    if (!task && !self->ending(request)) task = self->start_task(request, nullptr);
    if (!task || task->stop.stop_requested()) {
      co_await self->changed_.wait();
      continue;
    }
    auto instance = co_await self->wait_for(task, progress, stop);
    if (!instance) co_return std::unexpected(instance.error());
    co_return Instances::Acquired{*instance, task->loaded, task->load_seconds};
  }
}

asio::awaitable<Result<std::shared_ptr<Instance>>> Registry::perform(TaskPtr task) {
  const auto self = shared_from_this();
  if (task->entry) {
    const EntryPtr entry = task->entry;
    auto result = co_await self->load_entry(task, entry);
    co_return result;
  }
  std::optional<Ticket> ticket;
  if (self->config_.jit_single) {
    ticket.emplace(*self, task->request.kind);
    const std::stop_token stop = task->stop.get_token();
    const StopNotice notice(*self, stop);
    while (!ticket->first() && !stop.stop_requested()) co_await self->changed_.wait();
    if (stop.stop_requested()) co_return std::unexpected(load_cancelled());
    if (const EntryPtr entry = self->live(task->request)) co_return lease(entry);
    if (auto allowed = self->check_backoff(task->request); !allowed) co_return std::unexpected(allowed.error());
    const LoadRequest request = task->request;
    auto room = co_await self->make_room(request, stop);
    if (!room) co_return std::unexpected(room.error());
  } else if (auto allowed = self->check_backoff(task->request); !allowed) {
    co_return std::unexpected(allowed.error());
  }
  auto id = self->choose_id(task->request);
  if (!id) co_return std::unexpected(id.error());
  const EntryPtr entry = self->add_entry(std::move(*id), task->request);
  task->entry = entry;
  auto result = co_await self->load_entry(task, entry);
  co_return result;
}

// Evicts the other JIT instances of the kind, each once its last user has gone.
asio::awaitable<Result<void>> Registry::make_room(LoadRequest request, std::stop_token stop) {
  const auto self = shared_from_this();
  while (true) {
    EntryPtr victim;
    for (const auto& [id, entry] : self->entries_) {
      const bool there =
          entry->state == InstanceEntry::State::kReady || entry->state == InstanceEntry::State::kUnloading;
      if (there && entry->request.jit && entry->request.kind == request.kind) victim = entry;
    }
    if (!victim) co_return Result<void>();
    const Drain drain(*self, victim);
    while (victim->usable() && !victim->idle() && !stop.stop_requested()) co_await self->changed_.wait();
    if (stop.stop_requested()) co_return std::unexpected(load_cancelled());
    if (victim->usable()) log::info("{} is unloaded to make room for {}", victim->id, request.model_key);
    const Error reason{ErrorCode::kInstanceNotFound,
                       fmt::format("The instance {} was unloaded to make room for {}", victim->id, request.model_key),
                       {}};
    self->begin_unload(victim, reason);
    while (victim->state != InstanceEntry::State::kDead) co_await self->changed_.wait();
  }
}

Result<void> Registry::check_backoff(const LoadRequest& request) const {
  const auto refusal = backoff_.refusal(request.path.string(), file_version(request.path), Clock::now());
  if (!refusal) return {};
  return fail(
      ErrorCode::kModelLoadFailed,
      fmt::format("The engine crashed {} times in a row while loading {}; it may be tried again in {} s. The last "
                  "time: {}",
                  refusal->crashes, request.model_key, refusal->wait.count(), refusal->reason));
}

// The error for the caller, and the back-off's books.
Error Registry::load_failure(const InstanceEntry& entry, Error error) {
  if (error.code == ErrorCode::kEngineCrashed && entry.client->ended()) {
    const EngineEnd& end = entry.client->end();
    const bool killed = end.reason.starts_with("signal 9 ");
    error = {ErrorCode::kModelLoadFailed,
             fmt::format("The engine ended while it loaded {} ({}{}).{}", entry.id, end.reason,
                         killed ? ", perhaps for lack of memory" : "", last_lines_text(end.last_lines)),
             {}};
    backoff_.crashed(entry.request.path.string(), file_version(entry.request.path), error.message, Clock::now());
  } else if (error.code == ErrorCode::kEngineCrashed || error.code == ErrorCode::kInternal) {
    error.code = ErrorCode::kModelLoadFailed;
  }
  return error;
}

asio::awaitable<Result<std::shared_ptr<Instance>>> Registry::load_entry(TaskPtr task, EntryPtr entry) {
  const auto self = shared_from_this();
  const Clock::time_point began = Clock::now();
  EngineClient::Options options;
  options.name = entry->id;
  options.runtime = self->config_.runtime;
  if (!self->config_.log_folder.empty()) options.log_file = self->config_.log_folder / log_file_name(entry->id);
  options.start_timeout = self->config_.engine_start_timeout;
  options.stop_grace = self->config_.engine_stop_grace;
  options.max_queue = self->config_.max_queue;

  Result<EngineClient::Loaded> loaded = std::unexpected(load_cancelled());
  if (!task->stop.stop_requested()) {
    auto client = EngineClient::start(self->executor_, std::move(options), entry->changed);
    if (!client) {
      loaded =
          fail(ErrorCode::kModelLoadFailed, fmt::format("The engine could not be started. {}", client.error().message));
    } else {
      entry->client = std::move(*client);
      self->changed_.notify();
      const std::weak_ptr<EngineClient> weak_client = entry->client;
      const asio::any_io_executor executor = self->executor_;
      auto on_stop = [weak_client, executor] {
        asio::post(executor, [weak_client] {
          if (const auto loading = weak_client.lock()) loading->kill(load_cancelled());
        });
      };
      const std::stop_callback<decltype(on_stop)> stop_callback(task->stop.get_token(), on_stop);
      const std::weak_ptr<LoadTask> weak_task = task;
      std::function<void(double)> progress = [weak_task](double fraction) {
        if (const auto loading = weak_task.lock()) loading->report(fraction);
      };
      loaded = co_await entry->client->load(entry->request, std::move(progress));
      // A stop that came with the last message: its kill is on its way.
      if (loaded && (task->stop.stop_requested() || self->shutting_down_)) loaded = std::unexpected(load_cancelled());
    }
  }

  if (!loaded) {
    if (entry->client) {
      entry->client->kill(load_cancelled());
      co_await entry->client->wait_for_end();
    }
    Error error = self->shutting_down_ ? shutting_down() : self->load_failure(*entry, loaded.error());
    log::warn("{} was not loaded: {}", entry->id, error.message);
    entry->state = InstanceEntry::State::kDead;
    self->entries_.erase(entry->id);
    self->changed_.notify();
    co_return std::unexpected(std::move(error));
  }
  entry->loaded = std::move(*loaded);
  entry->state = InstanceEntry::State::kReady;
  entry->load_seconds = std::chrono::duration<double>(Clock::now() - began).count();
  entry->touch();
  task->loaded = true;
  task->load_seconds = entry->load_seconds;
  self->backoff_.loaded(entry->request.path.string());
  if (task->fraction < 1) task->report(1);
  log::info("{} loaded in {:.2f} s", entry->id, entry->load_seconds);
  std::shared_ptr<Instance> instance = lease(entry);
  // The engine may have died between its answer and this line.
  if (entry->client->ended()) self->remove(entry);
  self->changed_.notify();
  co_return instance;
}

// ---------------------------------------------------------------- unloading

asio::awaitable<Result<void>> Registry::unload(std::string id) {
  const auto self = shared_from_this();
  if (self->shutting_down_) co_return std::unexpected(shutting_down());
  const auto found = self->entries_.find(id);
  if (found == self->entries_.end()) {
    co_return fail(ErrorCode::kInstanceNotFound, fmt::format("There is no loaded model with the identifier {}", id));
  }
  const EntryPtr entry = found->second;
  if (entry->state == InstanceEntry::State::kLoading) {
    for (const TaskPtr& task : self->tasks_) {
      if (task->entry == entry) task->stop.request_stop();
    }
  }
  self->begin_unload(entry, {ErrorCode::kCancelled, fmt::format("The model {} was unloaded", id), {}});
  while (entry->state != InstanceEntry::State::kDead) co_await self->changed_.wait();
  co_return Result<void>();
}

asio::awaitable<void> Registry::shutdown() {
  const auto self = shared_from_this();
  self->shutting_down_ = true;
  self->estimates_->stop();
  for (const TaskPtr& task : std::list<TaskPtr>(self->tasks_)) task->stop.request_stop();
  std::vector<EntryPtr> entries;
  for (const auto& [id, entry] : self->entries_) entries.push_back(entry);
  for (const EntryPtr& entry : entries) self->begin_unload(entry, shutting_down());
  self->changed_.notify();
  while (!self->entries_.empty() || !self->tasks_.empty()) co_await self->changed_.wait();
}

void Registry::abandon() {
  shutting_down_ = true;
  estimates_->kill_now();
  for (const TaskPtr& task : std::list<TaskPtr>(tasks_)) task->stop.request_stop();
  auto entries = std::move(entries_);
  entries_.clear();
  for (const auto& [id, entry] : entries) {
    if (entry->client) entry->client->kill_now();
    if (entry->state != InstanceEntry::State::kLoading) entry->state = InstanceEntry::State::kDead;
    entry->ttl_timer.cancel();
  }
  changed_.notify();
}

// ---------------------------------------------------------------- the public face

class InstancesImpl : public Instances {
 public:
  InstancesImpl(asio::any_io_executor executor, InstancesConfig config)
      : registry_(std::make_shared<Registry>(std::move(executor), std::move(config))) {}
  ~InstancesImpl() override { registry_->abandon(); }

  asio::awaitable<Result<std::shared_ptr<Instance>>> load(LoadRequest request, LoadProgress progress,
                                                          std::stop_token stop) override {
    return registry_->load(std::move(request), std::move(progress), std::move(stop));
  }
  asio::awaitable<Result<Acquired>> acquire(LoadRequest request, LoadProgress progress, std::stop_token stop) override {
    return registry_->acquire(std::move(request), std::move(progress), std::move(stop));
  }
  asio::awaitable<Result<MemoryEstimate>> estimate(LoadRequest request, std::stop_token stop) override {
    return registry_->estimate(std::move(request), std::move(stop));
  }
  std::shared_ptr<Instance> find(std::string_view id) const override { return registry_->find(id); }
  std::vector<InstanceInfo> list() const override { return registry_->list(); }
  asio::awaitable<std::vector<InstanceStatistics>> statistics(std::chrono::milliseconds limit) override {
    return registry_->statistics(limit);
  }
  asio::awaitable<Result<void>> unload(std::string id) override { return registry_->unload(std::move(id)); }
  asio::awaitable<void> shutdown() override { return registry_->shutdown(); }

 private:
  std::shared_ptr<Registry> registry_;
};

}  // namespace

std::unique_ptr<Instances> Instances::create(asio::any_io_executor executor, InstancesConfig config) {
  return std::make_unique<InstancesImpl>(std::move(executor), std::move(config));
}

}  // namespace atelier::runtime
