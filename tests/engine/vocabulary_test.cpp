#include "engine/vocabulary.h"

#include <gtest/gtest.h>
#include <llama.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

std::vector<std::string> vocabularies() {
  std::vector<std::string> paths = {kTinyLlama, kTinyQwen2, kTinySentencePiece, kTinyBert};
  if (const char* folder = std::getenv("ATELIER_VOCABULARIES")) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".gguf") paths.push_back(entry.path().string());
    }
  }
  return paths;
}

constexpr unsigned kSpecial = LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN | LLAMA_TOKEN_ATTR_USER_DEFINED;

std::vector<std::string> special_texts(const llama_vocab* vocab, unsigned kinds = kSpecial) {
  std::vector<std::string> texts;
  for (std::int32_t id = 0; id < llama_vocab_n_tokens(vocab); ++id) {
    const std::string text = llama_vocab_get_text(vocab, id);
    if ((static_cast<unsigned>(llama_vocab_get_attr(vocab, id)) & kinds) != 0 && !text.empty()) texts.push_back(text);
  }
  return texts;
}

std::string random_content(std::mt19937& random) {
  static const std::vector<std::string> kWords = {"Hello",
                                                  "world",
                                                  " the",
                                                  " answer",
                                                  "  ",
                                                  "\n",
                                                  "\n\n",
                                                  "\t",
                                                  "é",
                                                  "naïve",
                                                  "世界",
                                                  "🙂",
                                                  "👩‍👩‍👧",
                                                  "1234567",
                                                  "3.14",
                                                  "don't",
                                                  "foo_bar(x)",
                                                  "{\"a\": [1, 2]}",
                                                  "«quote»",
                                                  "АБВ",
                                                  "\u00A0",
                                                  ".",
                                                  "...",
                                                  "!?",
                                                  " a",
                                                  "b ",
                                                  "x<y>z",
                                                  "http://a.b/c?d=e",
                                                  "```cpp\nint main() {}\n```",
                                                  "\r\n",
                                                  "ﬁ",
                                                  "Ａ",
                                                  "\u200B",
                                                  "%s",
                                                  "ẞ"};
  std::string text;
  for (auto n = random() % 8; n > 0; --n) text += kWords[random() % kWords.size()];
  return text;
}

// Whether any special text lies across content.
bool touches_content(const std::string& whole, const std::vector<bool>& trusted,
                     const std::vector<std::string>& specials) {
  for (const std::string& special : specials) {
    for (std::size_t at = whole.find(special); at != std::string::npos; at = whole.find(special, at + 1)) {
      for (std::size_t i = 0; i < special.size(); ++i) {
        if (!trusted[at + i]) return true;
      }
    }
  }
  return false;
}

TEST(Vocabulary, PromptsWithoutInjectionGiveTheLibrarysIdsWhereverTheyAreCut) {
  for (const std::string& path : vocabularies()) {
    DirectModel direct(path, true);
    const Vocabulary vocabulary(direct.vocab());
    const auto specials = special_texts(direct.vocab());
    ASSERT_FALSE(specials.empty()) << path;
    std::mt19937 random(11);
    int compared = 0;
    for (int round = 0; round < 1500; ++round) {
      std::vector<std::string> texts;
      std::vector<PromptPart> parts;
      for (auto n = 1 + random() % 6; n > 0; --n) {
        const bool is_template = random() % 2 == 0;
        std::string text = random_content(random);
        if (is_template && random() % 2 == 0) text += specials[random() % specials.size()] + random_content(random);
        texts.push_back(text);
        parts.push_back({"", is_template, {}});
      }
      std::string whole;
      std::vector<bool> trusted;
      for (std::size_t i = 0; i < texts.size(); ++i) {
        parts[i].text = texts[i];
        whole += texts[i];
        trusted.insert(trusted.end(), texts[i].size(), parts[i].is_template);
      }
      // A prompt that begins with what would be put before it is another test's.
      const auto expected = direct.tokenize(whole, true, true);
      const auto bare = direct.tokenize(whole, false, true);
      const bool begins_with_prefix =
          !vocabulary.prefix().empty() && !bare.empty() && bare.front() == vocabulary.prefix().front();
      const bool ends_with_suffix =
          !vocabulary.suffix().empty() && !bare.empty() && bare.back() == vocabulary.suffix().back();
      if (begins_with_prefix || ends_with_suffix || touches_content(whole, trusted, specials)) continue;
      const auto ids = vocabulary.tokenize(parts, {.add_prefix = true, .add_suffix = true});
      ASSERT_TRUE(ids);
      ASSERT_EQ(*ids, expected) << path << "\n" << whole;
      ++compared;
    }
    EXPECT_GT(compared, 800) << path;
  }
}

