// Bounds: what a client may make the server hold or wait for, and how it is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "tests/net/http_test_server.h"

namespace atelier::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

asio::awaitable<void> hello(Exchange& exchange) {
  Response response;
  response.body = "{}";
  static_cast<void>(co_await exchange.respond(std::move(response)));
}

asio::awaitable<void> length(Exchange& exchange) {
  Response response;
  response.body = std::to_string(exchange.request().body.size());
  static_cast<void>(co_await exchange.respond(std::move(response)));
}

void usual_routes(Router& router) {
  router.add("GET", "/hello", hello);
  router.add("POST", "/length", length);
}

ServerOptions with(const std::function<void(Limits&)>& change) {
  ServerOptions options;
  change(options.limits);
  return options;
}

std::string post_head(std::string_view framing) {
  return "POST /length HTTP/1.1\r\nHost: localhost\r\n" + std::string(framing) + "\r\n\r\n";
}

TEST(HttpLimits, HeaderBytes) {
  TestServer server(usual_routes, with([](Limits& limits) { limits.header_bytes = 1000; }));
  const std::string field = "X-Long: " + std::string(900, 'a') + "\r\n";
  EXPECT_EQ(server.ask("GET /hello HTTP/1.1\r\nHost: localhost\r\n" + field + "\r\n").status, 200);
  RawClient client(server.port());
  client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n" + field + field + "\r\n");
  EXPECT_EQ(client.read_answer().status, 431);
  EXPECT_TRUE(client.at_end());
  EXPECT_EQ(server.ask("GET /" + std::string(5000, 'a')).status, 431);
}

TEST(HttpLimits, HeaderCount) {
  TestServer server(usual_routes, with([](Limits& limits) { limits.header_count = 10; }));
  std::string fields;
  for (int i = 0; i < 9; ++i) fields += "X-A: 1\r\n";
  EXPECT_EQ(server.ask("GET /hello HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n").status, 200);
  EXPECT_EQ(server.ask("GET /hello HTTP/1.1\r\nHost: localhost\r\n" + fields + "X-A: 1\r\n\r\n").status, 431);
}

TEST(HttpLimits, DeclaredBodyIsRefusedBeforeItIsRead) {
  TestServer server(usual_routes, with([](Limits& limits) { limits.body_bytes = 1000; }));
  RawClient client(server.port());
  client.send(post_head("Content-Length: 1001"));
  const Answer refused = client.read_answer();
  EXPECT_EQ(refused.status, 413);
  EXPECT_THAT(refused.body, HasSubstr("1000 bytes"));
  EXPECT_EQ(server.ask(post_head("Content-Length: 1000") + std::string(1000, 'x')).body, "1000");
}

// The client sends all of its body before it reads, as many do: the reply must not be lost to a reset.
TEST(HttpLimits, ClientThatSendsAllOfAnOversizedBodyStillSeesTheReply) {
  TestServer server(usual_routes, with([](Limits& limits) { limits.body_bytes = 1024 * 1024; }));
  const std::string body(32 * 1024 * 1024, 'x');
  RawClient client(server.port());
  ASSERT_TRUE(client.send(post_head("Content-Length: " + std::to_string(body.size()))));
  ASSERT_TRUE(client.send(body));
  EXPECT_EQ(client.read_answer().status, 413);
  client.close_sending();
  EXPECT_TRUE(client.at_end());
  EXPECT_FALSE(client.was_reset());
}

