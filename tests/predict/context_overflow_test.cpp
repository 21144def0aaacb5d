#include "predict/context_overflow.h"

#include <random>
#include <stdexcept>
#include <tuple>

#include <gtest/gtest.h>

namespace atelier::predict {
namespace {

constexpr ContextOverflow kPolicies[] = {ContextOverflow::kTruncateMiddle, ContextOverflow::kRollingWindow};

// "suact" stands for messages of system, user and assistant, a call of a tool and its result; the text is the place in
// the conversation.
std::vector<prompt::Message> conversation(std::string_view roles) {
  std::vector<prompt::Message> messages;
  for (const char role : roles) {
    prompt::Message message;
    message.role = role == 's' ? "system" : role == 'u' ? "user" : role == 't' ? "tool" : "assistant";
    message.content.push_back(prompt::ContentPart{std::to_string(messages.size())});
    if (role == 'c') message.tool_calls.push_back(json::Object{{"id", "1"}});
    messages.push_back(std::move(message));
  }
  return messages;
}

std::string roles_of(const std::vector<prompt::Message>& messages) {
  std::string roles;
  for (const auto& message : messages) roles += message.tool_calls.empty() ? message.role[0] : 'c';
  return roles;
}

// What is left after each drop, until nothing may go: "0 1 4 | 0 4".
std::string drops(std::string_view roles, ContextOverflow policy) {
  const auto messages = conversation(roles);
  const auto stretches = droppable(messages, policy);
  std::string out;
  for (std::size_t count = 1; count <= stretches.size(); ++count) {
    if (!out.empty()) out += " | ";
    std::string line;
    for (const auto& message : without(messages, stretches, count)) {
      line += (line.empty() ? "" : " ") + message.content.front().text;
    }
    out += line;
  }
  return out;
}

TEST(ContextOverflow, StopAtLimitDropsNothing) { EXPECT_EQ(drops("suauau", ContextOverflow::kStopAtLimit), ""); }

TEST(ContextOverflow, RollingWindowDropsTheOldestTurns) {
  EXPECT_EQ(drops("suauau", ContextOverflow::kRollingWindow), "0 3 4 5 | 0 5");
  EXPECT_EQ(drops("sauau", ContextOverflow::kRollingWindow), "0 2 3 4 | 0 4");
}

TEST(ContextOverflow, TruncateMiddleKeepsTheFirstUserMessage) {
  EXPECT_EQ(drops("suauau", ContextOverflow::kTruncateMiddle), "0 1 2 5 | 0 1 5");
  EXPECT_EQ(drops("uauauau", ContextOverflow::kTruncateMiddle), "0 1 4 5 6 | 0 1 6 | 0 6");
}

TEST(ContextOverflow, KeepsAToolResultTogetherWithItsCall) {
  EXPECT_EQ(drops("ucttau", ContextOverflow::kRollingWindow), "5");
  EXPECT_EQ(drops("ucttau", ContextOverflow::kTruncateMiddle), "0 4 5 | 0 5");
  // A result that comes after another message of the user's.
  EXPECT_EQ(drops("ucutau", ContextOverflow::kRollingWindow), "5");
}

TEST(ContextOverflow, DropsTheRoundsOfALongToolConversation) {
  EXPECT_EQ(drops("suctctct", ContextOverflow::kRollingWindow), "0 1 4 5 6 7 | 0 1 6 7");
  EXPECT_EQ(drops("suctctct", ContextOverflow::kTruncateMiddle), "0 1 4 5 6 7 | 0 1 6 7");
}

TEST(ContextOverflow, KeepsTheQuestionOfAnAnswerThatIsContinued) {
  EXPECT_EQ(drops("uaua", ContextOverflow::kRollingWindow), "2 3");
}

TEST(ContextOverflow, LeavesTheLastMessageAlone) {
  for (const ContextOverflow policy : kPolicies) {
    for (const char* roles : {"", "s", "u", "a", "t", "su", "sua", "suct", "sus"}) {
      EXPECT_EQ(drops(roles, policy), "") << roles;
    }
  }
}

// The properties of any drop, over random conversations.
TEST(ContextOverflow, LeavesAConversationThatATemplateTakes) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string roles = random() % 2 == 0 ? "s" : "";
    const std::size_t turns = 1 + random() % 6;
    for (std::size_t turn = 0; turn < turns; ++turn) {
      roles += 'u';
      for (std::size_t calls = random() % 4; calls > 0; --calls) roles += random() % 2 == 0 ? "ct" : "ctt";
      if (turn + 1 < turns) roles += 'a';
    }
    const auto messages = conversation(roles);
    for (const ContextOverflow policy : kPolicies) {
      const auto stretches = droppable(messages, policy);
      std::vector<bool> taken(messages.size(), false);
      for (std::size_t count = 0; count <= stretches.size(); ++count) {
        const auto left = without(messages, stretches, count);
        const std::string kept = roles_of(left);
        EXPECT_EQ(kept[0] == 's', roles[0] == 's');
        EXPECT_EQ(kept.back(), roles.back());
        EXPECT_EQ(kept[roles[0] == 's' ? 1 : 0], 'u') << roles << " " << kept;
        for (std::size_t i = 1; i < kept.size(); ++i) {
          const char before = kept[i - 1];
          const bool follows = kept[i] == 't'   ? before == 'c' || before == 't'
                               : kept[i] == 'a' ? before == 'u' || before == 't'
                               // Two user messages in a row only where all that answered the first one is gone.
                               : kept[i] == 'u' ? before != 'u' || policy == ContextOverflow::kTruncateMiddle
                                                : true;
          EXPECT_TRUE(follows) << roles << " " << kept;
        }
        if (policy == ContextOverflow::kTruncateMiddle) {
          EXPECT_EQ(left[kept.find('u')].content.front().text, std::to_string(roles.find('u')));
        }
        if (count == stretches.size()) continue;
        EXPECT_LT(stretches[count].begin, stretches[count].end);
        for (std::size_t i = stretches[count].begin; i < stretches[count].end; ++i) {
          EXPECT_FALSE(taken.at(i)) << roles;
          taken[i] = true;
        }
      }
    }
  }
}

