// Coroutines for a parser whose input comes in pieces: code that reads as if all of it were there, and waits
// in the middle of it where it is not.
//
//     Parse<bool> number(ParseLoop& loop) { … const int next = co_await input.peek(); … }
//
// A ParseLoop runs one coroutine at a time. Awaiting another Parse hands the turn to it through the loop, not
// by a nested call, so that the depth of the stack does not grow with the input. Nothing here is shared
// between threads. An exception (there is only the one for lack of memory) leaves through run().
#pragma once

#include <coroutine>
#include <exception>
#include <utility>

namespace atelier::prompt::output {

class ParseLoop {
 public:
  // Runs until every coroutine waits or the outermost one has ended.
  void run() {
    while (next_) std::exchange(next_, nullptr).resume();
  }
  void schedule(std::coroutine_handle<> handle) { next_ = handle; }

 private:
  std::coroutine_handle<> next_;
};

template <class T>
class [[nodiscard]] Parse {
 public:
  struct promise_type;
  using Handle = std::coroutine_handle<promise_type>;

  struct Finished {
    bool await_ready() noexcept { return false; }
    void await_suspend(Handle handle) noexcept {
      promise_type& promise = handle.promise();
      if (promise.continuation) promise.loop->schedule(promise.continuation);
    }
    void await_resume() noexcept {}
  };

  struct promise_type {
    T result{};
    ParseLoop* loop = nullptr;
    std::coroutine_handle<> continuation;

    Parse get_return_object() { return Parse(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    Finished final_suspend() noexcept { return {}; }
    void return_value(T value) { result = std::move(value); }
    void unhandled_exception() { throw; }
  };

  Parse() = default;
  Parse(Parse&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Parse& operator=(Parse&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Parse() {
    if (handle_) handle_.destroy();
  }

  // For the outermost coroutine.
  void start(ParseLoop& loop) {
    handle_.promise().loop = &loop;
    loop.schedule(handle_);
  }

  bool await_ready() const noexcept { return false; }
  template <class Caller>
  void await_suspend(std::coroutine_handle<Caller> caller) noexcept {
    promise_type& promise = handle_.promise();
    promise.loop = caller.promise().loop;
    promise.continuation = caller;
    promise.loop->schedule(handle_);
  }
  T await_resume() { return std::move(handle_.promise().result); }

 private:
  explicit Parse(Handle handle) : handle_(handle) {}
  Handle handle_;
};

}  // namespace atelier::prompt::output
