#include "predict/context_overflow.h"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace atelier::predict {
namespace {

constexpr std::uint64_t kMostRoomByDefault = 4096;
// What a template writes around a message, about, in bytes.
constexpr std::uint64_t kBytesAroundMessage = 16;
// Counts by estimate before halving takes over.
constexpr int kEstimatedCounts = 4;

bool is_system(const prompt::Message& message) { return message.role == "system" || message.role == "developer"; }
bool is_tool_result(const prompt::Message& message) { return message.role == "tool" || message.role == "function"; }

// Places where a conversation may be cut: before a user's or an assistant's message, unless results of an earlier call
// are still to come.
std::vector<std::size_t> cuts(const std::vector<prompt::Message>& messages, std::size_t from) {
  std::vector<std::size_t> places;
  bool results_follow = false;  // before any other assistant's message
  for (std::size_t i = messages.size(); i-- > from;) {
    const prompt::Message& message = messages[i];
    if (is_tool_result(message)) results_follow = true;
    if (message.role == "assistant") results_follow = false;
    if (message.role == "assistant" || (message.role == "user" && !results_follow)) places.push_back(i);
  }
  std::ranges::reverse(places);
  return places;
}

// A conversation's structure: its cuts, and which of them begin a turn.
class Structure {
 public:
  explicit Structure(const std::vector<prompt::Message>& messages) : messages_(messages) {
    head_ = static_cast<std::size_t>(std::ranges::find_if_not(messages, is_system) - messages.begin());
    cuts_ = cuts(messages, head_);
    for (const std::size_t cut : cuts_) {
      if (messages[cut].role == "user") turns_.push_back(cut);
    }
  }

  std::size_t head() const { return head_; }
  const std::vector<std::size_t>& turns() const { return turns_; }  // where they begin

  // The rounds between two places: what an assistant said or called, each with what it was told.
  std::vector<Stretch> rounds(std::size_t begin, std::size_t end) const {
    std::vector<Stretch> found;
    for (const std::size_t cut : cuts_) {
      if (cut < begin || cut >= end || messages_[cut].role != "assistant") continue;
      if (!found.empty()) found.back().end = cut;
      found.push_back({cut, end});
    }
    return found;
  }

 private:
  const std::vector<prompt::Message>& messages_;
  std::size_t head_ = 0;
  std::vector<std::size_t> cuts_, turns_;
};

}  // namespace

std::optional<ContextOverflow> context_overflow_policy(std::string_view name) {
  if (name == "stopAtLimit") return ContextOverflow::kStopAtLimit;
  if (name == "truncateMiddle") return ContextOverflow::kTruncateMiddle;
  if (name == "rollingWindow") return ContextOverflow::kRollingWindow;
  return std::nullopt;
}

std::uint64_t room_for_answer(std::uint64_t max_tokens, std::uint64_t context_length) {
  if (max_tokens > 0) return std::min(max_tokens, context_length / 2);
  return std::min(context_length / 4, kMostRoomByDefault);
}

std::vector<Stretch> droppable(const std::vector<prompt::Message>& messages, ContextOverflow policy) {
  std::vector<Stretch> found;
  if (policy == ContextOverflow::kStopAtLimit) return found;
  const Structure structure(messages);
  const std::vector<std::size_t>& turns = structure.turns();
  const auto add = [&](std::size_t begin, std::size_t end) {
    if (begin < end) found.push_back({begin, end});
  };
  const bool middle = policy == ContextOverflow::kTruncateMiddle;
  const std::size_t last_turn = turns.empty() ? structure.head() : turns.back();
  const std::size_t first_turn = turns.empty() ? structure.head() : turns.front();

  if (!middle) add(structure.head(), first_turn);  // an assistant's greeting
  for (std::size_t i = middle ? 1 : 0; i + 1 < turns.size(); ++i) add(turns[i], turns[i + 1]);
  if (middle) {
    add(structure.head(), first_turn);
    if (turns.size() > 1) {
      for (const Stretch& round : structure.rounds(first_turn, turns[1])) found.push_back(round);
    }
  }
  std::vector<Stretch> rounds = structure.rounds(last_turn, messages.size());
  if (!rounds.empty()) rounds.pop_back();
  std::ranges::copy(rounds, std::back_inserter(found));
  return found;
}

std::vector<prompt::Message> without(const std::vector<prompt::Message>& messages,
                                     const std::vector<Stretch>& stretches, std::size_t count) {
  std::vector<bool> gone(messages.size(), false);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t k = stretches[i].begin; k < stretches[i].end; ++k) gone[k] = true;
  }
  std::vector<prompt::Message> left;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!gone[i]) left.push_back(messages[i]);
  }
  return left;
}

