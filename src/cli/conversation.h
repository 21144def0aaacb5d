// A conversation in the terminal: its messages, its slash commands, and its loop.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/chat_model.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/shell.h"

namespace atelier::cli {

// A line that begins with a slash, as a command. "/think" and "/no_think" are text for the model, and so is a line
// with a second slash in its first word (a path).
struct SlashCommand {
  std::string name;      // without the slash
  std::string argument;  // what follows, without blanks around it
};
std::optional<SlashCommand> parse_slash_command(std::string_view line);

class Conversation {
 public:
  Conversation(Shell& shell, client::Client& client, Interrupt& interrupt, const ChatOptions& options, ChatModel model);

  // Sends the text as the next message and prints the answer. Ctrl+C ends the answer; what came of it stays part of the
  // conversation. After an error the conversation is as before the message.
  Result<client::ChatResult> ask(const std::string& text, bool one_shot);

  // Reads lines until the person leaves. The exit code.
  int run();

 private:
  enum class Next { kGoOn, kLeave };
  Next on_line(const std::string& line);
  Next on_command(const SlashCommand& command);
  void answer(const std::string& text);
  void show_help();
  void change_model(const std::string& text);
  bool offer_to_reload();
  client::ChatRequest request() const;

  Shell& shell_;
  client::Client& client_;
  Interrupt& interrupt_;
  ChatOptions options_;
  ChatModel model_;
  std::string system_prompt_;
  std::vector<client::ChatMessage> messages_;  // without the system prompt
};

}  // namespace atelier::cli
