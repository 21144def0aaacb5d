#include "cli/fuzzy.h"

#include <gtest/gtest.h>

#include "cli/line_editor.h"
#include "cli/model_choice.h"

namespace atelier::cli {
namespace {

using Indices = std::vector<std::size_t>;

TEST(Fuzzy, RanksFromTheWholeNameDownToScatteredCharacters) {
  EXPECT_EQ(fuzzy_match("Qwen/Qwen3", "qwen/qwen3")->rank, MatchRank::kExact);
  EXPECT_EQ(fuzzy_match("qwen3", "qwen/qwen3")->rank, MatchRank::kLastPart);
  EXPECT_EQ(fuzzy_match("wen3", "qwen/qwen3")->rank, MatchRank::kSubstring);
  EXPECT_EQ(fuzzy_match("qn3", "qwen/qwen3")->rank, MatchRank::kScattered);
  EXPECT_FALSE(fuzzy_match("3q", "qwen/qwen3").has_value());
}

TEST(Fuzzy, PositionsSpellTheQuery) {
  EXPECT_EQ(fuzzy_match("wen", "qwen")->positions, (Indices{1, 2, 3}));
  EXPECT_EQ(fuzzy_match("qn", "qwen")->positions, (Indices{0, 3}));
  for (const char* query : {"", "l", "la8", "LLAMA", "instruct"}) {
    const std::string name = "publisher/llama-3.1-8b-instruct";
    auto match = fuzzy_match(query, name);
    if (!match) continue;
    std::string spelled;
    for (std::size_t position : match->positions) spelled += name[position];
    EXPECT_EQ(spelled.size(), std::string_view(query).size());
    EXPECT_TRUE(std::is_sorted(match->positions.begin(), match->positions.end()));
  }
}

TEST(Fuzzy, OnlyTheBestRankIsMeant) {
  const std::vector<std::string_view> names = {"qwen/qwen3-8b", "qwen/qwen3-8b-instruct", "quite-when-3-8-big",
                                               "llama"};
  EXPECT_EQ(best_matches("qwen3-8b", names), (Indices{0}));
  EXPECT_EQ(best_matches("qwen3", names), (Indices{0, 1}));
  EXPECT_EQ(best_matches("q38b", names), (Indices{0, 1, 2}));
  EXPECT_EQ(best_matches("", names), (Indices{0, 1, 2, 3}));
  EXPECT_EQ(best_matches("mistral", names), Indices{});
}

client::Model model(std::string key, std::vector<std::string> variants = {}) {
  return {.key = key, .path = "p/" + key + ".gguf", .variants = std::move(variants)};
}

TEST(Candidates, AVariantIsNamedWithItsModel) {
  std::vector<client::Model> models = {model("a/b", {"a/b@q4_k_m", "a/b@q8_0"}), model("a/c")};
  auto found = candidates({.text = "a/b@Q8_0"}, models);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "a/b@q8_0");
  EXPECT_EQ(found[0].model.key, "a/b");
  found = candidates({.text = "b"}, models);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "a/b");
}

TEST(Candidates, AnExactPathMatchesNothingElse) {
  std::vector<client::Model> models = {model("a"), model("ab")};
  EXPECT_EQ(candidates({.text = "p/a.gguf", .exact_path = true}, models).size(), 1u);
  EXPECT_TRUE(candidates({.text = "a", .exact_path = true}, models).empty());
}

TEST(Candidates, LatelyUsedModelsComeFirst) {
  auto sorted = by_recent_use({model("a"), model("b"), model("c")}, {"c", "gone", "b"});
  ASSERT_EQ(sorted.size(), 3u);
  EXPECT_EQ(sorted[0].key, "c");
  EXPECT_EQ(sorted[1].key, "b");
  EXPECT_EQ(sorted[2].key, "a");
}

TEST(Completion, GivesWhatAllFittingWordsShare) {
  const std::vector<std::string> words = {"/help", "/exit", "/stats", "/system-prompt"};
  EXPECT_EQ(complete_word("/h", words), "/help ");
  EXPECT_EQ(complete_word("/s", words), "/s");
  EXPECT_EQ(complete_word("/st", words), "/stats ");
  EXPECT_EQ(complete_word("/x", words), "/x");
  EXPECT_EQ(complete_word("", words), "");
}

}  // namespace
}  // namespace atelier::cli