std::uint64_t weight(const std::vector<prompt::Message>& messages, const Stretch& stretch) {
  std::uint64_t bytes = 0;
  for (std::size_t i = stretch.begin; i < stretch.end; ++i) {
    const prompt::Message& message = messages[i];
    bytes += kBytesAroundMessage;
    for (const prompt::ContentPart& part : message.content) bytes += part.text.size();
    for (const json::Value& call : message.tool_calls) bytes += json::dump(call).size();
  }
  return bytes;
}

// ---------------------------------------------------------------- what stays during an answer

std::vector<prompt::RenderRequest> head_conversations(const prompt::RenderRequest& conversation,
                                                      ContextOverflow policy) {
  if (policy == ContextOverflow::kStopAtLimit) return {};
  const std::vector<prompt::Message>& messages = conversation.messages;
  auto end = std::ranges::find_if_not(messages, is_system);
  if (policy == ContextOverflow::kTruncateMiddle) {
    const auto first_user = std::ranges::find(messages, "user", &prompt::Message::role);
    if (first_user != messages.end()) end = first_user + 1;
  }
  prompt::RenderRequest head;
  head.messages.assign(messages.begin(), end);
  head.tools = conversation.tools;
  head.add_generation_prompt = false;
  head.template_variables = conversation.template_variables;
  head.now = conversation.now;
  std::vector<prompt::RenderRequest> found = {head};
  // Templates that want a user: one who begins otherwise than what stands there.
  if (end == messages.end() || end->role != "user") return found;
  const bool begins_with_a = !end->content.empty() && end->content.front().text.starts_with('a');
  head.messages.push_back({.role = "user", .content = {{.text = begins_with_a ? "b" : "a"}}});
  found.push_back(std::move(head));
  return found;
}

std::size_t common_bytes(const prompt::RenderedPrompt& a, const prompt::RenderedPrompt& b) {
  const std::string text_a = a.text();
  const std::string text_b = b.text();
  return static_cast<std::size_t>(std::ranges::mismatch(text_a, text_b).in1 - text_a.begin());
}

std::size_t cut_at(std::vector<runtime::PromptSegment>& segments, std::size_t bytes) {
  std::size_t count = 0;
  while (count < segments.size() && segments[count].text.size() <= bytes) bytes -= segments[count++].text.size();
  if (count == segments.size() || bytes == 0) return count;
  runtime::PromptSegment first = segments[count];
  first.text.resize(bytes);
  segments[count].text.erase(0, bytes);
  segments.insert(segments.begin() + static_cast<std::ptrdiff_t>(count), std::move(first));
  return count + 1;
}

// ---------------------------------------------------------------- the search

FitSearch::FitSearch(const std::vector<std::uint64_t>& weights, std::uint64_t rest, std::uint64_t budget)
    : gone_(1, 0), rest_(rest), budget_(budget), enough_(weights.size()) {
  std::partial_sum(weights.begin(), weights.end(), std::back_inserter(gone_));
}

std::optional<std::size_t> FitSearch::next() const { return probe_; }

void FitSearch::counted(std::uint64_t tokens) {
  const std::size_t probe = *probe_;
  ++counts_;
  if (tokens <= budget_ || probe + 1 == gone_.size()) {
    enough_ = probe;
    tokens_enough_ = tokens;
    enough_counted_ = true;
  } else {
    too_few_ = probe;
    tokens_too_few_ = tokens;
  }
  choose_probe();
}

// The fewest that should be enough, by what a unit of weight has been worth so far; within (too_few_, enough_].
std::size_t FitSearch::estimate() const {
  double tokens = static_cast<double>(tokens_too_few_);
  double units = static_cast<double>(gone_.back() - gone_[too_few_] + rest_);
  if (enough_counted_) {
    tokens = static_cast<double>(tokens_too_few_) - static_cast<double>(tokens_enough_);
    units = static_cast<double>(gone_[enough_] - gone_[too_few_]);
  }
  const double worth = units > 0 ? tokens / units : 0;
  std::size_t dropped = too_few_ + 1;
  while (dropped<enough_&& static_cast<double>(tokens_too_few_) -
                 worth* static_cast<double>(gone_[dropped] - gone_[too_few_])> static_cast<double>(budget_)) {
    ++dropped;
  }
  return dropped;
}

void FitSearch::choose_probe() {
  probe_.reset();
  if (enough_counted_ && enough_ <= too_few_ + 1) return;  // nothing lies between
  const std::size_t estimated = estimate();
  if (enough_counted_ && estimated == enough_) return;  // one less would be too few, by the estimate
  // Halves are rounded towards what is not known yet.
  const std::size_t half = (too_few_ + enough_ + (enough_counted_ ? 0 : 1)) / 2;
  probe_ = counts_ <= kEstimatedCounts ? estimated : half;
}

}  // namespace atelier::predict
