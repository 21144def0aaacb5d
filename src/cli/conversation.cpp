#include "cli/conversation.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "cli/answer.h"
#include "cli/format.h"
#include "cli/line_editor.h"
#include "cli/question.h"

namespace atelier::cli {
namespace {

constexpr std::string_view kDefaultSystemPrompt =
    "You are a helpful assistant in a terminal. Answer briefly, in plain text.";

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kCommands = {{
    {"/help", "show this list"},
    {"/exit", "leave (also: exit, quit, Ctrl+D)"},
    {"/model [key]", "talk with another model"},
    {"/clear", "forget the conversation so far"},
    {"/system-prompt <text>", "set the instruction for the model; without text: show it"},
    {"/stats", "statistics after each answer, on or off"},
    {"/reasoning [auto|on|off]", "let the model reason"},
}};

std::string_view trimmed(std::string_view text) {
  std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool is_gone(const Error& error) {
  return error.code == ErrorCode::kModelNotFound || error.code == ErrorCode::kModelNotLoaded ||
         error.code == ErrorCode::kInstanceNotFound;
}

}  // namespace

std::optional<SlashCommand> parse_slash_command(std::string_view line) {
  line = trimmed(line);
  if (!line.starts_with('/')) return std::nullopt;
  std::size_t end = line.find_first_of(" \t\n");
  std::string_view name = line.substr(1, end == std::string_view::npos ? end : end - 1);
  if (name.find('/') != std::string_view::npos || name == "think" || name == "no_think") return std::nullopt;
  std::string_view rest = end == std::string_view::npos ? std::string_view() : trimmed(line.substr(end));
  return SlashCommand{std::string(name), std::string(rest)};
}

Conversation::Conversation(Shell& shell, client::Client& client, Interrupt& interrupt, const ChatOptions& options,
                           ChatModel model)
    : shell_(shell),
      client_(client),
      interrupt_(interrupt),
      options_(options),
      model_(std::move(model)),
      system_prompt_(options.system_prompt.value_or(std::string(kDefaultSystemPrompt))) {}

client::ChatRequest Conversation::request() const {
  client::ChatRequest result;
  result.model = model_.instance_id;
  if (!system_prompt_.empty()) result.messages.push_back({"system", system_prompt_});
  result.messages.insert(result.messages.end(), messages_.begin(), messages_.end());
  if (options_.reasoning == "off") result.reasoning_effort = "none";
  if (options_.reasoning == "on") result.reasoning_effort = "medium";
  return result;
}

Result<client::ChatResult> Conversation::ask(const std::string& text, bool one_shot) {
  messages_.push_back({"user", text});
  AnswerPrinter printer(shell_.console, one_shot ? AnswerPrinter::Form::kOneShot : AnswerPrinter::Form::kConversation);
  auto result = [&] {
    std::stop_source stop;
    interrupt_.clear();
    Interrupt::Watch watch(interrupt_, [&stop] { stop.request_stop(); });
    return client_.chat(
        request(), [&printer](const client::ChatDelta& delta) { printer.add(delta); }, stop.get_token());
  }();
  interrupt_.clear();
  printer.finish();
  if (!result) {
    messages_.pop_back();
    return result;
  }
  messages_.push_back({"assistant", result->content});
  if (options_.stats) shell_.console.ask((one_shot ? "" : "\n") + stats_block(*result));
  return result;
}

int Conversation::run() {
  Console& console = shell_.console;
  LineEditor::Settings settings;
  settings.input = shell_.environment.input;
  settings.draw_on_error = !console.terminals().output;
  settings.colour = settings.draw_on_error ? console.error_colour() : console.output_colour();
  settings.interrupt_descriptor = interrupt_.descriptor();
  settings.prompt = "› ";
  for (const auto& [usage, text] : kCommands) {
    settings.completions.emplace_back(usage.substr(0, usage.find(' ')));
  }
  console.ask(
      fmt::format("{}\nType a message; /help lists the commands. Ctrl+C stops an answer, and leaves at the prompt.\n\n",
                  paint(Paint::kBold, "Chatting with " + model_.display_name, console.error_colour())));
  LineEditor editor(std::move(settings));
  while (true) {
    std::string line;
    interrupt_.clear();
    if (editor.read(line) != LineEditor::Outcome::kLine) {
      console.ask("\n");
      return 0;
    }
    if (on_line(line) == Next::kLeave) return 0;
  }
}

Conversation::Next Conversation::on_line(const std::string& line) {
  std::string_view text = trimmed(line);
  if (text.empty()) return Next::kGoOn;
  if (text == "exit" || text == "quit") return Next::kLeave;
  if (auto command = parse_slash_command(text)) return on_command(*command);
  answer(std::string(text));
  return Next::kGoOn;
}

void Conversation::answer(const std::string& text) {
  Console& console = shell_.console;
  console.data(fmt::format("\n{}\n", paint(Paint::kCyan, model_.display_name, console.output_colour())));
  auto result = ask(text, false);
  if (!result && is_gone(result.error()) && offer_to_reload()) result = ask(text, false);
  if (!result) {
    console.error(result.error());
  } else if (result->cancelled) {
    console.info(paint(Paint::kDim, "(stopped)", console.error_colour()));
  }
  console.data("\n");
}

bool Conversation::offer_to_reload() {
  if (!options_.yes) {
    std::string question = fmt::format("{} is no longer loaded. Load it again?", model_.display_name);
    if (ask_yes_no(shell_, question, true) != Answer::kYes) return false;
  }
  auto model = open_chat_model(shell_, client_, {model_.instance_id, options_.ttl_seconds, true, false}, interrupt_);
  if (!model) {
    report(shell_, model.error());
    return false;
  }
  model_ = std::move(*model);
  return true;
}

void Conversation::change_model(const std::string& text) {
  auto model = open_chat_model(shell_, client_, {text, options_.ttl_seconds, options_.yes, false}, interrupt_);
  if (!model) {
    report(shell_, model.error());
    return;
  }
  model_ = std::move(*model);
  shell_.console.info("Chatting with " + model_.display_name + ".");
}

void Conversation::show_help() {
  std::string text;
  for (const auto& [usage, meaning] : kCommands) text += fmt::format("  {:<26}{}\n", usage, meaning);
  shell_.console.ask(text);
}

Conversation::Next Conversation::on_command(const SlashCommand& command) {
  Console& console = shell_.console;
  if (command.name == "exit" || command.name == "quit") return Next::kLeave;
  if (command.name == "help") {
    show_help();
  } else if (command.name == "model") {
    change_model(command.argument);
  } else if (command.name == "clear") {
    messages_.clear();
    console.info("The conversation starts anew.");
  } else if (command.name == "system-prompt") {
    if (!command.argument.empty()) system_prompt_ = command.argument;
    console.info(fmt::format("System prompt: {}", system_prompt_));
  } else if (command.name == "stats") {
    options_.stats = !options_.stats;
    console.info(options_.stats ? "Statistics: on." : "Statistics: off.");
  } else if (command.name == "reasoning") {
    const std::string& value = command.argument;
    if (value == "auto" || value == "on" || value == "off") {
      options_.reasoning = value;
    } else if (!value.empty()) {
      console.info("/reasoning takes auto, on or off.");
      return Next::kGoOn;
    }
    console.info(fmt::format("Reasoning: {}.", options_.reasoning));
  } else {
    console.info(fmt::format("There is no command /{}. /help lists them.", printable(command.name)));
  }
  return Next::kGoOn;
}

}  // namespace atelier::cli
