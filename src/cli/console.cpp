#include "cli/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "cli/format.h"

namespace atelier::cli {

std::string paint(Paint paint, std::string_view text, bool colour) {
  if (!colour || text.empty()) return std::string(text);
  static constexpr std::array<const char*, 6> kCodes = {"2", "1", "31", "32", "33", "36"};
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<std::size_t>(paint)], text);
}

Terminals Terminals::of_this_process() {
  Terminals result;
  result.input = ::isatty(STDIN_FILENO);
  result.output = ::isatty(STDOUT_FILENO);
  result.error = ::isatty(STDERR_FILENO);
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  result.colour = !(no_colour && *no_colour) && !(terminal && std::string_view(terminal) == "dumb");
  winsize size{};
  for (int descriptor : {STDOUT_FILENO, STDERR_FILENO}) {
    if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
      result.columns = size.ws_col;
      break;
    }
  }
  return result;
}

void Console::data(std::string_view text) {
  output_ << text;
  output_.flush();
}

void Console::debug(std::string_view line) {
  if (level_ <= LogLevel::kDebug) error_ << paint(Paint::kDim, fmt::format("D {}", line), error_colour()) << std::endl;
}

void Console::info(std::string_view line) {
  if (level_ <= LogLevel::kInfo) error_ << (level_ == LogLevel::kDebug ? "I " : "") << line << std::endl;
}

void Console::warn(std::string_view line) {
  if (level_ <= LogLevel::kWarn)
    error_ << paint(Paint::kYellow, "Warning:", error_colour()) << ' ' << line << std::endl;
}

void Console::error(std::string_view message) {
  if (level_ > LogLevel::kError) return;
  error_ << paint(Paint::kRed, "Error:", error_colour()) << ' ' << printable(message) << std::endl;
}

void Console::ask(std::string_view text) {
  error_ << text;
  error_.flush();
}

void Progress::show(std::string_view label, double fraction) {
  if (!console_.terminals_.output) return;
  static constexpr std::array<const char*, 10> kSpinner = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
  fraction = std::clamp(fraction, 0.0, 1.0);
  std::string line = fmt::format("{} {:3.0f}% {}", label, fraction * 100, progress_bar(fraction, 24));
  if (line == shown_) return;
  shown_ = line;
  std::string drawn = fmt::format("{} {}", kSpinner[frame_++ % kSpinner.size()], line);
  console_.data("\r" + fit_width(drawn, console_.terminals_.columns - 1) + "\x1b[K");
}

void Progress::clear() {
  if (shown_.empty()) return;
  shown_.clear();
  console_.data("\r\x1b[K");
}

std::string progress_bar(double fraction, std::size_t cells) {
  static constexpr std::array<const char*, 8> kParts = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  auto eighths = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(cells) * 8);
  std::string bar = "[";
  std::size_t full = eighths / 8;
  for (std::size_t i = 0; i < full; ++i) bar += "█";
  bar += kParts[eighths % 8];
  std::size_t drawn = full + (eighths % 8 ? 1 : 0);
  bar.append(cells - drawn, ' ');
  return bar + "]";
}

}  // namespace atelier::cli
