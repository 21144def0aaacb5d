// The command line of lms: its commands, options and help. The only code that sees the option parser.
#pragma once

#include <string>
#include <vector>

#include "cli/shell.h"

namespace atelier::cli {

// Parses the arguments (without the program's name), runs the command, and gives the exit code. Never throws.
int run(Shell& shell, std::vector<std::string> arguments);

}  // namespace atelier::cli
