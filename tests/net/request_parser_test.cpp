// The parser without a socket; what it must refuse is also tested through the server in http_malformed_test.
#include "net/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atelier::net {
namespace {

using ::testing::HasSubstr;

TEST(HeaderScanner, FindsTheEndInAGrowingBuffer) {
  const std::string whole = "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
  const std::size_t end = whole.find("rest");
  HeaderScanner scanner(1000);
  for (std::size_t size = 0; size < end; ++size) {
    const auto found = scanner.scan(std::string_view(whole).substr(0, size));
    ASSERT_TRUE(found.has_value());
    EXPECT_FALSE(found->has_value()) << size;
  }
  EXPECT_EQ(scanner.scan(whole).value(), end);
  HeaderScanner at_once(1000);
  EXPECT_EQ(at_once.scan(whole).value(), end);
}

TEST(HeaderScanner, RefusesBytesAsSoonAsTheyCome) {
  for (const char* bytes : {"\x16\x03", "GET /\n", "GET / HTTP/1.1\rX", " GET", "GET / HTTP/1.1\r\n folded", "\r\n"}) {
    HeaderScanner scanner(1000);
    const auto found = scanner.scan(bytes);
    ASSERT_FALSE(found.has_value()) << bytes;
    EXPECT_EQ(found.error().code, ErrorCode::kInvalidRequest);
  }
}

TEST(HeaderScanner, BoundsTheHeader) {
  HeaderScanner scanner(10);
  EXPECT_TRUE(scanner.scan("GET /aaaaa").has_value());
  const auto found = scanner.scan("GET /aaaaaa");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::kHeadersTooLarge);
}

TEST(RequestParser, ReadsAHead) {
  RequestParser parser({});
  RequestHead head;
  const auto parsed = parser.parse_head(
      "POST /v1?x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nX-A:  b c \t\r\nExpect: 100-continue\r\n\r\n",
      head);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/v1?x");
  EXPECT_EQ(head.http_minor, 1);
  EXPECT_EQ(head.headers.get("x-a"), "b c");
  EXPECT_EQ(head.content_length, 5u);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_TRUE(head.expects_continue);
  EXPECT_TRUE(head.has_body());
  EXPECT_FALSE(parser.done());
}

TEST(RequestParser, KnowsWhenThereIsNoBody) {
  for (const char* fields : {"", "Content-Length: 0\r\n"}) {
    RequestParser parser({});
    RequestHead head;
    const std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
    ASSERT_TRUE(parser.parse_head(bytes, head).has_value());
    EXPECT_FALSE(head.has_body());
    EXPECT_TRUE(parser.done());
  }
}

TEST(RequestParser, TakesABodyInPiecesOfEverySize) {
  const std::string coded = "3\r\nabc\r\n00a;x=\"y;\\\"z\"\r\n0123456789\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t step = 1; step <= coded.size(); ++step) {
    RequestParser parser({});
    RequestHead head;
    ASSERT_TRUE(
        parser.parse_head("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", head).has_value());
    EXPECT_TRUE(head.chunked);
    std::string body;
    std::string pending;
    for (std::size_t at = 0; at < coded.size(); at += step) {
      pending += coded.substr(at, step);
      const auto taken = parser.parse_body(pending, body);
      ASSERT_TRUE(taken.has_value()) << taken.error().message;
      pending.erase(0, *taken);
    }
    EXPECT_TRUE(parser.done()) << step;
    EXPECT_EQ(body, "abc0123456789") << step;
    EXPECT_EQ(pending, "") << step;
  }
}

TEST(RequestParser, LeavesTheNextRequestAlone) {
  RequestParser parser({});
  RequestHead head;
  ASSERT_TRUE(parser.parse_head("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", head).has_value());
  std::string body;
  EXPECT_EQ(parser.parse_body("{}GET / HTTP/1.1", body).value(), 2u);
  EXPECT_TRUE(parser.done());
  EXPECT_EQ(body, "{}");
}

TEST(RequestParser, KeepAliveFollowsVersionAndConnection) {
  const auto keeps = [](std::string_view version, std::string_view field) {
    RequestParser parser({});
    RequestHead head;
    const std::string bytes = "GET / " + std::string(version) + "\r\nHost: a\r\n" + std::string(field) + "\r\n";
    EXPECT_TRUE(parser.parse_head(bytes, head).has_value());
    return head.keep_alive;
  };
  EXPECT_TRUE(keeps("HTTP/1.1", ""));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: x, Close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", ""));
  EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
}

TEST(RequestParser, SaysWhatItKnewBeforeTheFault) {
  RequestParser parser({});
  RequestHead head;
  const auto parsed = parser.parse_head("POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", head);
  ASSERT_FALSE(parsed.has_value());
  EXPECT_THAT(parsed.error().message, HasSubstr("Malformed HTTP request"));
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/v1/x");
}

}  // namespace
}  // namespace atelier::net
