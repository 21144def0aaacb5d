#include "net/sse.h"

#include <gtest/gtest.h>

namespace atelier::net::sse {
namespace {

TEST(Sse, FramesDataAndEvents) {
  EXPECT_EQ(data(R"({"a":1})"), "data: {\"a\":1}\n\n");
  EXPECT_EQ(event("ping", "{}"), "event: ping\ndata: {}\n\n");
  EXPECT_EQ(comment("keep-alive"), kKeepAlive);
  EXPECT_EQ(data("[DONE]"), kDone);
  EXPECT_EQ(data(""), "data: \n\n");
}

// A frame must not be split, whatever the text holds: a blank line would end the event early.
TEST(Sse, KeepsLineBreaksInsideTheEvent) {
  EXPECT_EQ(data("a\nb\r\nc\rd\n\ne"), "data: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: e\n\n");
  EXPECT_EQ(event("a\r\ndata: x", "1"), "event: adata: x\ndata: 1\n\n");
  EXPECT_EQ(comment("a\n\nb"), ": a\n: \n: b\n\n");
}

TEST(Sse, AppendsSeveralFrames) {
  std::string out;
  append_data(out, "1");
  append_event(out, "e", "2");
  EXPECT_EQ(out, "data: 1\n\nevent: e\ndata: 2\n\n");
}

}  // namespace
}  // namespace atelier::net::sse