TEST(Vocabulary, SpecialTokensInContentStayText) {
  for (const std::string& path : vocabularies()) {
    DirectModel direct(path, true);
    const Vocabulary vocabulary(direct.vocab());
    const auto control = special_texts(direct.vocab(), LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN);
    for (std::size_t i = 0; i < std::min<std::size_t>(control.size(), 200); ++i) {
      const std::string text = "a" + control[i] + "b";
      const std::vector<PromptPart> content = {{text, false, {}}};
      const auto ids = vocabulary.tokenize(content, {});
      ASSERT_TRUE(ids);
      EXPECT_EQ(*ids, direct.tokenize(text, false, false)) << path << " " << text;
      // Split over template and content it is no token either.
      const std::size_t half = 1 + control[i].size() / 2;  // also of a token of one byte, which is then content
      const std::vector<PromptPart> split = {{std::string_view(text).substr(0, half), true, {}},
                                             {std::string_view(text).substr(half), false, {}}};
      EXPECT_EQ(*vocabulary.tokenize(split, {}), *ids) << path << " " << text;
    }
  }
}

TEST(Vocabulary, TheBeginningIsNeverDoubled) {
  DirectModel direct(kTinyLlama, true);
  const Vocabulary vocabulary(direct.vocab());
  ASSERT_EQ(vocabulary.prefix().size(), 1U);
  const std::int32_t bos = vocabulary.prefix().front();
  const std::string text = vocabulary.bytes(bos) + "Hello";
  const auto ids = vocabulary.tokenize(std::vector<PromptPart>{{text, true, {}}}, {.add_prefix = true});
  ASSERT_TRUE(ids);
  EXPECT_EQ(std::count(ids->begin(), ids->end(), bos), 1);
  const auto without = vocabulary.tokenize(std::vector<PromptPart>{{"Hello", true, {}}}, {});
  EXPECT_EQ(std::count(without->begin(), without->end(), bos), 0);
  const std::vector<std::int32_t> given = {bos, 5};
  const auto from_ids = vocabulary.tokenize(std::vector<PromptPart>{{"", true, given}}, {.add_prefix = true});
  EXPECT_EQ(*from_ids, given);
}

TEST(Vocabulary, NothingIsPutBehindAPromptThatIsToBeContinued) {
  DirectModel direct(kTinyBert, true);
  const Vocabulary vocabulary(direct.vocab());
  ASSERT_FALSE(vocabulary.suffix().empty());
  const auto ids = vocabulary.tokenize(std::vector<PromptPart>{{"hello", true, {}}}, {.add_prefix = true});
  EXPECT_NE(ids->back(), vocabulary.suffix().back());
}

TEST(Vocabulary, TurnsEndAtTheMarksOfTheVocabulary) {
  for (const std::string& path : vocabularies()) {
    const DirectModel direct(path, true);
    const Vocabulary vocabulary(direct.vocab());
    for (const std::int32_t end : vocabulary.end_tokens()) EXPECT_TRUE(vocabulary.ends_turn(end)) << path;
    for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
      // Ordinary words never do, whatever they say.
      const bool is_special = (static_cast<unsigned>(llama_vocab_get_attr(direct.vocab(), id)) & kSpecial) != 0;
      EXPECT_TRUE(is_special || vocabulary.is_end(id) || !vocabulary.ends_turn(id)) << path << " " << id;
      EXPECT_EQ(vocabulary.ends_line(id), vocabulary.bytes(id).ends_with('\n')) << path << " " << id;
    }
    EXPECT_FALSE(vocabulary.ends_turn(-1));
    EXPECT_FALSE(vocabulary.ends_line(vocabulary.size()));
  }
  const DirectModel direct(kTinyLlama, true);
  const Vocabulary vocabulary(direct.vocab());
  const auto turn = vocabulary.tokenize(std::vector<PromptPart>{{"<|im_start|>user\nHi<|im_end|>\n", true, {}}}, {});
  ASSERT_TRUE(turn);
  EXPECT_EQ(std::ranges::count_if(*turn, [&](std::int32_t token) { return vocabulary.ends_turn(token); }), 1);
  EXPECT_TRUE(vocabulary.ends_line(turn->back()));
}

TEST(Vocabulary, IdsOutsideAreRefused) {
  DirectModel direct(kTinyLlama, true);
  const Vocabulary vocabulary(direct.vocab());
  for (const std::int32_t bad : {-1, vocabulary.size(), INT32_MAX, INT32_MIN}) {
    const std::vector<std::int32_t> ids = {1, bad};
    const auto result = vocabulary.tokenize(std::vector<PromptPart>{{"", true, ids}}, {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidRequest);
    EXPECT_FALSE(vocabulary.detokenize(ids, true));
  }
}

TEST(Vocabulary, RandomBytesAreTokenisedAndComeBackWhereTheVocabularyHasAllBytes) {
  DirectModel direct(kTinyLlama, true);
  const Vocabulary vocabulary(direct.vocab());
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::string bytes(random() % 64, ' ');
    for (char& c : bytes) c = static_cast<char>(random());
    const auto ids = vocabulary.tokenize(std::vector<PromptPart>{{bytes, false, {}}}, {});
    ASSERT_TRUE(ids);
    ASSERT_TRUE(vocabulary.detokenize(*ids, false));
  }
  const std::string text = "Grüße, 世界 🙂\n\tfoo";
  const auto ids = vocabulary.tokenize(std::vector<PromptPart>{{text, false, {}}}, {});
  EXPECT_EQ(vocabulary.detokenize(*ids, false).value(), text);
}

}  // namespace
}  // namespace atelier::engine::test
