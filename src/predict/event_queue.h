// A bounded queue between coroutines on one thread: producers wait while it is full, the consumer waits while
// it is empty. This is where the pipeline's back-pressure comes from: a consumer that is busy writing to a
// slow socket stops the producer, whose engine stream then fills up and is paused.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace atelier::predict {

template <class T>
class EventQueue {
 public:
  using Clock = std::chrono::steady_clock;

  EventQueue(boost::asio::any_io_executor executor, std::size_t capacity)
      : capacity_(capacity),
        filled_(executor, Clock::time_point::max()),
        drained_(executor, Clock::time_point::max()) {}

  // Waits until there is room. After close() values are dropped at once.
  boost::asio::awaitable<void> push(T value) {
    while (!closed_ && values_.size() >= capacity_) {
      const auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
      co_await drained_.async_wait(token);
    }
    push_now(std::move(value));
  }

  // Never waits: for values that matter more than the bound (the last one), or that may be dropped by the
  // caller when full() says so.
  void push_now(T value) {
    if (closed_) return;
    values_.push_back(std::move(value));
    filled_.cancel();
  }

  bool full() const { return values_.size() >= capacity_; }

  // The oldest value; nothing where the deadline passed first. One consumer at a time.
  boost::asio::awaitable<std::optional<T>> pop(Clock::time_point deadline) {
    while (values_.empty()) {
      if (Clock::now() >= deadline) co_return std::nullopt;
      const auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
      filled_.expires_at(deadline);
      co_await filled_.async_wait(token);
    }
    std::optional<T> value(std::move(values_.front()));
    values_.pop_front();
    drained_.cancel();
    co_return value;
  }

  // The consumer is gone: producers must not wait for it.
  void close() {
    closed_ = true;
    values_.clear();
    drained_.cancel();
    filled_.cancel();
  }

 private:
  std::size_t capacity_;
  bool closed_ = false;
  std::deque<T> values_;
  boost::asio::steady_timer filled_;   // cancelled to wake the consumer
  boost::asio::steady_timer drained_;  // cancelled to wake producers
};

}  // namespace atelier::predict
