// The program's log: one line a message, to the terminal or to a file a day (FOLDER/atelier_YYYY-MM-DD.log).
// spdlog does the writing and is seen by log.cpp alone. Any thread. Before init, lines of level warning and
// above go to standard error.
//
// Control characters in a message are written as \xNN, so that bytes of a client cannot forge lines.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "base/error.h"

namespace atelier::log {

enum class Level { kDebug, kInfo, kWarn, kError, kOff };

// "debug", "info", "warn", "error", "off"; nothing for another word.
std::optional<Level> level_from(std::string_view name);

// The text with its control characters (tabs excepted) as \xNN.
std::string visible(std::string_view text);

struct Options {
  Level level = Level::kInfo;
  bool console = true;           // standard error
  std::filesystem::path folder;  // empty: no file
  int keep_days = 14;            // older files of this folder are removed
};

// Replaces what an earlier call set up. kIo where the file cannot be written.
Result<void> init(const Options& options);

bool enabled(Level level);
void write(Level level, std::string_view message);
// "[ID] message"
void write(Level level, std::string_view id, std::string_view message);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kDebug)) write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kInfo)) write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kWarn)) write(Level::kWarn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kError)) write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

// The same with the id of a request, an engine, … before each line. (Coroutines move between contexts, so
// the id travels with its owner, not with the thread.)
class Logger {
 public:
  explicit Logger(std::string id) : id_(std::move(id)) {}
  const std::string& id() const { return id_; }

  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(Level::kDebug)) write(Level::kDebug, id_, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(Level::kInfo)) write(Level::kInfo, id_, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(Level::kWarn)) write(Level::kWarn, id_, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(Level::kError)) write(Level::kError, id_, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  std::string id_;
};

}  // namespace atelier::log
