// Finds stop strings in text that arrives in pieces.
//
// Each stop string is a Knuth-Morris-Pratt automaton (1977) that is fed byte by byte, so the answer does not
// depend on how the text was cut into tokens: the first string to be complete wins, the longest among those
// that end at the same byte. The longest beginning of any stop string that the text ends with is undecided:
// that many bytes must not leave yet.
//
// Pure; one instance belongs to one answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace atelier::engine {

class StopMatcher {
 public:
  struct Match {
    std::size_t pattern;  // index of the stop string
    std::size_t begin;    // in the whole text
    std::size_t end;
  };

  // Empty strings never match.
  explicit StopMatcher(std::vector<std::string> stop_strings);

  // Reads on until the text ends or a stop string is complete; nothing may be fed after a match.
  std::optional<Match> feed(std::string_view text);

  // Bytes at the end of the text so far that may yet turn out to begin a stop string.
  std::size_t undecided() const { return undecided_; }
  std::size_t fed() const { return fed_; }
  const std::string& pattern(std::size_t index) const { return patterns_[index].text; }

 private:
  struct Pattern {
    std::string text;
    std::vector<std::uint32_t> fallback;  // KMP failure function
    std::uint32_t matched = 0;
  };
  static void advance(Pattern& pattern, char byte);

  std::vector<Pattern> patterns_;
  std::size_t undecided_ = 0;
  std::size_t fed_ = 0;
};

}  // namespace atelier::engine
