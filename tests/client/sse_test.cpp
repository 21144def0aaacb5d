#include "client/sse.h"

#include <gtest/gtest.h>

#include <vector>

namespace atelier::client {
namespace {

using Events = std::vector<std::pair<std::string, std::string>>;

Events events_of(const std::vector<std::string_view>& parts) {
  SseParser parser;
  Events events;
  for (std::string_view part : parts) {
    auto fed = parser.feed(part, [&](const SseEvent& event) { events.emplace_back(event.name, event.data); });
    EXPECT_TRUE(fed.has_value());
  }
  return events;
}

TEST(Sse, ReadsNamesDataAndComments) {
  EXPECT_EQ(events_of({": hello\n\nevent: a\ndata: 1\n\ndata: 2\n\n"}), (Events{{"a", "1"}, {"", "2"}}));
}

TEST(Sse, JoinsDataLinesAndTakesOneBlankAway) {
  EXPECT_EQ(events_of({"data:  x\ndata:y\ndata\n\n"}), (Events{{"", " x\ny\n"}}));
}

TEST(Sse, KnowsEveryLineEnd) {
  EXPECT_EQ(events_of({"data: 1\r\rdata: 2\r\n\r\ndata: 3\n\n"}), (Events{{"", "1"}, {"", "2"}, {"", "3"}}));
}

TEST(Sse, SkipsAByteOrderMarkAtTheVeryBeginningOnly) {
  EXPECT_EQ(events_of({"\xEF\xBB\xBF"
                       "data: 1\n\n\xEF\xBB\xBF"
                       "data: 2\n\n"}),
            (Events{{"", "1"}}));
}

TEST(Sse, IgnoresIdRetryAndUnknownFields) {
  EXPECT_EQ(events_of({"id: 7\nretry: 10\nfoo: bar\ndata: x\n\n"}), (Events{{"", "x"}}));
}

TEST(Sse, AnEventWithoutDataIsNoneAndItsNameIsForgotten) {
  EXPECT_EQ(events_of({"event: a\n\ndata: x\n\n"}), (Events{{"", "x"}}));
}

TEST(Sse, AnUnfinishedEventIsDropped) { EXPECT_EQ(events_of({"data: 1\n\ndata: 2\n"}), (Events{{"", "1"}})); }

TEST(Sse, EveryCutGivesTheSameEvents) {
  const std::string stream =
      "\xEF\xBB\xBF: keep-alive\r\n\r\nevent: model_load.progress\r\ndata: {\"progress\":0.5}\r\n\r\n"
      "data: gr\xC3\xBC\xC3\x9F\ndata: dich\n\ndata: a\rdata: b\r\rdata: [DONE]\n\n";
  const Events whole = events_of({stream});
  ASSERT_EQ(whole.size(), 4u);
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); ++second) {
      std::string_view text = stream;
      ASSERT_EQ(events_of({text.substr(0, first), text.substr(first, second - first), text.substr(second)}), whole)
          << "cut at " << first << " and " << second;
    }
  }
}

TEST(Sse, AnEventOverTheLimitIsAnError) {
  auto feed = [](const std::vector<std::string>& parts) {
    SseParser parser(32);
    Result<void> outcome;
    for (const std::string& part : parts) {
      if (outcome) outcome = parser.feed(part, [](const SseEvent&) {});
    }
    return outcome;
  };
  EXPECT_TRUE(feed({"data: " + std::string(20, 'x') + "\n\n", "data: " + std::string(20, 'x') + "\n\n"}));
  EXPECT_FALSE(feed({"data: ", std::string(20, 'x'), std::string(20, 'x')}));
  EXPECT_FALSE(feed({"data: aaaaaaaaaaaaaaaa\n", "data: aaaaaaaaaaaaaaaa\n", "data: b\n"}));
}

}  // namespace
}  // namespace atelier::client
