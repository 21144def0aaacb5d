#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace atelier::engine {
namespace {

// The slow twin: looks at every end in turn.
std::optional<StopMatcher::Match> first_match(const std::vector<std::string>& stops, const std::string& text) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::optional<StopMatcher::Match> best;
    for (std::size_t i = 0; i < stops.size(); ++i) {
      const std::string& stop = stops[i];
      if (stop.empty() || stop.size() > end || text.compare(end - stop.size(), stop.size(), stop) != 0) continue;
      if (!best || stop.size() > best->end - best->begin) best = StopMatcher::Match{i, end - stop.size(), end};
    }
    if (best) return best;
  }
  return std::nullopt;
}

std::size_t longest_beginning(const std::vector<std::string>& stops, const std::string& text) {
  std::size_t longest = 0;
  for (const std::string& stop : stops) {
    for (std::size_t n = 1; n < stop.size() && n <= text.size(); ++n) {
      if (text.compare(text.size() - n, n, stop, 0, n) == 0) longest = std::max(longest, n);
    }
  }
  return longest;
}

std::string random_text(std::mt19937& random, std::size_t most) {
  std::string text(random() % (most + 1), 'a');
  for (char& c : text) c = static_cast<char>('a' + random() % 2);
  return text;
}

TEST(StopMatcher, AgreesWithTheSlowTwinHoweverTheTextIsCut) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> stops(1 + random() % 3);
    for (std::string& stop : stops) stop = random_text(random, 6);
    const std::string text = random_text(random, 24);
    const auto expected = first_match(stops, text);
    StopMatcher matcher(stops);
    std::optional<StopMatcher::Match> match;
    std::size_t at = 0;
    while (at < text.size() && !match) {
      const std::size_t length = std::min<std::size_t>(random() % 5, text.size() - at);
      match = matcher.feed(text.substr(at, length));
      at += length;
      if (!match) {
        ASSERT_EQ(matcher.undecided(), longest_beginning(stops, text.substr(0, at)));
      }
    }
    ASSERT_EQ(match.has_value(), expected.has_value()) << text;
    if (!match) continue;
    EXPECT_EQ(match->begin, expected->begin);
    EXPECT_EQ(match->end, expected->end);
    EXPECT_EQ(stops[match->pattern], stops[expected->pattern]);
  }
}

TEST(StopMatcher, TheLongestOfThoseThatEndTogetherWins) {
  StopMatcher matcher({"c", "abc"});
  const auto match = matcher.feed("xabc");
  ASSERT_TRUE(match);
  EXPECT_EQ(matcher.pattern(match->pattern), "abc");
  EXPECT_EQ(match->begin, 1U);
}

}  // namespace
}  // namespace atelier::engine
