#include "engine/special_tokens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <random>
#include <string>
#include <vector>

namespace atelier::engine {
namespace {

std::string describe(const std::string& text, const std::vector<PromptCut>& cuts) {
  std::string out;
  for (const PromptCut& cut : cuts) {
    if (cut.token == PromptCut::kText)
      out += "'" + text.substr(cut.begin, cut.end - cut.begin) + "'";
    else
      out += "[" + std::to_string(cut.token) + "]";
  }
  return out;
}

// The slow twin: one token after the other, longest first, searches every stretch that is still text.
std::vector<PromptCut> cut_slowly(std::vector<SpecialToken> tokens, const std::string& text,
                                  const std::vector<bool>& trusted) {
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const auto& a, const auto& b) { return a.text.size() > b.text.size(); });
  std::vector<PromptCut> list;
  if (!text.empty()) list.push_back({PromptCut::kText, 0, text.size()});
  const auto space = [&](std::size_t i) { return std::isspace(static_cast<unsigned char>(text[i])) != 0; };
  for (const SpecialToken& token : tokens) {
    if (token.text.empty()) continue;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].token != PromptCut::kText) continue;
      const auto [ignored, begin, end] = list[i];
      for (std::size_t at = begin; at + token.text.size() <= end; ++at) {
        bool good = text.compare(at, token.text.size(), token.text) == 0;
        for (std::size_t j = 0; j < token.text.size() && good; ++j) good = trusted[at + j];
        if (!good) continue;
        std::size_t left = at;
        std::size_t right = at + token.text.size();
        while (token.strips_left && left > begin && space(left - 1)) --left;
        while (token.strips_right && right < end && space(right)) ++right;
        std::vector<PromptCut> replacement;
        if (left > begin) replacement.push_back({PromptCut::kText, begin, left});
        replacement.push_back({token.token, at, at + token.text.size()});
        if (right < end) replacement.push_back({PromptCut::kText, right, end});
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
        list.insert(list.begin() + static_cast<std::ptrdiff_t>(i), replacement.begin(), replacement.end());
        break;
      }
    }
  }
  return list;
}

TEST(SpecialTokens, AgreesWithTheSlowTwin) {
  std::mt19937 random(3);
  const std::string alphabet = "ab< ";
  const auto text_of = [&](std::size_t length) {
    std::string text(length, ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    return text;
  };
  for (int round = 0; round < 5000; ++round) {
    std::vector<SpecialToken> tokens;
    for (int i = 0; i < 4; ++i) {
      SpecialToken token{i, text_of(random() % 4), random() % 4 == 0, random() % 4 == 0};
      const auto same = [&](const SpecialToken& other) { return other.text == token.text; };
      if (std::none_of(tokens.begin(), tokens.end(), same)) tokens.push_back(token);
    }
    const std::string text = text_of(random() % 24);
    std::vector<bool> trusted(text.size());
    std::vector<TextRange> ranges;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min<std::size_t>(text.size(), at + 1 + random() % 8);
      const bool good = random() % 3 != 0;
      std::fill(trusted.begin() + static_cast<std::ptrdiff_t>(at), trusted.begin() + static_cast<std::ptrdiff_t>(end),
                good);
      if (good) ranges.push_back({at, end});
      at = end;
    }
    const auto cuts = SpecialTokenFinder(tokens).cut(text, ranges);
    ASSERT_EQ(describe(text, cuts), describe(text, cut_slowly(tokens, text, trusted))) << "text: " << text;
  }
}

TEST(SpecialTokens, ContentNeverBecomesAToken) {
  const SpecialTokenFinder finder({{7, "<end>", false, false}});
  const std::string text = "a<end>b<end>";
  EXPECT_EQ(describe(text, finder.cut(text, {{0, 6}})), "'a'[7]'b<end>'");
  // Nor does half of one that content completes.
  EXPECT_EQ(describe(text, finder.cut(text, {{0, 3}})), "'a<end>b<end>'");
}

}  // namespace
}  // namespace atelier::engine
