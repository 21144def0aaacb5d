// lms chat.
#include <fmt/format.h>

#include "cli/chat_model.h"
#include "cli/commands.h"
#include "cli/conversation.h"
#include "cli/question.h"

namespace atelier::cli {
namespace {

constexpr std::size_t kMaxInputBytes = 64 * 1024 * 1024;

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == std::string::npos; }

// The prompt of a one-shot chat: -p, what stands on standard input, or both with a blank line between. Nothing for an
// interactive chat.
Result<std::optional<std::string>> one_shot_prompt(Shell& shell, const ChatOptions& options) {
  if (shell.console.terminals().input) return options.prompt;
  auto piped = read_all(shell.environment.input, kMaxInputBytes);
  if (!piped) return std::unexpected(piped.error());
  while (piped->ends_with('\n') || piped->ends_with('\r')) piped->pop_back();
  if (!options.prompt) return std::optional<std::string>(std::move(*piped));
  if (is_blank(*piped)) return options.prompt;
  return std::optional<std::string>(*options.prompt + "\n\n" + *piped);
}

}  // namespace

int run_chat(Shell& shell, const ChatOptions& options) {
  auto prompt = one_shot_prompt(shell, options);
  if (!prompt) return report(shell, prompt.error());
  if (*prompt && is_blank(**prompt)) {
    shell.console.info("The prompt is empty; there is nothing to answer.");
    return 0;
  }
  auto client = connect(shell, options.connection);
  if (!client) return report(shell, client.error());
  Interrupt interrupt;
  ChatModelQuery query{.text = options.model, .ttl_seconds = options.ttl_seconds, .yes = options.yes};
  auto model = open_chat_model(shell, *client, query, interrupt);
  if (!model) return report(shell, model.error());
  Conversation conversation(shell, *client, interrupt, options, std::move(*model));
  if (!*prompt) return conversation.run();
  auto result = conversation.ask(**prompt, true);
  if (!result) return report(shell, result.error());
  return result->cancelled ? 1 : 0;
}

}  // namespace atelier::cli
