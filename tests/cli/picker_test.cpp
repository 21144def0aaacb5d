#include "cli/picker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "cli/format.h"
#include "tests/cli/terminal.h"

namespace atelier::cli {
namespace {

std::vector<Key> keys_of(std::string_view bytes) {
  KeyReader reader;
  std::vector<Key> keys;
  for (const KeyPress& press : reader.feed(bytes)) keys.push_back(press.key);
  return keys;
}

void type(Picker& picker, std::string_view text) {
  KeyReader reader;
  for (const KeyPress& press : reader.feed(text)) picker.press(press);
}

TEST(KeyReader, KnowsTheKeysOfTerminals) {
  EXPECT_EQ(keys_of("\x1b[A\x1bOB\x1b[5~\x1b[6~\r\x7f\x03\x15"),
            (std::vector<Key>{Key::kUp, Key::kDown, Key::kPageUp, Key::kPageDown, Key::kEnter, Key::kBackspace,
                              Key::kCancel, Key::kClear}));
  EXPECT_EQ(keys_of("\x1b[1;5C\x1b[24~"), (std::vector<Key>{Key::kOther, Key::kOther}));
}

TEST(KeyReader, EveryCutGivesTheSameKeys) {
  const std::string bytes = "a\x1b[A\xC3\xBC\x1b[5~\x7f\xF0\x9F\x98\x80\r";
  KeyReader whole;
  auto expected = whole.feed(bytes);
  ASSERT_EQ(expected.size(), 7u);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    KeyReader reader;
    auto presses = reader.feed(std::string_view(bytes).substr(0, cut));
    for (KeyPress& press : reader.feed(std::string_view(bytes).substr(cut))) presses.push_back(std::move(press));
    ASSERT_EQ(presses.size(), expected.size()) << cut;
    for (std::size_t i = 0; i < presses.size(); ++i) {
      EXPECT_EQ(presses[i].key, expected[i].key) << cut;
      EXPECT_EQ(presses[i].text, expected[i].text) << cut;
    }
  }
}

TEST(KeyReader, ALoneEscapeIsKnownOnceNothingFollows) {
  KeyReader reader;
  EXPECT_TRUE(reader.feed("\x1b").empty());
  EXPECT_TRUE(reader.pending());
  auto presses = reader.flush();
  ASSERT_EQ(presses.size(), 1u);
  EXPECT_EQ(presses[0].key, Key::kCancel);
  EXPECT_FALSE(reader.pending());
}

TEST(Picker, TypingFiltersAndBackspaceWidens) {
  Picker picker("Pick |", {"llama", "qwen", "qwen-coder"});
  EXPECT_EQ(picker.current(), 0u);
  type(picker, "qw");
  EXPECT_EQ(picker.current(), 1u);
  type(picker, "c");
  EXPECT_EQ(picker.current(), 2u);
  type(picker, "zz");
  EXPECT_EQ(picker.current(), std::nullopt);
  EXPECT_EQ(picker.press({Key::kEnter, {}}), Picker::Outcome::kOpen);  // nothing to accept
  type(picker, "\x15");
  EXPECT_EQ(picker.current(), 0u);
  type(picker, "\xC3\xBC\x7f");  // a two-byte character and one Backspace
  EXPECT_EQ(picker.current(), 0u);
}

TEST(Picker, ArrowsStayInsideTheList) {
  Picker picker("Pick |", {"a", "b", "c"});
  type(picker, "\x1b[A");
  EXPECT_EQ(picker.current(), 0u);
  type(picker, "\x1b[B\x1b[B\x1b[B\x1b[B");
  EXPECT_EQ(picker.current(), 2u);
  type(picker, "\x1b[5~");
  EXPECT_EQ(picker.current(), 0u);
  type(picker, "\x1b[F");
  EXPECT_EQ(picker.current(), 2u);
}

TEST(Picker, BetterMatchesComeFirst) {
  Picker picker("Pick |", {"my-qwen-8", "qwen"});
  type(picker, "qwen");
  EXPECT_EQ(picker.current(), 1u);
}

TEST(Picker, DrawsWithinTheScreenWithTheCursorInSight) {
  std::vector<std::string> names, notes;
  for (int i = 0; i < 50; ++i) {
    names.push_back("a-rather-long-model-name-" + std::to_string(i));
    notes.push_back("(4.92 GB)");
  }
  Picker picker("Select a model |", names, notes);
  for (int step = 0; step < 50; ++step) {
    for (bool colour : {false, true}) {
      auto lines = picker.render(30, 10, colour);
      ASSERT_LE(lines.size(), 10u);
      bool in_sight = false;
      for (const std::string& line : lines) {
        EXPECT_LE(display_width(line), 30u) << line;
        in_sight = in_sight || line.find("❯") != std::string::npos;
      }
      EXPECT_TRUE(in_sight);
    }
    picker.press({Key::kDown, {}});
  }
  EXPECT_EQ(picker.current(), 49u);
}

TEST(Picker, RunsInATerminal) {
  test::Terminal terminal;
  Picker picker("Select a model |", {"llama", "qwen", "qwen-coder"});
  auto chosen = std::async(std::launch::async,
                           [&] { return pick(picker, terminal.program_side(), terminal.program_side(), false); });
  terminal.wait_for("Select a model |");
  terminal.wait_for("3;");
  terminal.type("qwen");
  terminal.wait_for("| qwen");
  terminal.type("\x1b[B\r");
  EXPECT_EQ(chosen.get(), 2u);
}

TEST(Picker, CtrlCGivesUp) {
  test::Terminal terminal;
  Picker picker("Select |", {"a", "b"});
  auto chosen = std::async(std::launch::async,
                           [&] { return pick(picker, terminal.program_side(), terminal.program_side(), true); });
  terminal.wait_for("Enter to accept");
  terminal.type("\x03");
  EXPECT_EQ(chosen.get(), std::nullopt);
}

}  // namespace
}  // namespace atelier::cli