TEST(HttpLimits, ChunkedBodyIsRefusedWhenItGrowsTooLarge) {
  TestServer server(usual_routes, with([](Limits& limits) { limits.body_bytes = 1000; }));
  RawClient client(server.port());
  client.send(post_head("Transfer-Encoding: chunked"));
  client.send("3e8\r\n" + std::string(1000, 'x') + "\r\n1\r\nx\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 413);
  RawClient announced(server.port());
  announced.send(post_head("Transfer-Encoding: chunked") + "7fffffffffffffff\r\n");
  EXPECT_EQ(announced.read_answer().status, 413);
}

TEST(HttpLimits, ChunkHeadersAndTrailersAreBounded) {
  TestServer server(usual_routes);
  RawClient extension(server.port());
  extension.send(post_head("Transfer-Encoding: chunked") + "1;a=" + std::string(100'000, 'b'));
  EXPECT_EQ(extension.read_answer().status, 400);
  RawClient trailer(server.port());
  trailer.send(post_head("Transfer-Encoding: chunked") + "0\r\n");
  std::string fields;
  for (int i = 0; i < 10'000; ++i) fields += "X-Trailer: 1\r\n";
  trailer.send(fields);
  EXPECT_EQ(trailer.read_answer().status, 400);
}

TEST(HttpLimits, BodiesShareABudget) {
  std::promise<void> holding;
  std::promise<Exchange*> held;
  TestServer server(
      [&](Router& router) {
        usual_routes(router);
        router.add("POST", "/hold", [&](Exchange& exchange) -> asio::awaitable<void> {
          held.set_value(&exchange);
          co_await until_stopped(exchange.client_gone());
        });
        router.add("POST", "/release", [](Exchange& exchange) -> asio::awaitable<void> {
          exchange.release_body();
          co_await hello(exchange);
        });
      },
      with([](Limits& limits) { limits.body_budget_bytes = 1'000'000; }));
  const std::string large(600'000, 'x');
  const auto post = [&](std::string_view path) {
    return "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 600000\r\n\r\n" + large;
  };
  RawClient holder(server.port());
  holder.send(post("/hold"));
  held.get_future().get();
  EXPECT_EQ(server.on_loop([&] { return server.server().body_bytes_in_memory(); }), 600'000u);
  EXPECT_EQ(server.ask(post("/length")).status, 503);
  EXPECT_EQ(server.ask(post_head("Content-Length: 100000") + std::string(100'000, 'x')).body, "100000");
  holder.close();
  EXPECT_EQ(server.log_line(2).status, 499);  // the two answers above, then the holder
  EXPECT_EQ(server.ask(post("/length")).body, "600000");
  EXPECT_EQ(server.ask(post("/release")).status, 200);
  EXPECT_EQ(server.on_loop([&] { return server.server().body_bytes_in_memory(); }), 0u);
}

TEST(HttpLimits, HeaderThatDoesNotArriveInTime) {
  TestServer server(usual_routes, with([](Limits& limits) { limits.header_time = 50ms; }));
  RawClient half(server.port());
  half.send("GET /hello HTTP/1.1\r\nHo");
  EXPECT_EQ(half.read_answer().status, 408);
  EXPECT_TRUE(half.at_end());
  RawClient silent(server.port());
  EXPECT_TRUE(silent.at_end());
}

TEST(HttpLimits, IdleConnectionsAreClosedWithoutAWord) {
  TestServer server(usual_routes, with([](Limits& limits) { limits.keep_alive_idle = 50ms; }));
  RawClient client(server.port());
  client.send(kHello);
  EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_TRUE(client.at_end());
  EXPECT_EQ(server.log_size(), 1u);
}

TEST(HttpLimits, BodyThatStalls) {
  TestServer server(usual_routes, with([](Limits& limits) { limits.body_stall = 50ms; }));
  EXPECT_EQ(server.ask(post_head("Content-Length: 10") + "12345").status, 408);
  EXPECT_EQ(server.ask(post_head("Transfer-Encoding: chunked") + "5\r\n12345\r\n").status, 408);
}

// One byte at a time, for as long as the server lets it: without a least pace this would never end.
TEST(HttpLimits, BodyThatTrickles) {
  TestServer server(usual_routes, with([](Limits& limits) {
                      limits.body_stall = 100ms;
                      limits.body_bytes_per_second = 1'000'000'000;
                    }));
  RawClient client(server.port());
  client.send(post_head("Content-Length: 400000000"));
  std::jthread trickle([&](std::stop_token stop) {
    while (!stop.stop_requested() && client.send("x")) {
    }
  });
  EXPECT_EQ(client.read_answer().status, 408);
}

TEST(HttpLimits, SurplusConnectionsAreToldSo) {
  TestServer server(usual_routes, with([](Limits& limits) { limits.connections = 4; }));
  std::array<std::unique_ptr<RawClient>, 4> clients;
  for (auto& client : clients) {
    client = std::make_unique<RawClient>(server.port());
    client->send(kHello);
    EXPECT_EQ(client->read_answer().status, 200);
  }
  RawClient surplus(server.port());
  surplus.send(kHello);
  EXPECT_EQ(surplus.read_answer().status, 503);
  surplus.close();
  clients[0]->close();
  // The freed place can be had once the server has noticed.
  int status = 503;
  while (status == 503) status = server.ask(kHello).status;
  EXPECT_EQ(status, 200);
  clients[1]->send(kHello);
  EXPECT_EQ(clients[1]->read_answer().status, 200);
}

TEST(HttpLimits, FloodOfConnectionsLeavesTheServerWorking) {
  TestServer server(usual_routes, with([](Limits& limits) { limits.connections = 8; }));
  {
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 300; ++i) clients.push_back(std::make_unique<RawClient>(server.port()));
    EXPECT_LE(server.on_loop([&] { return server.server().connection_count(); }), 8u + 64u);
  }
  int status = 0;
  while (status != 200) status = server.ask(kHello).status;
  EXPECT_EQ(status, 200);
}

}  // namespace
}  // namespace atelier::net
