#include "predict/context_overflow.h"

#include <algorithm>

namespace atelier::predict {
namespace {

bool is_system(const prompt::Message& message) { return message.role == "system" || message.role == "developer"; }
bool is_tool_result(const prompt::Message& message) { return message.role == "tool" || message.role == "function"; }

}  // namespace

bool drop_messages(std::vector<prompt::Message>& messages, ContextOverflow policy) {
  if (policy == ContextOverflow::kStopAtLimit) return false;
  auto first = std::ranges::find_if_not(messages, is_system);
  if (policy == ContextOverflow::kTruncateMiddle && first != messages.end() && first->role == "user") ++first;

  // What must stay at the end: the last message; where tool results end the conversation, their call as well;
  // where an answer is to be continued, the question before it.
  auto last = messages.end();
  if (last != first) --last;
  if (last != messages.end() && last->role == "assistant" && last != first) --last;
  while (last != first && last != messages.end() && is_tool_result(*last)) --last;
  if (first >= last) return false;

  // A whole turn at a time, up to the next message of the same role, so that roles still alternate.
  const std::string role = first->role;
  const auto end = std::find_if(first + 1, last, [&](const prompt::Message& message) { return message.role == role; });
  messages.erase(first, end);
  return true;
}

}  // namespace atelier::predict
