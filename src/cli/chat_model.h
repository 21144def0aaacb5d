// The model of a conversation: found among the loaded ones, or loaded.
#pragma once

#include <cstdint>
#include <string>

#include "cli/interrupt.h"
#include "cli/shell.h"

namespace atelier::cli {

struct ChatModel {
  std::string instance_id{};
  std::string display_name{};
};

struct ChatModelQuery {
  std::string text{};               // an instance, a model key, or a part of one; empty: what is loaded
  std::int64_t ttl_seconds = 3600;  // for a model that is loaded for this
  bool yes = false;
  bool prefer_loaded = true;  // empty text: take a loaded model without asking
};

Result<ChatModel> open_chat_model(Shell& shell, client::Client& client, const ChatModelQuery& query,
                                  Interrupt& interrupt);

}  // namespace atelier::cli
