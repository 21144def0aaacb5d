#include "net/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atelier::net {
namespace {

using ::testing::ElementsAre;

std::string path_of(std::string_view target) {
  const auto parsed = parse_target(target);
  return parsed ? parsed->path : "refused";
}

TEST(ParseTarget, IgnoresSlashesThatDoNotMatter) {
  EXPECT_EQ(path_of("/"), "/");
  EXPECT_EQ(path_of("///"), "/");
  EXPECT_EQ(path_of("/v1/models"), "/v1/models");
  EXPECT_EQ(path_of("/v1/models/"), "/v1/models");
  EXPECT_EQ(path_of("//v1///models//"), "/v1/models");
}

TEST(ParseTarget, DecodesSegmentsAfterSplittingThem) {
  const auto parsed = parse_target("/v1/models/qwen%2fqwen3%20x/%E2%82%AC");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_THAT(parsed->segments, ElementsAre("v1", "models", "qwen/qwen3 x", "€"));
  EXPECT_EQ(parsed->path, "/v1/models/qwen/qwen3 x/€");
}

TEST(ParseTarget, KeepsTheQueryAsItCame) {
  const auto parsed = parse_target("/a?b=%zz&c=/d//?e");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->path, "/a");
  EXPECT_EQ(parsed->query, "b=%zz&c=/d//?e");
}

TEST(ParseTarget, TakesTheAbsoluteForm) {
  const auto parsed = parse_target("HTTP://localhost:1234/v1?x");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->authority, "localhost:1234");
  EXPECT_EQ(parsed->path, "/v1");
  EXPECT_EQ(path_of("http://localhost"), "/");
  EXPECT_EQ(path_of("http://localhost?q"), "/");
  EXPECT_EQ(path_of("*"), "*");
}

TEST(ParseTarget, RefusesWhatIsNoPath) {
  for (const char* target :
       {"", "v1", "http://", "http:///v1", "ftp://host/v1", "localhost:80", "/a#b", "/a%", "/a%4", "/a%4g", "/%00",
        "/%0a", "/%7f", "/%ff", "/%c0%af", "/a/../b", "/a/./b", "/%2e%2e/b", "**"}) {
    const auto parsed = parse_target(target);
    ASSERT_FALSE(parsed.has_value()) << target;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidRequest);
  }
  EXPECT_EQ(path_of("/..."), "/...");
}

TEST(PercentDecode, LeavesOtherTextAlone) {
  EXPECT_EQ(percent_decode("a+b%2Bc"), "a+b+c");
  EXPECT_EQ(percent_decode(""), "");
  EXPECT_EQ(percent_decode("%"), std::nullopt);
}

TEST(QueryValue, FindsTheFirstOfAName) {
  EXPECT_EQ(query_value("a=1&b=2&a=3", "a"), "1");
  EXPECT_EQ(query_value("a=1&b=2", "b"), "2");
  EXPECT_EQ(query_value("flag&b=2", "flag"), "");
  EXPECT_EQ(query_value("a%20b=c+d%26", "a b"), "c d&");
  EXPECT_EQ(query_value("a=100%", "a"), "100%");
  EXPECT_EQ(query_value("a=1", "c"), std::nullopt);
  EXPECT_EQ(query_value("", "a"), std::nullopt);
  EXPECT_EQ(query_value("&&a=1", "a"), "1");
}

}  // namespace
}  // namespace atelier::net
