#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "cli/console.h"

namespace atelier::cli {
namespace {

constexpr std::size_t kColumns = 90;

struct Example {
  std::string_view command;  // the one it belongs to
  std::string_view line;
  std::string_view text;
};

constexpr std::array kExamples = {
    Example{"lms chat", "lms chat", "talk with a loaded model, or choose one"},
    Example{"lms chat", "lms chat qwen3-8b -p \"Name three rivers\"", "one answer, to standard output"},
    Example{"lms chat", "cat report.txt | lms chat -p \"Summarise\"", "standard input follows the prompt"},
    Example{"lms load", "lms load", "choose from a list"},
    Example{"lms load", "lms load qwen3-8b --context-length 16384", "with room for 16,384 tokens"},
    Example{"lms load", "lms load qwen3-8b --identifier writer --ttl 600",
            "named \"writer\"; unloaded after 10 idle minutes"},
    Example{"lms load", "lms load qwen3-8b --estimate-only", "how much memory would it take?"},
    Example{"lms unload", "lms unload", "the only loaded model, or choose one"},
    Example{"lms unload", "lms unload --all", "every model"},
    Example{"lms ls", "lms ls --llm", "language models only"},
    Example{"lms ls", "lms ls --json | jq -r '.[].modelKey'", "the keys, for a script"},
    Example{"lms import", "lms import ~/Downloads/model.gguf", "move the file; asks where to"},
    Example{"lms import", "lms import model.gguf --user-repo me/tests --copy", "copy it below models/me/tests"},
    Example{"lms server", "lms server start", "then open http://127.0.0.1:1234"},
    Example{"lms server start", "lms server start --port 8080", "on another port"},
    Example{"lms server start", "lms server start --bind 0.0.0.0", "for the whole network"},
};

struct Group {
  std::string_view title;
  std::array<Example, 7> commands;  // command and its line; empty ones are no entries
};

constexpr std::array kGroups = {
    Group{"Local models",
          {Example{"chat", "Talk with a model in the terminal", ""}, Example{"load", "Load a model into memory", ""},
           Example{"unload", "Take a model out of memory", ""}, Example{"ls", "List the models on disk", ""},
           Example{"ps", "List the models in memory", ""},
           Example{"import", "Bring a model file into the models folder", ""}}},
    Group{"Serve",
          {Example{"server start", "Start the API server", ""}, Example{"server stop", "Stop it", ""},
           Example{"server status", "Say whether it runs, and on which port", ""},
           Example{"status", "Show the server and the loaded models", ""}}},
    Group{"Service",
          {Example{"daemon up", "Start the background service", ""}, Example{"daemon down", "End it", ""},
           Example{"daemon status", "Say whether it runs", ""},
           Example{"daemon run", "Run it in the foreground (systemd, containers)", ""}}},
    Group{"Help", {Example{"help <command>", "Explain a command", ""}, Example{"version", "Show the version", ""}}},
};

// "  NAME   text", the text in its column, wrapped at 90 columns.
void add_entry(std::string& out, const HelpEntry& entry, std::size_t name_width) {
  std::string line = fmt::format("  {:<{}}  ", entry.name, name_width);
  const std::size_t indent = line.size();
  std::string_view rest = entry.text;
  while (indent + rest.size() > kColumns) {
    std::size_t cut = rest.rfind(' ', kColumns - indent);
    if (cut == std::string_view::npos) break;
    out += fmt::format("{}{}\n", line, rest.substr(0, cut));
    rest.remove_prefix(cut + 1);
    line.assign(indent, ' ');
  }
  out += fmt::format("{}{}\n", line, rest);
}

void add_section(std::string& out, std::string_view title, const std::vector<HelpEntry>& entries) {
  if (entries.empty()) return;
  std::size_t width = 0;
  for (const HelpEntry& entry : entries) width = std::max(width, entry.name.size());
  out += fmt::format("\n{}:\n", title);
  for (const HelpEntry& entry : entries) add_entry(out, entry, width);
}

}  // namespace

std::string root_help(bool colour) {
  std::string out = "lms, the command line of Atelier, version " ATELIER_VERSION "\n\nUsage: lms <command> [options]\n";
  std::size_t width = 0;
  for (const Group& group : kGroups) {
    for (const Example& command : group.commands) width = std::max(width, command.command.size());
  }
  for (const Group& group : kGroups) {
    out += fmt::format("\n{}\n", paint(Paint::kBold, group.title, colour));
    for (const Example& command : group.commands) {
      if (!command.command.empty()) add_entry(out, {std::string(command.command), std::string(command.line)}, width);
    }
  }
  out += fmt::format("\n{}\n", paint(Paint::kBold, "First steps", colour));
  add_entry(out, {"lms import model.gguf", "bring a model in"}, 28);
  add_entry(out, {"lms chat", "talk with it"}, 28);
  add_entry(out, {"lms server start", "serve it at http://127.0.0.1:1234"}, 28);
  out += "\nEvery command explains itself: lms <command> --help. The folder docs has more.\n";
  return out;
}

std::string command_help(const CommandHelp& help) {
  std::string usage = help.name;
  if (!help.commands.empty()) usage += " <command>";
  for (const HelpEntry& argument : help.arguments) usage += fmt::format(" [{}]", argument.name);
  if (!help.options.empty()) usage += " [options]";
  std::string out = fmt::format("{}\n\nUsage: {}\n", help.description, usage);
  add_section(out, "Commands", help.commands);
  add_section(out, "Arguments", help.arguments);
  add_section(out, "Options", help.options);
  std::vector<HelpEntry> examples;
  for (const Example& example : kExamples) {
    if (example.command == help.name) examples.push_back({std::string(example.line), std::string(example.text)});
  }
  add_section(out, "Examples", examples);
  return out;
}

}  // namespace atelier::cli
