// Work for one thread, handed over by others, in order.
// push() and close() from any thread; take() on the thread that does the work.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace atelier::engine {

class TaskQueue {
 public:
  using Task = std::function<void()>;
  enum class Wait { kNo, kForTask };

  void push(Task task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    ready_.notify_one();
  }

  // No more waiting: take() gives what is there, and nothing after that.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }

  // Everything that is there; with kForTask waits until there is something or the queue is closed.
  std::deque<Task> take(Wait wait) {
    std::unique_lock lock(mutex_);
    if (wait == Wait::kForTask) ready_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
    return std::exchange(tasks_, {});
  }

  bool closed() {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Task> tasks_;
  bool closed_ = false;
};

}  // namespace atelier::engine
