// Questions to the person at the terminal.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/shell.h"

namespace atelier::cli {

enum class Answer { kYes, kNo, kNone };  // kNone: end of input, or Ctrl+C

// Asks until the answer is y or n, in any case (or "yes", "no"); an empty line means the default.
Answer ask_yes_no(Shell& shell, std::string_view question, bool default_yes);

// One line of text; an empty line gives the default. Nothing at the end of input.
std::optional<std::string> ask_text(Shell& shell, std::string_view question, std::string_view default_text);

// One line from a descriptor, without its line feed; nothing at the end of input. At most 64 KiB.
std::optional<std::string> read_line(int input);

// Everything until the end of input; an error above `max_bytes`.
Result<std::string> read_all(int input, std::size_t max_bytes);

}  // namespace atelier::cli
