#include "engine/answer_text.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"

namespace atelier::engine {
namespace {

AnswerPiece piece(std::int32_t token, bool is_control = false) {
  AnswerPiece p;
  p.token = token;
  p.is_control = is_control;
  return p;
}

std::string text_of(const std::vector<AnswerPiece>& pieces) {
  std::string text;
  for (const AnswerPiece& p : pieces) {
    if (!p.is_control) text += p.text;
  }
  return text;
}

// Feeds the text cut at the given places, and gives what was released.
std::string run(const std::string& text, const std::vector<std::size_t>& cuts, const std::vector<std::string>& stops,
                std::optional<std::string>* stopped = nullptr) {
  AnswerText answer(stops);
  std::string released;
  std::size_t at = 0;
  for (std::size_t i = 0; i <= cuts.size() && !answer.stop_string(); ++i) {
    const std::size_t end = i < cuts.size() ? cuts[i] : text.size();
    answer.add(piece(static_cast<std::int32_t>(i)), text.substr(at, end - at));
    at = end;
    const auto pieces = answer.take();
    released += text_of(pieces);
    EXPECT_TRUE(utf8::is_valid(released));
    for (const std::string& stop : stops) EXPECT_EQ(released.find(stop), std::string::npos);
  }
  answer.finish();
  released += text_of(answer.take());
  if (stopped != nullptr) *stopped = answer.stop_string();
  return released;
}

TEST(AnswerText, GivesTheSameTextForEveryPairOfCuts) {
  const std::string text = "Grüße, 世界 🙂! STOP and more";
  for (std::size_t a = 0; a <= text.size(); ++a) {
    for (std::size_t b = a; b <= text.size(); ++b) {
      std::optional<std::string> stopped;
      EXPECT_EQ(run(text, {a, b}, {"STOP", "STONE"}, &stopped), "Grüße, 世界 🙂! ");
      EXPECT_EQ(stopped, "STOP");
      EXPECT_EQ(run(text, {a, b}, {"never"}), text);
    }
  }
}

TEST(AnswerText, TextThatMayBeginAStopStringIsHeldBack) {
  AnswerText answer({"\n\nUser:"});
  answer.add(piece(1), "Yes.");
  EXPECT_EQ(text_of(answer.take()), "Yes.");
  answer.add(piece(2), "\n\n");
  EXPECT_TRUE(answer.take().empty());
  answer.add(piece(3), "No");
  EXPECT_EQ(text_of(answer.take()), "\n\nNo");
}

TEST(AnswerText, AStopStringIsFoundAcrossAControlTokenAndNothingBehindItsBeginningLeaves) {
  AnswerText answer({"bc"});
  answer.add(piece(1), "ab");
  answer.add(piece(2, true), "<|x|>");
  EXPECT_TRUE(answer.take().empty());
  answer.add(piece(3), "cd");
  ASSERT_EQ(answer.stop_string(), "bc");
  const auto pieces = answer.take();
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].text, "a");
}

TEST(AnswerText, ControlTokensAreMarkedAndNotSearched) {
  AnswerText answer({"|x|"});
  answer.add(piece(1, true), "<|x|>");
  const auto pieces = answer.take();
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_TRUE(pieces[0].is_control);
  EXPECT_EQ(pieces[0].text, "<|x|>");
  EXPECT_FALSE(answer.stop_string());
}

TEST(AnswerText, ACharacterLiesInThePieceOfItsLastToken) {
  AnswerText answer({});
  answer.add(piece(1), "\xE4\xB8");
  answer.add(piece(2), "\x96!");
  const auto pieces = answer.take();
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].text, "");
  EXPECT_EQ(pieces[1].text, "世!");
}

TEST(AnswerText, WhatCannotBecomeACharacterIsReplaced) {
  AnswerText answer({});
  answer.add(piece(1), "a\xE4\xB8");
  answer.add(piece(2, true), "<|end|>");
  answer.add(piece(3),
             "\xFF"
             "b\xC3");
  answer.finish();
  EXPECT_EQ(text_of(answer.take()),
            "a\xEF\xBF\xBD\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
}

TEST(AnswerText, RandomBytesNeverLeaveAsInvalidText) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    AnswerText answer({"ab"});
    std::string released;
    for (int i = 0; i < 20 && !answer.stop_string(); ++i) {
      std::string bytes(random() % 4, ' ');
      for (char& c : bytes) c = static_cast<char>(random() % 3 == 0 ? random() : 'a' + random() % 3);
      answer.add(piece(i, random() % 8 == 0), bytes);
      for (const AnswerPiece& p : answer.take()) {
        ASSERT_TRUE(utf8::is_valid(p.text));
        if (!p.is_control) released += p.text;
      }
    }
    answer.finish();
    released += text_of(answer.take());
    EXPECT_EQ(released.find("ab"), std::string::npos);
  }
}

}  // namespace
}  // namespace atelier::engine
