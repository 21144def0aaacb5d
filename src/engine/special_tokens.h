// Finds special tokens in a prompt whose parts differ in trust.
//
// The inference library cuts a text at its special tokens as follows: for every special token, longest first,
// each stretch that is still text is searched from left to right, and every occurrence becomes that token;
// white space before or behind it is dropped where the token's attributes say so. Here the same is done with
// one more condition: an occurrence counts only where all of its bytes are template text. What a user or a
// tool wrote can so never become a control token, and the text around it is still tokenised as one stretch.
//
// All occurrences are found in one pass with a trie (Fredkin 1960) over the special texts and then taken in
// the library's order (longest first, then left to right), each one only if it still lies in free text. That
// gives the library's cuts without searching the text once for each of the thousands of special tokens that
// some vocabularies have.
//
// Pure; immutable after construction; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace atelier::engine {

struct SpecialToken {
  std::int32_t token = 0;
  std::string text;
  bool strips_left = false;   // white space before it is dropped
  bool strips_right = false;  // and behind it
};

// A stretch of plain text [begin, end), or a token.
struct PromptCut {
  static constexpr std::int32_t kText = -1;
  std::int32_t token = kText;
  std::size_t begin = 0;
  std::size_t end = 0;
};

// [begin, end) of a text.
struct TextRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

class SpecialTokenFinder {
 public:
  // Order among texts of equal length is the order given.
  explicit SpecialTokenFinder(std::vector<SpecialToken> tokens);

  // `trusted`: the template parts of the text, ascending, without overlap; neighbours that touch count as one.
  std::vector<PromptCut> cut(std::string_view text, const std::vector<TextRange>& trusted) const;

 private:
  struct Match {
    std::size_t rank;  // index in tokens_
    std::size_t begin;
  };
  std::vector<Match> find(std::string_view text, const std::vector<TextRange>& trusted) const;

  static constexpr std::uint32_t kNoNode = 0;  // the root is nobody's child
  std::uint32_t child(std::uint32_t node, unsigned char byte) const;

  std::vector<SpecialToken> tokens_;  // longest first
  std::unordered_map<std::uint64_t, std::uint32_t> children_;
  std::uint32_t first_byte_[256] = {};   // the root's children, for the common case
  std::vector<std::int32_t> ends_here_;  // per node: rank, or -1
};

}  // namespace atelier::engine
