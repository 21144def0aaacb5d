#include "base/ids.h"

#include <array>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atelier::ids {
namespace {

using ::testing::MatchesRegex;

TEST(Ids, HaveTheFormsThatClientsKnow) {
  // POSIX extended expressions.
  EXPECT_THAT(chat_completion(), MatchesRegex("chatcmpl-[a-z0-9]{21,22}"));
  EXPECT_THAT(text_completion(), MatchesRegex("cmpl-[a-z0-9]{21}"));
  EXPECT_THAT(response(), MatchesRegex("resp_[0-9a-f]{48}"));
  EXPECT_THAT(response_item("mcpl_"), MatchesRegex("mcpl_[0-9a-f]{48}"));
  EXPECT_THAT(chat_tool_call(), MatchesRegex("[1-9][0-9]{8}"));
  EXPECT_THAT(response_call(), MatchesRegex("call_[A-Za-z0-9]{24}"));
  EXPECT_THAT(anthropic_message(), MatchesRegex("msg_[A-Za-z0-9]{24}"));
  EXPECT_THAT(anthropic_tool_use(), MatchesRegex("toolu_[A-Za-z0-9]{24}"));
  EXPECT_THAT(download_job(), MatchesRegex("job_[0-9a-f]{10}"));
  EXPECT_THAT(api_token(), MatchesRegex("sk-lm-[A-Za-z0-9]{8}:[A-Za-z0-9]{20}"));
}

TEST(Ids, AreNotRepeated) {
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(seen.insert(response_call()).second);
}

TEST(Ids, DrawEveryCharacterAboutEquallyOften) {
  // 62 does not divide 256: without rejection the first 8 characters would come 25 % more often than the rest.
  constexpr int kDraws = 620'000;
  std::array<int, 256> counts{};
  for (const char c : random_alphanumeric(kDraws)) ++counts[static_cast<unsigned char>(c)];
  int different = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    ++different;
    EXPECT_NEAR(count, kDraws / 62.0, 700);  // 7 standard deviations
  }
  EXPECT_EQ(different, 62);
}

}  // namespace
}  // namespace atelier::ids
