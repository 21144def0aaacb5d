#include "runtime/event_queue.h"

#include <gtest/gtest.h>

namespace atelier::runtime {
namespace {

Delta delta(const std::string& text, bool of_prompt = false) {
  Delta result;
  result.of_prompt = of_prompt;
  result.pieces.emplace_back().text = text;
  return result;
}

TEST(EventQueue, KeepsTheOrder) {
  EventQueue queue;
  queue.push(Accepted{5, 0});
  queue.push(Started{2});
  queue.push(delta("a"));
  queue.push(Done{});
  EXPECT_EQ(std::get<Accepted>(queue.pop().event).prompt_tokens, 5U);
  EXPECT_EQ(std::get<Started>(queue.pop().event).cached_tokens, 2U);
  EXPECT_EQ(std::get<Delta>(queue.pop().event).pieces[0].text, "a");
  EXPECT_TRUE(std::holds_alternative<Done>(queue.pop().event));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST(EventQueue, JoinsTokensThatNobodyHasRead) {
  EventQueue queue;
  queue.push(delta("a"));
  queue.push(delta("b"));
  queue.push(delta("p", true));
  queue.push(delta("q", true));
  queue.push(delta("c"));
  EXPECT_EQ(std::get<Delta>(queue.pop().event).pieces.size(), 2U);
  const Delta of_prompt = std::get<Delta>(queue.pop().event);
  EXPECT_TRUE(of_prompt.of_prompt);
  EXPECT_EQ(of_prompt.pieces.size(), 2U);
  EXPECT_EQ(std::get<Delta>(queue.pop().event).pieces[0].text, "c");
}

TEST(EventQueue, JoinedDeltasStayMoreOrLessSmall) {
  EventQueue queue;
  for (int i = 0; i < 1000; ++i) queue.push(delta(std::string(100, 'x')));
  std::size_t pieces = 0;
  while (!queue.empty()) {
    const Event event = queue.pop().event;
    EXPECT_LE(event_bytes(event), EventQueue::kJoinBytes + 1024);
    pieces += std::get<Delta>(event).pieces.size();
  }
  EXPECT_EQ(pieces, 1000U);
}

TEST(EventQueue, KeepsOnlyTheNewestProgress) {
  EventQueue queue;
  queue.push(PromptProgress{1, 10});
  queue.push(PromptProgress{7, 10});
  EXPECT_EQ(std::get<PromptProgress>(queue.pop().event).processed_tokens, 7U);
  EXPECT_TRUE(queue.empty());
}

TEST(EventQueue, PausesOnceAndResumesOnceBelowTheLowerBound) {
  EventQueue queue;
  int pauses = 0;
  std::size_t largest = 0;
  for (int i = 0; i < 100; ++i) {
    const bool above_before = queue.bytes() > Generation::kPauseBytes;
    const auto flow = queue.push(delta(std::string(10'000, 'x')));
    EXPECT_EQ(flow == EventQueue::Flow::kPause, !above_before && queue.bytes() > Generation::kPauseBytes);
    pauses += flow == EventQueue::Flow::kPause;
    largest = std::max(largest, queue.bytes());
  }
  EXPECT_EQ(pauses, 1);
  EXPECT_GE(largest, 1'000'000U) << "what the engine had under way is kept";
  int resumes = 0;
  while (!queue.empty()) {
    const auto popped = queue.pop();
    if (popped.flow != EventQueue::Flow::kResume) continue;
    ++resumes;
    EXPECT_LT(queue.bytes(), Generation::kResumeBytes);
  }
  EXPECT_EQ(resumes, 1);
  // And again.
  for (int i = 0; i < 100; ++i) pauses += queue.push(delta(std::string(10'000, 'x'))) == EventQueue::Flow::kPause;
  EXPECT_EQ(pauses, 2);
}

TEST(EventQueue, CountsLogProbabilitiesToo) {
  EventQueue plain;
  EventQueue with_logprobs;
  plain.push(delta("x"));
  Delta rich = delta("x");
  for (int i = 0; i < 20; ++i) rich.pieces[0].top.push_back({i, std::string(100, 'y'), -1});
  with_logprobs.push(rich);
  EXPECT_GE(with_logprobs.bytes(), plain.bytes() + 20 * (sizeof(TokenLogprob) + 100));
}

TEST(EventQueue, NoticesAnEngineThatDoesNotHeedPause) {
  EventQueue queue;
  for (int i = 0; i < 64; ++i) queue.push(delta(std::string(1024 * 1024 - 2000, 'x')));
  EXPECT_FALSE(queue.overflowed());
  queue.push(delta(std::string(1024 * 1024, 'x')));
  EXPECT_TRUE(queue.overflowed());
}

}  // namespace
}  // namespace atelier::runtime
