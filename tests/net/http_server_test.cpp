// The server as a client sees it: connections, methods, framing, routing, and the rules against foreign pages.
#include "net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/net/http_test_server.h"

namespace atelier::net {
namespace {

namespace asio = boost::asio;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

asio::awaitable<void> hello(Exchange& exchange) {
  Response response;
  response.body = R"({"hello":true})";
  static_cast<void>(co_await exchange.respond(std::move(response)));
}

asio::awaitable<void> echo(Exchange& exchange) {
  Response response;
  response.body = exchange.request().body;
  response.headers.add("X-Path", exchange.request().path);
  response.headers.add("X-Id", std::string(exchange.request().capture("id")));
  static_cast<void>(co_await exchange.respond(std::move(response)));
}

asio::awaitable<void> three_events(Exchange& exchange) {
  static_cast<void>(co_await exchange.start_stream(200, "text/event-stream"));
  for (const char* event : {"data: 1\n\n", "data: 2\n\n", "", "data: 3\n\n"}) {
    static_cast<void>(co_await exchange.write(event));
  }
  static_cast<void>(co_await exchange.finish());
}

void usual_routes(Router& router) {
  router.add("GET", "/hello", hello);
  router.add("POST", "/echo", echo);
  router.add("GET", "/models/{id...}", echo);
  router.add("GET", "/stream", three_events);
}

std::string get(std::string_view path, std::string_view fields = "", std::string_view version = "HTTP/1.1") {
  return "GET " + std::string(path) + " " + std::string(version) + "\r\nHost: localhost\r\n" + std::string(fields) +
         "\r\n";
}

std::string post(std::string_view path, std::string_view body, std::string_view fields = "") {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(fields) + "\r\n" + std::string(body);
}

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  TestServer server(usual_routes);
  RawClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.send(get("/hello"));
    const Answer answer = client.read_answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, R"({"hello":true})");
    EXPECT_EQ(answer.headers.get("connection"), "keep-alive");
    EXPECT_EQ(answer.headers.get("content-type"), "application/json; charset=utf-8");
    EXPECT_THAT(std::string(answer.headers.get("x-request-id")), MatchesRegex("req_[0-9a-f]{24}"));
    EXPECT_THAT(std::string(answer.headers.get("date")), MatchesRegex("[A-Z][a-z]{2}, [0-9]{2} .* GMT"));
    EXPECT_FALSE(answer.headers.contains("access-control-allow-origin"));
  }
}

TEST(HttpServer, LogsEveryRequestUnderItsId) {
  TestServer server(usual_routes);
  const Answer answer = server.ask(get("/hello?x=1"));
  const AccessRecord line = server.log_line(0);
  EXPECT_EQ(line.request_id, answer.headers.get("x-request-id"));
  EXPECT_EQ(line.method, "GET");
  EXPECT_EQ(line.target, "/hello?x=1");
  EXPECT_EQ(line.route, "/hello");
  EXPECT_EQ(line.status, 200);
  EXPECT_EQ(line.remote_address, "127.0.0.1");
  EXPECT_GT(line.bytes_sent, answer.body.size());
  EXPECT_TRUE(line.complete);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  TestServer server(usual_routes);
  RawClient client(server.port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += post("/echo", std::to_string(i));
  client.send(all);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.read_answer().body, std::to_string(i));
}

TEST(HttpServer, ReadsARequestThatArrivesByteByByte) {
  TestServer server(usual_routes);
  RawClient client(server.port());
  for (const char c : post("/echo", R"({"a":1})")) client.send(std::string_view(&c, 1));
  EXPECT_EQ(client.read_answer().body, R"({"a":1})");
}

TEST(HttpServer, DecodesChunkedBodiesAndDropsTrailers) {
  TestServer server(usual_routes);
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("5\r\nhello\r\n6;name=\"a;b\"\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n");
    EXPECT_EQ(client.read_answer().body, "hello world");
  }
}

TEST(HttpServer, TakesALargeBody) {
  TestServer server(usual_routes);
  const std::string body(20 * 1024 * 1024, 'x');
  const Answer answer = server.ask(post("/echo", body));
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == body);
  EXPECT_EQ(server.on_loop([&] { return server.server().body_bytes_in_memory(); }), 0u);
}

TEST(HttpServer, StreamsChunksAndKeepsTheConnection) {
  TestServer server(usual_routes);
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.send(get("/stream"));
    const Answer answer = client.read_answer();
    EXPECT_EQ(answer.body, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    EXPECT_TRUE(answer.complete);
    EXPECT_EQ(answer.headers.get("content-type"), "text/event-stream");
    EXPECT_EQ(answer.headers.get("cache-control"), "no-cache");
    EXPECT_EQ(answer.headers.get("x-accel-buffering"), "no");
    EXPECT_EQ(answer.headers.get("connection"), "keep-alive");
    EXPECT_TRUE(answer.headers.contains("x-request-id"));
  }
}

