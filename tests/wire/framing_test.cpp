#include "wire/framing.h"

#include <gtest/gtest.h>

#include "wire/engine.pb.h"

namespace atelier::wire {
namespace {

ToEngine detokenize(std::uint64_t id, int tokens) {
  ToEngine message;
  message.set_id(id);
  for (int i = 0; i < tokens; ++i) message.mutable_detokenize()->add_ids(i);
  return message;
}

TEST(Framing, GivesMessagesBackHoweverTheBytesAreCut) {
  std::string stream;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append_frame(stream, detokenize(static_cast<std::uint64_t>(i), i * 3)));
  for (std::size_t cut = 1; cut <= stream.size(); ++cut) {
    FrameReader reader;
    std::uint64_t expected = 0;
    for (std::size_t at = 0; at < stream.size(); at += cut) {
      reader.feed(std::string_view(stream).substr(at, cut));
      while (true) {
        const auto payload = reader.next();
        ASSERT_TRUE(payload);
        if (!*payload) break;
        ToEngine message;
        ASSERT_TRUE(parse_payload(**payload, message));
        EXPECT_EQ(message.id(), expected);
        EXPECT_EQ(message.detokenize().ids_size(), static_cast<int>(expected) * 3);
        ++expected;
      }
    }
    EXPECT_EQ(expected, 5U);
    EXPECT_TRUE(reader.at_boundary());
  }
}

TEST(Framing, RefusesAFrameThatIsTooLong) {
  FrameReader reader;
  reader.feed(std::string("\x01\x00\x00\x04", 4));  // 64 MiB + 1
  const auto payload = reader.next();
  ASSERT_FALSE(payload);
  EXPECT_EQ(payload.error().code, ErrorCode::kCorrupt);
}

TEST(Framing, KnowsAnUnfinishedFrame) {
  std::string stream;
  ASSERT_TRUE(append_frame(stream, detokenize(1, 2)));
  FrameReader reader;
  reader.feed(std::string_view(stream).substr(0, stream.size() - 1));
  const auto payload = reader.next();
  ASSERT_TRUE(payload);
  EXPECT_FALSE(payload->has_value());
  EXPECT_FALSE(reader.at_boundary());
}

TEST(Framing, RefusesBytesThatAreNoMessage) {
  ToEngine message;
  const auto parsed = parse_payload("\xFF\xFF\xFF\xFF", message);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
}

TEST(Framing, LeavesTheBufferAsItWasWhenAMessageIsTooLarge) {
  ToEngine message;
  message.mutable_load()->set_path(std::string(kMaxFrameBytes, 'x'));
  std::string out = "before";
  EXPECT_FALSE(append_frame(out, message));
  EXPECT_EQ(out, "before");
}

}  // namespace
}  // namespace atelier::wire
