#include "engine/token_window.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

namespace atelier::engine {
namespace {

std::map<std::int32_t, std::int32_t> counted(const TokenWindow& window) {
  std::map<std::int32_t, std::int32_t> out;
  for (const auto& [token, count] : window.counts()) EXPECT_TRUE(out.emplace(token, count).second) << token;
  return out;
}

TEST(TokenWindow, CountsTheLastTokens) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const std::size_t length = round % 5 == 0 ? 0 : 1 + random() % 300;
    // Tokens that lie far apart, whose hashes meet now and then, and tokens that come again and again.
    const auto kinds = 1 + random() % 400;
    const auto stride = 1 + random() % 5000;
    TokenWindow window(length);
    std::deque<std::int32_t> last;
    std::map<std::int32_t, std::int32_t> expected;
    for (auto n = random() % 2000; n > 0; --n) {
      const auto token = static_cast<std::int32_t>(random() % kinds * stride);
      window.push(token);
      last.push_back(token);
      ++expected[token];
      if (last.size() > length) {
        if (--expected[last.front()] == 0) expected.erase(last.front());
        last.pop_front();
      }
      if (n % 7 == 0) {
        ASSERT_EQ(counted(window), expected);
      }
    }
    ASSERT_EQ(counted(window), expected);
  }
}

}  // namespace
}  // namespace atelier::engine
