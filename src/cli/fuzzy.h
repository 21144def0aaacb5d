// Finding names by what people type.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace atelier::cli {

// How well a query names something, best first. Letter case counts nowhere.
enum class MatchRank {
  kExact,      // the whole name
  kLastPart,   // all that follows the last '/'
  kSubstring,  // somewhere in the name, in one piece
  kScattered,  // its characters in order, with others between
};

struct FuzzyMatch {
  MatchRank rank = MatchRank::kScattered;
  std::vector<std::size_t> positions;  // bytes of the name that the query's characters stand for, rising
};

// Nothing where the query's characters do not appear in order. An empty query matches everything, as a substring.
std::optional<FuzzyMatch> fuzzy_match(std::string_view query, std::string_view name);

// Indices of the names that match with the best rank that any of them has, in their order.
std::vector<std::size_t> best_matches(std::string_view query, const std::vector<std::string_view>& names);

}  // namespace atelier::cli
