#include "engine/special_tokens.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

namespace atelier::engine {

namespace {

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

}  // namespace

SpecialTokenFinder::SpecialTokenFinder(std::vector<SpecialToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const SpecialToken& token) { return token.text.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const SpecialToken& a, const SpecialToken& b) { return a.text.size() > b.text.size(); });
  ends_here_.push_back(-1);
  for (std::size_t rank = 0; rank < tokens_.size(); ++rank) {
    std::uint32_t node = 0;
    for (const char c : tokens_[rank].text) {
      const auto byte = static_cast<unsigned char>(c);
      std::uint32_t next = child(node, byte);
      if (next == kNoNode) {
        next = static_cast<std::uint32_t>(ends_here_.size());
        ends_here_.push_back(-1);
        if (node == 0)
          first_byte_[byte] = next;
        else
          children_.emplace(std::uint64_t{node} << 8 | byte, next);
      }
      node = next;
    }
    // Two tokens with one text: the first wins, as in the library.
    if (ends_here_[node] < 0) ends_here_[node] = static_cast<std::int32_t>(rank);
  }
}

std::uint32_t SpecialTokenFinder::child(std::uint32_t node, unsigned char byte) const {
  if (node == 0) return first_byte_[byte];
  const auto found = children_.find(std::uint64_t{node} << 8 | byte);
  return found == children_.end() ? kNoNode : found->second;
}

std::vector<SpecialTokenFinder::Match> SpecialTokenFinder::find(std::string_view text,
                                                                const std::vector<TextRange>& trusted) const {
  std::vector<Match> matches;
  for (std::size_t i = 0; i < trusted.size();) {
    const std::size_t begin = trusted[i].begin;
    std::size_t end = trusted[i].end;
    for (++i; i < trusted.size() && trusted[i].begin == end; ++i) end = trusted[i].end;
    for (std::size_t start = begin; start < end; ++start) {
      std::uint32_t node = 0;
      for (std::size_t at = start; at < end; ++at) {
        node = child(node, static_cast<unsigned char>(text[at]));
        if (node == kNoNode) break;
        if (ends_here_[node] >= 0) matches.push_back({static_cast<std::size_t>(ends_here_[node]), start});
      }
    }
  }
  std::sort(matches.begin(), matches.end(),
            [](const Match& a, const Match& b) { return a.rank != b.rank ? a.rank < b.rank : a.begin < b.begin; });
  return matches;
}

std::vector<PromptCut> SpecialTokenFinder::cut(std::string_view text, const std::vector<TextRange>& trusted) const {
  // Free stretches by their begin; they shrink and split as tokens are taken out of them.
  std::map<std::size_t, std::size_t> free;
  if (!text.empty()) free.emplace(0, text.size());
  std::vector<PromptCut> cuts;
  for (const Match& match : find(text, trusted)) {
    const SpecialToken& token = tokens_[match.rank];
    const std::size_t match_end = match.begin + token.text.size();
    auto stretch = free.upper_bound(match.begin);
    if (stretch == free.begin()) continue;
    --stretch;
    const auto [begin, end] = *stretch;
    if (match_end > end) continue;
    std::size_t left_end = match.begin;
    std::size_t right_begin = match_end;
    if (token.strips_left) {
      while (left_end > begin && is_space(text[left_end - 1])) --left_end;
    }
    if (token.strips_right) {
      while (right_begin < end && is_space(text[right_begin])) ++right_begin;
    }
    free.erase(stretch);
    if (left_end > begin) free.emplace(begin, left_end);
    if (right_begin < end) free.emplace(right_begin, end);
    cuts.push_back({token.token, match.begin, match_end});
  }
  for (const auto& [begin, end] : free) cuts.push_back({PromptCut::kText, begin, end});
  std::sort(cuts.begin(), cuts.end(), [](const PromptCut& a, const PromptCut& b) { return a.begin < b.begin; });
  return cuts;
}

}  // namespace atelier::engine
