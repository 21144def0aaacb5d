// Before an answer: what is dropped from a conversation that is longer than the context (rest-api §9), and how many counts by the engine
// it takes to find that out. Pure.
//
// Messages go in stretches, oldest first, each of which leaves a conversation that a template takes if it took the whole
// one: turns begin with a user's message, rounds of a turn with an assistant's, and a tool's result never loses the call
// that it answers. What always stays: the leading system messages, the last user message, and what came last after it (a
// call with its results, or the answer that is to be continued).
//
//     rollingWindow   turns before the last one, then rounds of the last one
//     truncateMiddle  turns between the first and the last one, then what answered the first, then rounds of the last one
//
// During an answer: which beginning of the prompt stays when the engine makes room in a full context (ContextShift of
// proto/engine.proto). The leading system messages, under truncateMiddle the first user message with them, and what the
// template writes around them. Where that ends in the prompt is found by rendering just that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "predict/request.h"
#include "prompt/chat.h"
#include "prompt/message.h"

namespace atelier::predict {

// The policy of that name (API, model.yaml); nothing where there is none.
std::optional<ContextOverflow> context_overflow_policy(std::string_view name);

// Tokens of the context that the prompt should leave to the answer: as many as it may have, at most half of the context;
// without a limit a quarter of the context, at most 4096.
std::uint64_t room_for_answer(std::uint64_t max_tokens, std::uint64_t context_length);

// Messages [begin, end) of a conversation, which go together.
struct Stretch {
  std::size_t begin = 0;
  std::size_t end = 0;
  friend bool operator==(const Stretch&, const Stretch&) = default;
};

// What the policy lets go, in the order in which it goes. They do not overlap.
std::vector<Stretch> droppable(const std::vector<prompt::Message>& messages, ContextOverflow policy);

// The conversation without the first `count` of those.
std::vector<prompt::Message> without(const std::vector<prompt::Message>& messages,
                                     const std::vector<Stretch>& stretches, std::size_t count);

// About how much of a prompt a stretch makes, in no particular unit.
std::uint64_t weight(const std::vector<prompt::Message>& messages, const Stretch& stretch);

// Conversations whose text a prompt begins with as far as it should stay, better ones first: not every template takes
// every one. None under stopAtLimit. `conversation` is the prompt's own.
std::vector<prompt::RenderRequest> head_conversations(const prompt::RenderRequest& conversation,
                                                      ContextOverflow policy);

// Bytes that both begin with.
std::size_t common_bytes(const prompt::RenderedPrompt& a, const prompt::RenderedPrompt& b);

// Cuts a segment in two where `bytes` of the text end; gives the number of segments before that place.
std::size_t cut_at(std::vector<runtime::PromptSegment>& segments, std::size_t bytes);

// Finds the fewest stretches that must go for a prompt to fit, in few counts: where the next count is worth making is
// estimated from the weights and the counts so far, and by halving where the estimates go wrong.
//
//     FitSearch search(weights, rest, budget);
//     while (const auto dropped = search.next()) search.counted(count_without(*dropped));
//     search.dropped(), search.tokens()
class FitSearch {
 public:
  // `weights` of the stretches in their order; `rest` is the weight of what stays; the budget is in tokens.
  FitSearch(const std::vector<std::uint64_t>& weights, std::uint64_t rest, std::uint64_t budget);

  // How many stretches to drop for the next count; nothing once the search has ended.
  std::optional<std::size_t> next() const;
  // The tokens of the prompt that next() named.
  void counted(std::uint64_t tokens);

  // Once it has ended: how many stretches go, and the tokens of the prompt without them. More than the budget where
  // nothing more may go.
  std::size_t dropped() const { return enough_; }
  std::uint64_t tokens() const { return tokens_enough_; }

 private:
  std::size_t estimate() const;
  void choose_probe();

  std::vector<std::uint64_t> gone_;  // weight of the first k stretches, k from 0
  std::uint64_t rest_;
  std::uint64_t budget_;
  std::optional<std::size_t> probe_ = 0;  // most conversations fit as they are
  int counts_ = 0;
  // The bracket: with too_few_ the prompt is too long; enough_ is enough, or all there is.
  std::size_t too_few_ = 0;
  std::uint64_t tokens_too_few_ = 0;
  std::size_t enough_;
  std::uint64_t tokens_enough_ = 0;
  bool enough_counted_ = false;
};

}  // namespace atelier::predict
