#include "cli/question.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>

namespace atelier::cli {
namespace {

constexpr std::size_t kMaxLineBytes = 64 * 1024;

std::string trimmed_lower(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (!std::isspace(static_cast<unsigned char>(c))) {
      result += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return result;
}

}  // namespace

std::optional<std::string> read_line(int input) {
  std::string line;
  while (line.size() < kMaxLineBytes) {
    char c = 0;
    ssize_t count = ::read(input, &c, 1);
    if (count < 0 && errno == EINTR) return std::nullopt;
    if (count <= 0) {
      if (line.empty()) return std::nullopt;
      return line;
    }
    if (c == '\n') return line;
    line += c;
  }
  return line;
}

Result<std::string> read_all(int input, std::size_t max_bytes) {
  std::string text;
  char bytes[64 * 1024];
  while (true) {
    ssize_t count = ::read(input, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(ErrorCode::kIo, fmt::format("Cannot read standard input: {}.", std::strerror(errno)));
    if (count == 0) return text;
    if (text.size() + static_cast<std::size_t>(count) > max_bytes) {
      return fail(ErrorCode::kBodyTooLarge, fmt::format("Standard input is longer than {} bytes.", max_bytes));
    }
    text.append(bytes, static_cast<std::size_t>(count));
  }
}

Answer ask_yes_no(Shell& shell, std::string_view question, bool default_yes) {
  while (true) {
    shell.console.ask(fmt::format("{} {} ", question, default_yes ? "(Y/n)" : "(y/N)"));
    auto line = read_line(shell.environment.input);
    if (!line) {
      shell.console.ask("\n");
      return Answer::kNone;
    }
    std::string word = trimmed_lower(*line);
    if (word.empty()) return default_yes ? Answer::kYes : Answer::kNo;
    if (word == "y" || word == "yes") return Answer::kYes;
    if (word == "n" || word == "no") return Answer::kNo;
    shell.console.ask("Please answer y or n.\n");
  }
}

std::optional<std::string> ask_text(Shell& shell, std::string_view question, std::string_view default_text) {
  shell.console.ask(default_text.empty() ? fmt::format("{}: ", question)
                                         : fmt::format("{} ({}): ", question, default_text));
  auto line = read_line(shell.environment.input);
  if (!line) {
    shell.console.ask("\n");
    return std::nullopt;
  }
  std::size_t first = line->find_first_not_of(" \t\r");
  if (first == std::string::npos) return std::string(default_text);
  return line->substr(first, line->find_last_not_of(" \t\r") - first + 1);
}

}  // namespace atelier::cli
