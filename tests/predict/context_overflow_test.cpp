#include "predict/context_overflow.h"

#include <gtest/gtest.h>

namespace atelier::predict {
namespace {

// "suat" stands for system, user, assistant, tool messages; the text is the place in the conversation.
std::vector<prompt::Message> conversation(std::string_view roles) {
  std::vector<prompt::Message> messages;
  for (const char role : roles) {
    prompt::Message message;
    message.role = role == 's' ? "system" : role == 'u' ? "user" : role == 'a' ? "assistant" : "tool";
    message.content.push_back(prompt::ContentPart{std::to_string(messages.size())});
    messages.push_back(std::move(message));
  }
  return messages;
}

// What is left after each drop, until nothing may go: "0 1 4 | 0 4".
std::string drops(std::string_view roles, ContextOverflow policy) {
  auto messages = conversation(roles);
  std::string out;
  while (drop_messages(messages, policy)) {
    if (!out.empty()) out += " | ";
    std::string line;
    for (const auto& message : messages) line += (line.empty() ? "" : " ") + message.content.front().text;
    out += line;
  }
  return out;
}

TEST(ContextOverflow, StopAtLimitDropsNothing) { EXPECT_EQ(drops("suauau", ContextOverflow::kStopAtLimit), ""); }

TEST(ContextOverflow, RollingWindowDropsTheOldestTurns) {
  EXPECT_EQ(drops("suauau", ContextOverflow::kRollingWindow), "0 3 4 5 | 0 5");
}

TEST(ContextOverflow, TruncateMiddleKeepsTheFirstUserMessage) {
  EXPECT_EQ(drops("suauau", ContextOverflow::kTruncateMiddle), "0 1 4 5 | 0 1 5");
}

TEST(ContextOverflow, KeepsAToolResultTogetherWithItsCall) {
  EXPECT_EQ(drops("uattau", ContextOverflow::kRollingWindow), "5");
  EXPECT_EQ(drops("uuat", ContextOverflow::kRollingWindow), "1 2 3 | 2 3");
}

TEST(ContextOverflow, KeepsTheQuestionOfAnAnswerThatIsContinued) {
  EXPECT_EQ(drops("uaua", ContextOverflow::kRollingWindow), "2 3");
}

TEST(ContextOverflow, LeavesTheLastMessageAlone) {
  EXPECT_EQ(drops("su", ContextOverflow::kRollingWindow), "");
  EXPECT_EQ(drops("u", ContextOverflow::kTruncateMiddle), "");
  EXPECT_EQ(drops("s", ContextOverflow::kRollingWindow), "");
}

}  // namespace
}  // namespace atelier::predict
