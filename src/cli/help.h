// The texts of `lms --help` and `lms COMMAND --help`.
#pragma once

#include <string>
#include <vector>

namespace atelier::cli {

struct HelpEntry {
  std::string name;
  std::string text;
};

struct CommandHelp {
  std::string name;  // "lms server start"
  std::string description;
  std::vector<HelpEntry> commands, arguments, options;
};

std::string root_help(bool colour);

// With examples, where there are any for the command.
std::string command_help(const CommandHelp& help);

}  // namespace atelier::cli