TEST(HttpServer, HeadAnswersLikeGetWithoutABody) {
  TestServer server(usual_routes);
  RawClient client(server.port());
  client.send("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Answer hello_head = client.read_answer("HEAD");
  EXPECT_EQ(hello_head.status, 200);
  EXPECT_EQ(hello_head.headers.get("content-length"), "14");
  client.send("HEAD /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.read_answer("HEAD").status, 200);
  client.send("HEAD /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.read_answer("HEAD").status, 404);
  client.send(get("/hello"));
  EXPECT_EQ(client.read_answer().body, R"({"hello":true})");
}

TEST(HttpServer, Http10ClosesUnlessAskedToKeep) {
  TestServer server(usual_routes);
  RawClient plain(server.port());
  plain.send("GET /hello HTTP/1.0\r\n\r\n");
  const Answer answer = plain.read_answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.get("connection"), "close");
  EXPECT_TRUE(plain.at_end());

  RawClient kept(server.port());
  kept.send(get("/hello", "Connection: keep-alive\r\n", "HTTP/1.0"));
  EXPECT_EQ(kept.read_answer().headers.get("connection"), "keep-alive");
  kept.send(get("/stream", "Connection: keep-alive\r\n", "HTTP/1.0"));
  const Answer stream = kept.read_answer();
  EXPECT_FALSE(stream.headers.contains("transfer-encoding"));
  EXPECT_EQ(stream.body, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
  EXPECT_TRUE(stream.complete);
}

TEST(HttpServer, ClosesWhenTheClientAsksForIt) {
  TestServer server(usual_routes);
  RawClient client(server.port());
  client.send(get("/hello", "Connection: close\r\n"));
  EXPECT_EQ(client.read_answer().headers.get("connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST(HttpServer, RefusesUnknownRoutesAndMethodsAndGoesOn) {
  TestServer server(usual_routes);
  RawClient client(server.port());
  client.send(post("/chat/completions", "{}"));
  const Answer unknown = client.read_answer();
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr("Unexpected endpoint or method. (POST /chat/completions)"));
  client.send("DELETE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Answer method = client.read_answer();
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.headers.get("allow"), "GET, HEAD");
  client.send("OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 405);
  client.send(get("/hello"));
  EXPECT_EQ(client.read_answer().status, 200);
}

TEST(HttpServer, IgnoresSlashesThatDoNotMatterAndCapturesModelIds) {
  TestServer server(usual_routes);
  EXPECT_EQ(server.ask(get("//hello/")).status, 200);
  EXPECT_EQ(server.ask(get("/hello?beta=true")).status, 200);
  EXPECT_EQ(server.ask(get("http://localhost/hello")).status, 200);
  EXPECT_EQ(server.ask(get("/models/qwen/qwen3-4b@q4_k_m")).headers.get("x-id"), "qwen/qwen3-4b@q4_k_m");
  EXPECT_EQ(server.ask(get("/models/qwen%2Fqwen3%2D4b/")).headers.get("x-id"), "qwen/qwen3-4b");
  EXPECT_EQ(server.ask(get("/models")).status, 404);
  EXPECT_EQ(server.ask(get("/hello/%zz")).status, 400);
  EXPECT_EQ(server.ask(get("/models/../hello")).status, 400);
}

TEST(HttpServer, ContinuesWhenExpectedAndNotWhenRefused) {
  TestServer server(usual_routes);
  RawClient client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 100);
  client.send("{}");
  EXPECT_EQ(client.read_answer().body, "{}");
  client.send("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 404);
  EXPECT_TRUE(client.at_end());
  EXPECT_EQ(server.ask(get("/hello", "Expect: miracles\r\n")).status, 400);
}

TEST(HttpServer, RefusesBodiesThatAreNotJson) {
  TestServer server(usual_routes);
  EXPECT_EQ(server.ask(post("/echo", "{}", "Content-Type: application/json; charset=utf-8\r\n")).status, 200);
  EXPECT_EQ(server.ask(post("/echo", "{}")).status, 200);
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""}) {
    EXPECT_EQ(server.ask(post("/echo", "{}", "Content-Type: " + std::string(type) + "\r\n")).status, 415) << type;
  }
  EXPECT_EQ(server.ask(get("/hello", "Content-Type: text/plain\r\n")).status, 200);
}

TEST(HttpServer, HandlersThatFailGive500AndTheServerStays) {
  const auto routes = [](Router& router) {
    usual_routes(router);
    router.add("GET", "/throw", [](Exchange&) -> asio::awaitable<void> {
      throw std::runtime_error("secret detail");
      co_return;
    });
    router.add("GET", "/silent", [](Exchange&) -> asio::awaitable<void> { co_return; });
    router.add("GET", "/half", [](Exchange& exchange) -> asio::awaitable<void> {
      static_cast<void>(co_await exchange.start_stream(200, "text/event-stream"));
      static_cast<void>(co_await exchange.write("data: 1\n\n"));
      throw std::runtime_error("in the middle");
    });
    router.add("GET", "/twice", [](Exchange& exchange) -> asio::awaitable<void> {
      Response first;
      static_cast<void>(co_await exchange.respond(std::move(first)));
      Response second;
      auto again = co_await exchange.respond(std::move(second));
      if (again || again.error().code != ErrorCode::kInternal) throw std::runtime_error("answered twice");
    });
  };
  TestServer server(routes);
  RawClient client(server.port());
  client.send(get("/throw"));
  const Answer thrown = client.read_answer();
  EXPECT_EQ(thrown.status, 500);
  EXPECT_THAT(thrown.body, HasSubstr(std::string(thrown.headers.get("x-request-id"))));
  EXPECT_THAT(thrown.body, Not(HasSubstr("secret")));
  client.send(get("/silent"));
  EXPECT_EQ(client.read_answer().status, 500);
  client.send(get("/twice"));
  EXPECT_EQ(client.read_answer().status, 200);
  client.send(get("/half"));
  const Answer half = client.read_answer();
  EXPECT_EQ(half.body, "data: 1\n\n");
  EXPECT_FALSE(half.complete);
  EXPECT_EQ(server.ask(get("/hello")).status, 200);
  EXPECT_THAT(server.faults(), testing::ElementsAre(HasSubstr("secret detail"), HasSubstr("without an answer"),
                                                    HasSubstr("in the middle")));
}

TEST(HttpServer, HeadersOfAnAnswerCannotBeSplit) {
  TestServer server([](Router& router) {
    router.add("GET", "/split", [](Exchange& exchange) -> asio::awaitable<void> {
      Response response;
      response.headers.add("X-A", "1\r\nX-Injected: 2");
      response.headers.add("Content-Length", "9999");
      response.body = "{}";
      static_cast<void>(co_await exchange.respond(std::move(response)));
    });
  });
  const Answer answer = server.ask(get("/split"));
  EXPECT_FALSE(answer.headers.contains("x-injected"));
  EXPECT_EQ(answer.headers.count("content-length"), 1u);
  EXPECT_EQ(answer.body, "{}");
}

TEST(HttpServer, RendersItsOwnErrorsAsTheDialectWants) {
  ServerOptions options;
  options.render_error = [](const Request& request, const Error& error) {
    Response response;
    response.status = http_status(error.code);
    response.body = request.path + "|" + std::string(to_string(error.code));
    return response;
  };
  TestServer server(usual_routes, std::move(options));
  EXPECT_EQ(server.ask(get("/v1/none")).body, "/v1/none|not_found");
  EXPECT_EQ(server.ask("GET /v1/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").body, "/v1/x|invalid_request");
}

TEST(HttpServer, AsksTheAuthorizerBeforeReadingABody) {
  ServerOptions options;
  options.authorize = [](const Request& request) -> Result<void> {
    if (request.headers.get("authorization") == "Bearer good") return {};
    return fail(ErrorCode::kInvalidApiKey, "no token");
  };
  TestServer server(usual_routes, std::move(options));
  EXPECT_EQ(server.ask(get("/hello")).status, 401);
  EXPECT_EQ(server.ask(get("/hello", "Authorization: Bearer good\r\n")).status, 200);
  EXPECT_EQ(server.ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n").status, 401);
}

TEST(HttpServer, ChecksHostOnALoopbackListener) {
  ListenOptions listen;
  listen.allowed_hosts = {"studio.local"};
  TestServer server(usual_routes, {}, listen);
  const auto status = [&](std::string_view host) {
    return server.ask("GET /hello HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").status;
  };
  for (const char* host :
       {"localhost", "LOCALHOST:1234", "127.0.0.1:80", "[::1]:1234", "192.168.1.7", "Studio.Local:1"}) {
    EXPECT_EQ(status(host), 200) << host;
  }
  for (const char* host :
       {"evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "[::1", "", "localhost:99999"}) {
    EXPECT_EQ(status(host), 403) << host;
  }
  const Answer refused = server.ask("GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_THAT(refused.body, HasSubstr("host_not_allowed"));
  EXPECT_EQ(server.ask("GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 403);
}

TEST(HttpServer, RefusesForeignOriginsWhileCorsIsOff) {
  TestServer server(usual_routes);
  for (const char* origin : {"http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080"}) {
    EXPECT_EQ(server.ask(get("/hello", "Origin: " + std::string(origin) + "\r\n")).status, 200) << origin;
  }
  for (const char* origin : {"https://evil.example", "null", "http://localhost.evil.example", "file://"}) {
    const Answer refused = server.ask(get("/hello", "Origin: " + std::string(origin) + "\r\n"));
    EXPECT_EQ(refused.status, 403) << origin;
    EXPECT_THAT(refused.body, HasSubstr("origin_not_allowed"));
    EXPECT_FALSE(refused.headers.contains("access-control-allow-origin"));
  }
}

TEST(HttpServer, LetsEveryOriginReadWhileCorsIsOn) {
  ListenOptions listen;
  listen.cors = true;
  TestServer server(usual_routes, {}, listen);
  RawClient client(server.port());
  for (const char* path : {"/hello", "/nowhere", "/stream"}) {
    client.send(get(path, "Origin: https://app.example\r\n"));
    EXPECT_EQ(client.read_answer().headers.get("access-control-allow-origin"), "*") << path;
  }
  client.send(
      "OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n"
      "Access-Control-Request-Headers: authorization, x-a\r\nAccess-Control-Request-Private-Network: true\r\n\r\n");
  const Answer preflight = client.read_answer();
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers.get("access-control-allow-origin"), "*");
  EXPECT_EQ(preflight.headers.get("access-control-allow-methods"), "GET, POST, DELETE, OPTIONS");
  EXPECT_EQ(preflight.headers.get("access-control-allow-headers"), "authorization, x-a");
  EXPECT_EQ(preflight.headers.get("access-control-max-age"), "86400");
  EXPECT_EQ(preflight.headers.get("access-control-allow-private-network"), "true");
  EXPECT_FALSE(preflight.headers.contains("content-length"));
  client.send("OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Answer bare = client.read_answer();
  EXPECT_EQ(bare.headers.get("access-control-allow-headers"), "*");
  EXPECT_FALSE(bare.headers.contains("access-control-allow-private-network"));
}

TEST(HttpServer, ListenersHaveTheirOwnRulesAndNames) {
  TestServer server([](Router& router) {
    router.add("GET", "/door", [](Exchange& exchange) -> asio::awaitable<void> {
      Response response;
      response.body = exchange.request().listener + std::to_string(exchange.request().local_port);
      static_cast<void>(co_await exchange.respond(std::move(response)));
    });
  });
  ListenOptions control;
  control.name = "control";
  control.cors = true;
  const auto port = server.on_loop([&] { return server.server().listen("127.0.0.1", 0, control); });
  ASSERT_TRUE(port.has_value());
  RawClient client(*port);
  client.send(get("/door"));
  const Answer answer = client.read_answer();
  EXPECT_EQ(answer.body, "control" + std::to_string(*port));
  EXPECT_EQ(answer.headers.get("access-control-allow-origin"), "*");
  EXPECT_EQ(server.ask(get("/door")).body, "http" + std::to_string(server.port()));
}

TEST(HttpServer, NamesTheAddressThatItCannotListenOn) {
  TestServer server(usual_routes);
  const auto taken = server.on_loop([&] { return server.server().listen("127.0.0.1", server.port()); });
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error().code, ErrorCode::kConflict);
  EXPECT_THAT(taken.error().message, HasSubstr("127.0.0.1:" + std::to_string(server.port())));
  const auto foreign = server.on_loop([&] { return server.server().listen("192.0.2.1", 0); });
  ASSERT_FALSE(foreign.has_value());
  EXPECT_EQ(foreign.error().code, ErrorCode::kInvalidRequest);
  const auto name = server.on_loop([&] { return server.server().listen("not-an-address", 0); });
  ASSERT_FALSE(name.has_value());
  EXPECT_EQ(name.error().code, ErrorCode::kInvalidRequest);
}

TEST(HttpServer, GivesHandlersTheWholeRequest) {
  TestServer server([](Router& router) {
    router.add("GET", "/whole", [](Exchange& exchange) -> asio::awaitable<void> {
      const Request& request = exchange.request();
      Response response;
      response.body = request.remote_address + (request.loopback ? "+" : "-") +
                      request.query_parameter("a b").value_or("none") + std::string(request.headers.get("x-CASE"));
      static_cast<void>(co_await exchange.respond(std::move(response)));
    });
  });
  EXPECT_EQ(server.ask(get("/whole?x=1&a+b=c%20d", "X-Case: 7\r\n")).body, "127.0.0.1+c d7");
}

}  // namespace
}  // namespace atelier::net
