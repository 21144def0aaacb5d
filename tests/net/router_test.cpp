#include "net/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace atelier::net {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// Routes that are only looked up, never run.
boost::asio::awaitable<void> never(Exchange&) { co_return; }

using Path = std::vector<std::string>;

TEST(Router, FindsTheHandlerOfMethodAndPath) {
  Router router;
  router.add("GET", "/", never);
  router.add("GET", "/v1/models", never);
  router.add("POST", "/v1/models", never);
  EXPECT_NE(router.match("GET", {}).handler, nullptr);
  EXPECT_NE(router.match("GET", Path{"v1", "models"}).handler, nullptr);
  EXPECT_NE(router.match("GET", Path{"v1", "models"}).handler, router.match("POST", Path{"v1", "models"}).handler);
  EXPECT_EQ(router.match("GET", Path{"v1"}).handler, nullptr);
  EXPECT_EQ(router.match("GET", Path{"v1", "Models"}).handler, nullptr);
  EXPECT_EQ(router.match("get", Path{"v1", "models"}).handler, nullptr);
}

TEST(Router, AnswersHeadWithGetUnlessItHasItsOwn) {
  Router router;
  router.add("GET", "/a", never);
  router.add("POST", "/b", never);
  EXPECT_EQ(router.match("HEAD", Path{"a"}).handler, router.match("GET", Path{"a"}).handler);
  EXPECT_EQ(router.match("HEAD", Path{"b"}).handler, nullptr);
}

TEST(Router, TellsWhichMethodsAPathHas) {
  Router router;
  router.add("GET", "/a/{id}", never);
  router.add("DELETE", "/a/{id}", never);
  router.add("POST", "/a/b", never);
  const auto match = router.match("PATCH", Path{"a", "b"});
  EXPECT_EQ(match.handler, nullptr);
  EXPECT_EQ(match.allow, "GET, HEAD, DELETE, POST");
  EXPECT_EQ(router.match("GET", Path{"c"}).allow, "");
}

TEST(Router, NamesThePatternThatMatched) {
  Router router;
  router.add("GET", "/models/{id...}", never);
  router.add("GET", "/models/loaded", never);
  EXPECT_EQ(router.match("GET", Path{"models", "a", "b"}).pattern, "/models/{id...}");
  EXPECT_EQ(router.match("GET", Path{"models", "loaded"}).pattern, "/models/loaded");
  EXPECT_EQ(router.match("GET", Path{"elsewhere"}).pattern, "");
}

TEST(Router, CapturesOneSegmentOrTheRest) {
  Router router;
  router.add("GET", "/models/{id...}", never);
  router.add("GET", "/jobs/{job}/parts/{part}", never);
  EXPECT_THAT(router.match("GET", Path{"models", "qwen", "qwen3"}).captures, ElementsAre(Pair("id", "qwen/qwen3")));
  EXPECT_THAT(router.match("GET", Path{"models", "qwen/qwen3"}).captures, ElementsAre(Pair("id", "qwen/qwen3")));
  EXPECT_EQ(router.match("GET", Path{"models"}).handler, nullptr);
  EXPECT_THAT(router.match("GET", Path{"jobs", "7", "parts", "x"}).captures,
              ElementsAre(Pair("job", "7"), Pair("part", "x")));
}

TEST(Router, PrefersLiteralTextWhateverTheOrder) {
  for (const bool literal_first : {true, false}) {
    Router router;
    if (literal_first) router.add("GET", "/m/load", never);
    router.add("GET", "/m/{id...}", never);
    router.add("GET", "/m/{id}", never);
    if (!literal_first) router.add("GET", "/m/load", never);
    EXPECT_THAT(router.match("GET", Path{"m", "load"}).captures, IsEmpty());
    EXPECT_THAT(router.match("GET", Path{"m", "other"}).captures, ElementsAre(Pair("id", "other")));
    EXPECT_THAT(router.match("GET", Path{"m", "a", "b"}).captures, ElementsAre(Pair("id", "a/b")));
  }
}

// A literal route of another method does not hide a capturing route of this one.
TEST(Router, ChoosesAmongRoutesOfTheMethod) {
  Router router;
  router.add("POST", "/m/load", never);
  router.add("GET", "/m/{id...}", never);
  EXPECT_THAT(router.match("GET", Path{"m", "load"}).captures, ElementsAre(Pair("id", "load")));
}

TEST(Router, RefusesPatternsThatMakeNoSense) {
  Router router;
  router.add("GET", "/a/{id}", never);
  for (const char* pattern : {"", "a", "/a//b", "/{}", "/{...}", "/{a...}/b", "/a/{other}"}) {
    EXPECT_THROW(router.add("GET", pattern, never), std::invalid_argument) << pattern;
  }
  EXPECT_THROW(router.add("", "/b", never), std::invalid_argument);
  EXPECT_THROW(router.add("GET", "/b", nullptr), std::invalid_argument);
  EXPECT_NO_THROW(router.add("PUT", "/a/{id}", never));
}

}  // namespace
}  // namespace atelier::net
