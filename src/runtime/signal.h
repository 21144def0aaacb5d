// A condition variable for coroutines of one loop: state changes, waiters look again. Loop thread only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace atelier::runtime {

namespace asio = boost::asio;

class Signal {
 public:
  explicit Signal(const asio::any_io_executor& executor) : timer_(executor, asio::steady_timer::time_point::max()) {}

  // Wakes everyone who waits now.
  void notify() { timer_.cancel(); }

  // Until the next notify. Wakes may be spurious: check the condition in a loop, before waiting. The Signal
  // must outlive the wait (hold its owner in the waiting coroutine).
  asio::awaitable<void> wait() {
    boost::system::error_code ended;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
  }

 private:
  asio::steady_timer timer_;
};

}  // namespace atelier::runtime
