#include "net/access_policy.h"

#include <gtest/gtest.h>

#include <vector>

namespace atelier::net {
namespace {

const std::vector<std::string> kNames = {"studio.local"};

TEST(ParseHost, TakesNamesAddressesAndPorts) {
  const auto name = parse_host("LocalHost.:1234");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->host, "localhost");
  EXPECT_EQ(name->port, 1234);
  EXPECT_TRUE(name->loopback);
  EXPECT_FALSE(name->ip_literal);
  const auto v6 = parse_host("[::1]");
  ASSERT_TRUE(v6.has_value());
  EXPECT_TRUE(v6->loopback);
  EXPECT_TRUE(v6->ip_literal);
  EXPECT_FALSE(v6->port.has_value());
  EXPECT_TRUE(parse_host("127.255.0.1")->loopback);
  EXPECT_TRUE(parse_host("[::ffff:127.0.0.1]")->loopback);
  EXPECT_FALSE(parse_host("10.0.0.1:80")->loopback);
  EXPECT_FALSE(parse_host("127.0.0.1.example")->ip_literal);
}

TEST(ParseHost, RefusesWhatIsNoHost) {
  for (const char* host : {"", ":", ".", ":80", "[", "[::1", "::1", "[localhost]", "a b", "a/b", "a@b",
                           "host:", "host:x", "host:65536", "host:-1", "host:80:80", "[::1]80", "h\xc3\xa4st"}) {
    const bool accepted = parse_host(host).has_value();
    EXPECT_EQ(accepted, std::string_view(host) == "host:") << host;  // RFC 3986 allows an empty port
  }
}

TEST(CheckHost, KnowsThisMachineOnly) {
  for (const char* host : {"localhost", "127.0.0.1:1234", "[::1]:1", "192.168.0.9", "STUDIO.local:8080"}) {
    EXPECT_TRUE(check_host(host, kNames).has_value()) << host;
  }
  for (const char* host : {"evil.example", "localhost.evil.example", "studio.local.evil.example", ""}) {
    const auto allowed = check_host(host, kNames);
    ASSERT_FALSE(allowed.has_value()) << host;
    EXPECT_EQ(allowed.error().code, ErrorCode::kHostNotAllowed);
  }
}

TEST(CheckOrigin, LoopbackAndOurselvesMayCome) {
  struct Case {
    const char* origin;
    const char* host;
    bool allowed;
  };
  for (const Case& c : std::vector<Case>{
           {"http://localhost:5173", "localhost:1234", true},
           {"https://127.0.0.1", "localhost:1234", true},
           {"tauri://localhost", "localhost:1234", true},
           {"http://192.168.0.9:1234", "192.168.0.9:1234", true},
           {"http://192.168.0.9", "192.168.0.9:80", true},
           {"https://192.168.0.9", "192.168.0.9:443", true},
           {"http://studio.local:1234", "studio.local:1234", true},
           {"http://192.168.0.9:8080", "192.168.0.9:1234", false},  // another program on that machine
           {"http://rebound.example:1234", "rebound.example:1234", false},
           {"https://evil.example", "localhost:1234", false},
           {"http://localhost.evil.example", "localhost:1234", false},
           {"http://localhost@evil.example", "localhost:1234", false},
           {"null", "localhost:1234", false},
           {"file://", "localhost:1234", false},
           {"://localhost", "localhost:1234", false},
           {"localhost", "localhost:1234", false},
           {"", "localhost:1234", false},
       }) {
    const auto allowed = check_origin(c.origin, c.host, kNames);
    EXPECT_EQ(allowed.has_value(), c.allowed) << c.origin;
    if (!allowed) {
      EXPECT_EQ(allowed.error().code, ErrorCode::kOriginNotAllowed);
    }
  }
}

TEST(JsonContentType, IsJsonWithAnyParameters) {
  for (const char* type : {"application/json", "Application/JSON ; charset=utf-8", "application/problem+json",
                           "text/json", " application/json"}) {
    EXPECT_TRUE(is_json_content_type(type)) << type;
  }
  for (const char* type : {"", "text/plain", "application/jsonx", "application/+json", "x-application/json",
                           "application/x-www-form-urlencoded", "text/plain; a=application/json"}) {
    EXPECT_FALSE(is_json_content_type(type)) << type;
  }
}

}  // namespace
}  // namespace atelier::net
