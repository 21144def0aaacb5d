#include "engine/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace atelier::engine {

StopMatcher::StopMatcher(std::vector<std::string> stop_strings) {
  patterns_.reserve(stop_strings.size());
  for (std::string& text : stop_strings) {
    Pattern pattern;
    pattern.fallback.assign(text.size() + 1, 0);
    for (std::size_t i = 1, k = 0; i < text.size(); ++i) {
      while (k > 0 && text[i] != text[k]) k = pattern.fallback[k];
      if (text[i] == text[k]) ++k;
      pattern.fallback[i + 1] = static_cast<std::uint32_t>(k);
    }
    pattern.text = std::move(text);
    patterns_.push_back(std::move(pattern));
  }
}

void StopMatcher::advance(Pattern& pattern, char byte) {
  if (pattern.text.empty()) return;
  while (pattern.matched > 0 && pattern.text[pattern.matched] != byte) {
    pattern.matched = pattern.fallback[pattern.matched];
  }
  if (pattern.text[pattern.matched] == byte) ++pattern.matched;
}

std::optional<StopMatcher::Match> StopMatcher::feed(std::string_view text) {
  if (patterns_.empty()) {
    fed_ += text.size();
    return std::nullopt;
  }
  for (const char byte : text) {
    ++fed_;
    std::optional<Match> match;
    undecided_ = 0;
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      Pattern& pattern = patterns_[i];
      advance(pattern, byte);
      undecided_ = std::max<std::size_t>(undecided_, pattern.matched);
      const bool complete = !pattern.text.empty() && pattern.matched == pattern.text.size();
      if (complete && (!match || pattern.text.size() > match->end - match->begin)) {
        match = Match{i, fed_ - pattern.text.size(), fed_};
      }
    }
    if (match) return match;
  }
  return std::nullopt;
}

}  // namespace atelier::engine
