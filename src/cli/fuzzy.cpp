#include "cli/fuzzy.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <string>

namespace atelier::cli {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

FuzzyMatch in_one_piece(MatchRank rank, std::size_t begin, std::size_t length) {
  FuzzyMatch match{rank, std::vector<std::size_t>(length)};
  std::iota(match.positions.begin(), match.positions.end(), begin);
  return match;
}

}  // namespace

std::optional<FuzzyMatch> fuzzy_match(std::string_view query, std::string_view name) {
  std::string wanted = lower(query);
  std::string text = lower(name);
  if (wanted == text) return in_one_piece(MatchRank::kExact, 0, text.size());
  std::size_t slash = text.rfind('/');
  if (slash != std::string::npos && text.compare(slash + 1, std::string::npos, wanted) == 0) {
    return in_one_piece(MatchRank::kLastPart, slash + 1, wanted.size());
  }
  if (std::size_t at = text.find(wanted); at != std::string::npos) {
    return in_one_piece(MatchRank::kSubstring, at, wanted.size());
  }
  FuzzyMatch match;
  std::size_t at = 0;
  for (char c : wanted) {
    at = text.find(c, at);
    if (at == std::string::npos) return std::nullopt;
    match.positions.push_back(at++);
  }
  return match;
}

std::vector<std::size_t> best_matches(std::string_view query, const std::vector<std::string_view>& names) {
  std::vector<std::size_t> best;
  MatchRank best_rank = MatchRank::kScattered;
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto match = fuzzy_match(query, names[i]);
    if (!match) continue;
    if (match->rank < best_rank) {
      best.clear();
      best_rank = match->rank;
    }
    if (match->rank == best_rank) best.push_back(i);
  }
  return best;
}

}  // namespace atelier::cli
