// What is dropped from a conversation that is longer than the context (rest-api §9). Pure.
#pragma once

#include <vector>

#include "predict/request.h"
#include "prompt/chat.h"

namespace atelier::predict {

// Drops the oldest turn that the policy gives up: a message with all that follows it until the next one of its role,
// so that roles still alternate and no tool result stands without its call. Leading system messages and the last message always stay;
// under truncateMiddle the first user message stays too. False where nothing may go.
bool drop_messages(std::vector<prompt::Message>& messages, ContextOverflow policy);

}  // namespace atelier::predict
