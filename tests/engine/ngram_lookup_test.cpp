#include "engine/ngram_lookup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace atelier::engine {
namespace {

using Tokens = std::vector<std::int32_t>;

NgramLookup::Guess guess_for(const Tokens& tokens, std::size_t most) {
  NgramLookup lookup;
  lookup.follow(tokens);
  return lookup.guess(tokens, most);
}

TEST(NgramLookup, GuessesWhatFollowedTheSameTokensBefore) {
  const auto guess = guess_for({1, 2, 3, 4, 5, 6, 7, 9, 2, 3, 4}, 3);
  EXPECT_EQ(guess.agreement, 3U);
  EXPECT_EQ(guess.tokens, (Tokens{5, 6, 7}));
}

TEST(NgramLookup, NothingWhereFewerThanThreeTokensAgree) {
  EXPECT_EQ(guess_for({1, 2, 3, 4, 9, 2, 3}, 3).agreement, 0U);
  EXPECT_EQ(guess_for({}, 3).agreement, 0U);
  EXPECT_EQ(guess_for({1, 2, 3}, 3).agreement, 0U);
  EXPECT_TRUE(guess_for({1, 2, 3, 4}, 3).tokens.empty());
}

TEST(NgramLookup, TakesThePlaceThatAgreesFurthestBackAndOfEqualOnesTheNewest) {
  EXPECT_EQ(guess_for({7, 1, 2, 3, 4, 0, 8, 1, 2, 3, 5, 0, 7, 1, 2, 3}, 1).tokens, Tokens{4});
  EXPECT_EQ(guess_for({7, 1, 2, 3, 4, 0, 8, 1, 2, 3, 5, 0, 9, 1, 2, 3}, 1).tokens, Tokens{5});
}

TEST(NgramLookup, APeriodIsContinuedThroughTheGuessItself) {
  EXPECT_EQ(guess_for({1, 2, 1, 2, 1, 2}, 5).tokens, (Tokens{1, 2, 1, 2, 1}));
  EXPECT_EQ(guess_for({4, 4, 4, 4}, 4).tokens, (Tokens{4, 4, 4, 4}));
}

// Tried at every place from the newest to the oldest.
NgramLookup::Guess by_brute_force(const Tokens& tokens, std::size_t most) {
  NgramLookup::Guess best;
  std::size_t tried = 0;
  std::size_t best_place = 0;
  for (std::size_t place = tokens.size() - 1; place >= NgramLookup::kGram && tried < NgramLookup::kCandidates;
       --place) {
    std::size_t n = 0;
    while (n < std::min(place, NgramLookup::kLongestAgreement) &&
           tokens[place - 1 - n] == tokens[tokens.size() - 1 - n])
      ++n;
    if (n < NgramLookup::kGram) continue;
    ++tried;
    if (n > best.agreement) {
      best.agreement = n;
      best_place = place;
    }
  }
  if (best.agreement == 0) return best;
  Tokens text = tokens;
  for (std::size_t i = 0; i < most; ++i) text.push_back(text[best_place + i]);
  best.tokens.assign(text.end() - static_cast<std::ptrdiff_t>(most), text.end());
  return best;
}

TEST(NgramLookup, FindsWhatASearchOverAllPlacesFinds) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    const int letters = 1 + static_cast<int>(random() % 6);
    NgramLookup lookup;
    Tokens tokens;
    const std::size_t length = 4 + random() % 300;
    while (tokens.size() < length) {
      for (std::size_t n = 1 + random() % 5; n > 0; --n)
        tokens.push_back(static_cast<std::int32_t>(random() % letters));
      lookup.follow(tokens);
      if (tokens.size() < 4) continue;
      const auto expected = by_brute_force(tokens, 8);
      const auto guess = lookup.guess(tokens, 8);
      ASSERT_EQ(guess.agreement, expected.agreement);
      ASSERT_EQ(guess.tokens, expected.tokens);
    }
  }
}

}  // namespace
}  // namespace atelier::engine
