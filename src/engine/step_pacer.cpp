#include "engine/step_pacer.h"

#include <algorithm>

namespace atelier::engine {

namespace {

// What products of matrices are computed in. (Of whole tiles, measured at depth 1,500 with one row of a running sequence
// beside: 64 tokens of a prompt take 1.2 s, 63 take 0.75.)
constexpr std::size_t kSmallTile = 16;
// Behind a deep prompt a short slice costs nearly as much as one of 64 (measured at depth 3,000: 16 tokens in a step
// give 51 tokens a second, 64 give 112), so shorter ones would hold everyone up longer in all.
constexpr std::size_t kDeep = 1000;
constexpr std::size_t kLeast = 16;
// A part of the target is kept for what differs from step to step.
constexpr double kAim = 0.8;

}  // namespace

StepPacer::StepPacer(const Limits& limits)
    : limits_(limits), tokens_(static_cast<double>(std::min(limits.first, limits.most))) {}

std::size_t StepPacer::prompt_tokens(std::size_t running, std::size_t depth) {
  return running == 0 ? given_ = std::min(limits_.alone, limits_.most) : paced(running, depth);
}

std::size_t StepPacer::paced(std::size_t running, std::size_t depth) {
  if (limits_.target.count() <= 0) return given_ = limits_.most;
  const std::size_t rows = running + static_cast<std::size_t>(tokens_);
  const std::size_t tile = rows >= kTile || depth >= kDeep ? kTile : kSmallTile;
  std::size_t whole = rows / tile * tile;
  // The prompt gets on in any case.
  while (whole < running + (tile == kTile ? kTile / 2 : kLeast - 1)) whole += tile;
  return given_ = std::min(whole - running, limits_.most);
}

void StepPacer::note_step(std::size_t prompt_tokens, Seconds time) {
  if (prompt_tokens == 0 || limits_.target.count() <= 0) return;
  const double wanted = kAim * limits_.target.count() / std::max(time.count(), 1e-6);
  const auto computed = static_cast<double>(prompt_tokens);
  // A step that was shorter than it might have been tells how long it took, not how long a full one would take,
  // unless it took too long already.
  if (wanted >= 1 && prompt_tokens * 2 < given_) return;
  const double next = std::min(computed, tokens_ * 2) * wanted;
  tokens_ = std::clamp(next, tokens_ / 2, tokens_ * 2);
  tokens_ = std::clamp(tokens_, static_cast<double>(kLeast), static_cast<double>(std::max(limits_.most, kLeast)));
}

}  // namespace atelier::engine
