// Work that would hold up the server's loop (files, rendering long conversations) runs on a small pool.
#pragma once

#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace atelier::predict {

// Runs the function on the pool's executor and resumes the caller on its own. The function is moved into the
// work, so it must own what it uses (or the caller must outlive it, as an awaiting coroutine frame does).
template <class F>
boost::asio::awaitable<std::invoke_result_t<F&>> run_on(boost::asio::any_io_executor pool, F function) {
  using T = std::invoke_result_t<F&>;
  auto work = [function = std::move(function)]() mutable -> boost::asio::awaitable<T> { co_return function(); };
  co_return co_await boost::asio::co_spawn(pool, std::move(work), boost::asio::use_awaitable);
}

}  // namespace atelier::predict