TEST(ContextOverflow, LeavesRoomForTheAnswer) {
  EXPECT_EQ(room_for_answer(100, 8192), 100u);
  EXPECT_EQ(room_for_answer(100'000, 8192), 4096u);
  EXPECT_EQ(room_for_answer(0, 8192), 2048u);
  EXPECT_EQ(room_for_answer(0, 131'072), 4096u);
}

// ---------------------------------------------------------------- the search

// A prompt of known parts in place of the engine.
// ---------------------------------------------------------------- what stays during an answer

// The beginning of the prompt that stays, as text.
std::string kept(const prompt::ChatTemplate& chat_template, const std::vector<prompt::Message>& messages,
                 ContextOverflow policy) {
  const prompt::RenderRequest conversation{.messages = messages};
  const auto whole = chat_template.render(conversation);
  if (!whole) throw std::runtime_error(whole.error().message);
  for (const prompt::RenderRequest& head : head_conversations(conversation, policy)) {
    const auto rendered = chat_template.render(head);
    const std::size_t bytes = rendered ? common_bytes(*whole, *rendered) : 0;
    if (bytes == 0) continue;
    std::vector<runtime::PromptSegment> segments;
    for (const prompt::Segment& segment : whole->segments) segments.push_back({segment.text, true, {}});
    const std::size_t count = cut_at(segments, bytes);
    std::string before;
    std::string all;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      all += segments[i].text;
      if (i < count) before += segments[i].text;
      EXPECT_FALSE(segments[i].text.empty());
    }
    EXPECT_EQ(all, whole->text());
    return before;
  }
  return "";
}

TEST(KeptHead, IsTheSystemPromptAndUnderTruncateMiddleTheFirstQuestion) {
  const auto chatml = prompt::ChatTemplate::chatml();
  const auto messages = conversation("suauau");
  const std::string system = "<|im_start|>system\n0<|im_end|>\n";
  EXPECT_EQ(kept(chatml, messages, ContextOverflow::kRollingWindow), system);
  EXPECT_EQ(kept(chatml, messages, ContextOverflow::kTruncateMiddle), system + "<|im_start|>user\n1<|im_end|>\n");
  EXPECT_EQ(kept(chatml, conversation("su"), ContextOverflow::kTruncateMiddle),
            system + "<|im_start|>user\n1<|im_end|>\n");
  EXPECT_TRUE(head_conversations({.messages = messages}, ContextOverflow::kStopAtLimit).empty());
}

TEST(KeptHead, OfATemplateThatWantsAUserGoesUpToHisWords) {
  const auto strict = prompt::ChatTemplate::compile(
      "{% if not messages or messages[-1].role == 'system' %}{{ raise_exception('who asks?') }}{% endif %}"
      "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}");
  ASSERT_TRUE(strict);
  EXPECT_EQ(kept(*strict, conversation("suau"), ContextOverflow::kRollingWindow), "[system]0[user]");
  EXPECT_EQ(kept(*strict, conversation("uau"), ContextOverflow::kRollingWindow), "[user]");
  EXPECT_EQ(kept(*strict, conversation("uau"), ContextOverflow::kTruncateMiddle), "[user]0");
  auto a = conversation("u");
  a[0].content[0].text = "a question";
  EXPECT_EQ(kept(*strict, a, ContextOverflow::kRollingWindow), "[user]");
}

TEST(KeptHead, CutsASegmentWhereItEnds) {
  const std::vector<runtime::PromptSegment> whole = {{"abc", true, {}}, {"def", false, {}}};
  for (const auto& [bytes, count, segments] : std::vector<std::tuple<std::size_t, std::size_t, std::size_t>>{
           {0, 0, 2}, {2, 1, 3}, {3, 1, 2}, {4, 2, 3}, {6, 2, 2}, {9, 2, 2}}) {
    auto cut = whole;
    EXPECT_EQ(cut_at(cut, bytes), count) << bytes;
    ASSERT_EQ(cut.size(), segments) << bytes;
    EXPECT_TRUE(cut.front().is_template);
    EXPECT_FALSE(cut.back().is_template);
  }
}

struct Search {
  std::size_t dropped;
  std::uint64_t tokens;
  int counts;
};

Search search(const std::vector<std::uint64_t>& weights, std::uint64_t rest, const std::vector<std::uint64_t>& tokens,
              std::uint64_t rest_tokens, std::uint64_t budget) {
  const auto count = [&](std::size_t dropped) {
    std::uint64_t sum = rest_tokens;
    for (std::size_t i = dropped; i < tokens.size(); ++i) sum += tokens[i];
    return sum;
  };
  FitSearch found(weights, rest, budget);
  int counts = 0;
  for (auto next = found.next(); next && counts < 1000; next = found.next()) {
    ++counts;
    found.counted(count(*next));
  }
  EXPECT_EQ(found.tokens(), count(found.dropped()));
  return {found.dropped(), found.tokens(), counts};
}

TEST(FitSearch, TakesOneCountWhereEverythingFits) {
  const Search found = search({40, 40}, 20, {10, 10}, 5, 25);
  EXPECT_EQ(found.dropped, 0u);
  EXPECT_EQ(found.counts, 1);
}

TEST(FitSearch, TakesTwoCountsWhereTheWeightsTellTheTokens) {
  const std::vector<std::uint64_t> weights(200, 400);
  const std::vector<std::uint64_t> tokens(200, 100);
  const Search found = search(weights, 400, tokens, 100, 4000);
  EXPECT_EQ(found.dropped, 161u);
  EXPECT_EQ(found.tokens, 4000u);
  EXPECT_EQ(found.counts, 2);
}

TEST(FitSearch, SaysWhatIsLeftWhereNothingFits) {
  EXPECT_EQ(search({40, 40}, 2000, {10, 10}, 500, 100).dropped, 2u);
  EXPECT_EQ(search({40, 40}, 2000, {10, 10}, 500, 100).tokens, 500u);
  EXPECT_EQ(search({}, 2000, {}, 500, 100).tokens, 500u);
  EXPECT_EQ(search({}, 2000, {}, 500, 100).counts, 1);
}

TEST(FitSearch, FindsWhatFitsInFewCountsWhateverTheWeightsSay) {
  std::mt19937 random(11);
  int most_counts = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::uint64_t> weights, tokens;
    std::uint64_t sum = 0;
    for (std::size_t i = random() % 300; i > 0; --i) {
      tokens.push_back(1 + random() % 500);
      // Unlike the tokens altogether, or alike within a half.
      weights.push_back(round % 2 == 0 ? random() % 5000 : tokens.back() * (60 + random() % 60) / 20);
      sum += tokens.back();
    }
    const std::uint64_t rest = 1 + random() % 200;
    const std::uint64_t budget = rest + random() % (sum + 1);
    const Search found = search(weights, round % 3 == 0 ? 0 : rest * 4, tokens, rest, budget);
    EXPECT_LE(found.tokens, budget);
    most_counts = std::max(most_counts, found.counts);
  }
  EXPECT_LE(most_counts, 15);  // 5 and the halvings of 300
}

TEST(FitSearch, DropsAboutAsFewAsItMust) {
  std::mt19937 random(13);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::uint64_t> weights, tokens;
    for (int i = 0; i < 100; ++i) {
      tokens.push_back(50 + random() % 100);
      weights.push_back(tokens.back() * 4 + random() % 20);
    }
    const Search found = search(weights, 400, tokens, 100, 3000);
    ASSERT_LE(found.tokens, 3000u);
    EXPECT_GT(found.tokens + 2 * 150, 3000u);  // less than two stretches more than needed
    EXPECT_LE(found.counts, 5);
  }
}

}  // namespace
}  // namespace atelier::predict
