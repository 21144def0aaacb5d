// What happens to an answer when its client leaves, stalls, or reads slowly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/net/http_test_server.h"

namespace atelier::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

std::string get(std::string_view path, std::string_view version = "HTTP/1.1") {
  return "GET " + std::string(path) + " " + std::string(version) + "\r\nHost: localhost\r\n\r\n";
}

asio::awaitable<void> hello(Exchange& exchange) {
  Response response;
  response.body = "{}";
  static_cast<void>(co_await exchange.respond(std::move(response)));
}

// Tells when a handler has begun, waits for its client to leave, and tells the outcome.
struct Waiter {
  std::promise<void> begun;
  std::promise<bool> gone;

  Handler handler(bool streaming) {
    return [this, streaming](Exchange& exchange) -> asio::awaitable<void> {
      if (streaming) {
        static_cast<void>(co_await exchange.start_stream(200, "text/event-stream"));
        static_cast<void>(co_await exchange.write("data: 1\n\n"));
      }
      begun.set_value();
      co_await until_stopped(exchange.client_gone());
      const std::string_view data = "data: 2\n\n";
      const auto written = co_await exchange.write(data);
      gone.set_value(!written && written.error().code == ErrorCode::kCancelled);
    };
  }
};

void expect_gone_when(const std::function<void(RawClient&)>& leave, bool streaming) {
  Waiter waiter;
  TestServer server([&](Router& router) { router.add("GET", "/wait", waiter.handler(streaming)); });
  RawClient client(server.port());
  client.send(get("/wait"));
  waiter.begun.get_future().get();
  leave(client);
  EXPECT_TRUE(waiter.gone.get_future().get());
  const AccessRecord line = server.log_line(0);
  EXPECT_EQ(line.status, streaming ? 200 : 499);
  EXPECT_FALSE(line.complete);
  EXPECT_TRUE(server.faults().empty());
}

