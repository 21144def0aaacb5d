#include "engine/ngram_lookup.h"

#include <algorithm>

#include "engine/invariant.h"

namespace atelier::engine {

namespace {

// Different grams may have the same value; agreement is checked on the tokens themselves.
std::uint64_t hash_of(std::span<const std::int32_t> gram) {
  std::uint64_t hash = 0;
  for (const std::int32_t token : gram) {
    hash = (hash ^ static_cast<std::uint32_t>(token)) * 0x9E3779B97F4A7C15U;
    hash ^= hash >> 29;
  }
  return hash;
}

// How many tokens before `place` and before the end are the same.
std::size_t agreement_before(std::span<const std::int32_t> tokens, std::size_t place) {
  const std::size_t most = std::min(place, NgramLookup::kLongestAgreement);
  std::size_t n = 0;
  while (n < most && tokens[place - 1 - n] == tokens[tokens.size() - 1 - n]) ++n;
  return n;
}

}  // namespace

void NgramLookup::follow(std::span<const std::int32_t> tokens) {
  ENGINE_INVARIANT(tokens.size() + 1 >= earlier_place_.size());
  // The place at the end has nothing behind it yet; it becomes one when a token follows.
  while (earlier_place_.size() < tokens.size()) {
    const auto place = static_cast<Place>(earlier_place_.size());
    earlier_place_.push_back(0);
    if (place < kGram) continue;
    Place& last = last_place_[hash_of(tokens.subspan(place - kGram, kGram))];
    earlier_place_[place] = last;
    last = place;
  }
}

NgramLookup::Guess NgramLookup::guess(std::span<const std::int32_t> tokens, std::size_t most) const {
  Guess guess;
  if (tokens.size() <= kGram || most == 0) return guess;
  const auto found = last_place_.find(hash_of(tokens.last(kGram)));
  if (found == last_place_.end()) return guess;
  std::size_t best = 0;
  Place place = found->second;
  for (std::size_t tried = 0; place != 0 && tried < kCandidates; ++tried, place = earlier_place_[place]) {
    const std::size_t agreement = agreement_before(tokens, place);
    if (agreement > guess.agreement) {
      guess.agreement = agreement;
      best = place;
    }
  }
  if (guess.agreement < kGram) return {};
  for (std::size_t i = 0; i < most; ++i) {
    const std::size_t from = best + i;
    guess.tokens.push_back(from < tokens.size() ? tokens[from] : guess.tokens[from - tokens.size()]);
  }
  return guess;
}

}  // namespace atelier::engine