TEST(ClientGone, ClosedWhileTheHandlerWaits) {
  expect_gone_when([](RawClient& client) { client.close(); }, false);
}
TEST(ClientGone, ClosedInAStream) {
  expect_gone_when([](RawClient& client) { client.close(); }, true);
}
TEST(ClientGone, ResetWhileTheHandlerWaits) {
  expect_gone_when([](RawClient& client) { client.reset(); }, false);
}
TEST(ClientGone, ResetInAStream) {
  expect_gone_when([](RawClient& client) { client.reset(); }, true);
}
TEST(ClientGone, ClosedBehindPipelinedBytes) {
  expect_gone_when([](RawClient& client) { client.send(get("/next")), client.close(); }, true);
}
// Beyond the pipeline's limit nothing is read any more; a reset is noticed all the same.
TEST(ClientGone, ResetBehindMoreThanThePipelineHolds) {
  expect_gone_when(
      [](RawClient& client) {
        client.send(std::string(200'000, 'x'));
        client.reset();
      },
      true);
}

TEST(ClientGone, ClientThatClosesItsSendingSideStillGetsAnOrdinaryAnswer) {
  TestServer server([](Router& router) {
    router.add("GET", "/slow", [](Exchange& exchange) -> asio::awaitable<void> {
      co_await until_stopped(exchange.client_gone());
      co_await hello(exchange);
    });
  });
  RawClient client(server.port());
  client.send(get("/slow"));
  client.close_sending();
  const Answer answer = client.read_answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{}");
}

TEST(ClientGone, DoesNotFireForAClientThatStays) {
  std::atomic<int> fired = 0;
  TestServer server([&](Router& router) {
    router.add("GET", "/hello", [&](Exchange& exchange) -> asio::awaitable<void> {
      const std::stop_callback count(exchange.client_gone(), [&] { ++fired; });
      co_await hello(exchange);
    });
  });
  RawClient client(server.port());
  for (int i = 0; i < 10; ++i) {
    client.send(get("/hello") + get("/hello"));
    EXPECT_EQ(client.read_answer().status, 200);
    EXPECT_EQ(client.read_answer().status, 200);
  }
  EXPECT_EQ(fired, 0);
}

TEST(Pipelining, RequestsThatArriveDuringAStreamAreServedAfterIt) {
  std::promise<void> begun;
  std::stop_source go_on;
  TestServer server([&](Router& router) {
    router.add("GET", "/hello", hello);
    router.add("GET", "/stream", [&](Exchange& exchange) -> asio::awaitable<void> {
      static_cast<void>(co_await exchange.start_stream(200, "text/event-stream"));
      begun.set_value();
      co_await until_stopped(go_on.get_token());
      static_cast<void>(co_await exchange.write("data: 1\n\n"));
      static_cast<void>(co_await exchange.finish());
    });
  });
  RawClient client(server.port());
  client.send(get("/stream"));
  begun.get_future().get();
  std::string many;
  for (int i = 0; i < 5000; ++i) many += get("/hello");  // more than is read ahead
  std::jthread sender([&] { client.send(many); });
  server.on_loop([&] { go_on.request_stop(); });
  EXPECT_EQ(client.read_answer().body, "data: 1\n\n");
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(client.read_answer().status, 200);
}

// Sends pieces until `total` or until the client is gone.
struct Flood {
  static constexpr std::size_t kPiece = 16 * 1024;
  std::atomic<std::size_t> accepted = 0;
  std::promise<void> begun;
  std::promise<ErrorCode> ended;
  std::promise<bool> gone;

  Handler handler(std::size_t total) {
    return [this, total](Exchange& exchange) -> asio::awaitable<void> {
      static_cast<void>(co_await exchange.start_stream(200, "text/event-stream"));
      begun.set_value();
      std::string piece(kPiece, 'x');
      while (accepted < total) {
        piece[0] = static_cast<char>('a' + (accepted / kPiece) % 26);
        const auto written = co_await exchange.write(piece);
        if (!written) {
          ended.set_value(written.error().code);
          gone.set_value(exchange.client_gone().stop_requested());
          co_return;
        }
        accepted += kPiece;
      }
      static_cast<void>(co_await exchange.finish());
    };
  }
};

TEST(SlowReader, SuspendsItsWriterAndIsDropped) {
  constexpr std::size_t kEndless = 1ull << 40;
  Flood flood;
  ServerOptions options;
  options.limits.write_stall = 150ms;
  TestServer server(
      [&](Router& router) {
        router.add("GET", "/flood", flood.handler(kEndless));
        router.add("GET", "/hello", hello);
      },
      std::move(options));
  RawClient client(server.port(), 32 * 1024);
  client.send(get("/flood"));
  flood.begun.get_future().get();
  EXPECT_EQ(server.ask(get("/hello")).status, 200);  // a stalled client does not stop the others
  EXPECT_EQ(flood.ended.get_future().get(), ErrorCode::kCancelled);
  EXPECT_TRUE(flood.gone.get_future().get());
  // What the kernels' buffers of both sides hold, and no more.
  EXPECT_LT(flood.accepted, 4u * 1024 * 1024);
  server.log_line(1);  // both are in the log; which one first is no matter
  for (const std::size_t line : {0u, 1u}) {
    EXPECT_EQ(server.log_line(line).complete, server.log_line(line).target == "/hello");
  }
}

TEST(SlowReader, GetsEverythingOnceItReads) {
  constexpr std::size_t kTotal = 24 * 1024 * 1024;
  Flood flood;
  TestServer server([&](Router& router) { router.add("GET", "/flood", flood.handler(kTotal)); });
  RawClient client(server.port(), 32 * 1024);
  client.send(get("/flood"));
  flood.begun.get_future().get();
  const Answer answer = client.read_answer();
  ASSERT_TRUE(answer.complete);
  ASSERT_EQ(answer.body.size(), kTotal);
  for (std::size_t at = 0; at < kTotal; at += Flood::kPiece) {
    ASSERT_EQ(answer.body[at], static_cast<char>('a' + (at / Flood::kPiece) % 26)) << at;
  }
}

// A body that is not streamed is bounded by its own size; the client that does not take it is dropped as well.
TEST(SlowReader, IsDroppedFromAnOrdinaryAnswer) {
  ServerOptions options;
  options.limits.write_stall = 100ms;
  std::promise<bool> cancelled;
  TestServer server(
      [&](Router& router) {
        router.add("GET", "/large", [&](Exchange& exchange) -> asio::awaitable<void> {
          Response response;
          response.body.assign(64 * 1024 * 1024, 'x');
          const auto sent = co_await exchange.respond(std::move(response));
          cancelled.set_value(!sent && sent.error().code == ErrorCode::kCancelled);
        });
      },
      std::move(options));
  RawClient client(server.port(), 32 * 1024);
  client.send(get("/large"));
  EXPECT_TRUE(cancelled.get_future().get());
}

// A writer whose client keeps up never waits for the socket; others must get their turn nevertheless.
TEST(FastReader, DoesNotKeepTheLoopForItself) {
  constexpr std::size_t kEndless = 1ull << 40;
  Flood flood;
  TestServer server([&](Router& router) {
    router.add("GET", "/flood", flood.handler(kEndless));
    router.add("GET", "/hello", hello);
  });
  RawClient client(server.port());
  client.send(get("/flood"));
  flood.begun.get_future().get();
  {
    std::jthread reader([&](std::stop_token stop) {
      while (!stop.stop_requested()) client.read_some(1024 * 1024);
    });
    for (int i = 0; i < 20; ++i) EXPECT_EQ(server.ask(get("/hello")).status, 200);
  }
  client.close();
  EXPECT_EQ(flood.ended.get_future().get(), ErrorCode::kCancelled);
}

// Without chunks the end of an HTTP/1.0 stream is the end of the connection: a cut must look different.
TEST(Streams, CutHttp10StreamIsReset) {
  TestServer server([](Router& router) {
    router.add("GET", "/half", [](Exchange& exchange) -> asio::awaitable<void> {
      static_cast<void>(co_await exchange.start_stream(200, "text/event-stream"));
    });
  });
  RawClient client(server.port());
  client.send(get("/half", "HTTP/1.0"));
  EXPECT_FALSE(client.read_answer().complete);
  EXPECT_TRUE(client.was_reset());
}

TEST(Streams, ManyAtOnce) {
  TestServer server([](Router& router) {
    router.add("GET", "/ticks", [](Exchange& exchange) -> asio::awaitable<void> {
      static_cast<void>(co_await exchange.start_stream(200, "text/event-stream"));
      const auto executor = co_await asio::this_coro::executor;
      asio::steady_timer timer(executor);
      for (int i = 0; i < 50; ++i) {
        timer.expires_after(std::chrono::microseconds(100));
        co_await timer.async_wait(asio::use_awaitable);
        const std::string event = "data: " + std::to_string(i) + "\n\n";
        static_cast<void>(co_await exchange.write(event));
      }
      static_cast<void>(co_await exchange.finish());
    });
  });
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->send(get("/ticks"));
  }
  for (auto& client : clients) {
    const Answer answer = client->read_answer();
    EXPECT_TRUE(answer.complete);
    EXPECT_EQ(std::count(answer.body.begin(), answer.body.end(), 'd'), 50);
  }
}

}  // namespace
}  // namespace atelier::net
