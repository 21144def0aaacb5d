#include "engine/library_log.h"

#include <llama.h>

#include <deque>
#include <mutex>
#include <string_view>
#include <utility>

namespace atelier::engine {

namespace {

constexpr std::size_t kMaxLineBytes = 2000;
constexpr std::size_t kKeptErrors = 8;

struct State {
  std::mutex mutex;
  LibraryLog::Sink sink;
  LibraryLog::Sink tap;
  bool others_are_spared = false;
  std::string line;  // unfinished
  LibraryLogLevel level = LibraryLogLevel::kInfo;
  std::deque<std::string> errors;
};

State& state() {
  static State instance;
  return instance;
}

LibraryLogLevel level_of(ggml_log_level level) {
  switch (level) {
    case GGML_LOG_LEVEL_ERROR: return LibraryLogLevel::kError;
    case GGML_LOG_LEVEL_WARN: return LibraryLogLevel::kWarn;
    case GGML_LOG_LEVEL_DEBUG: return LibraryLogLevel::kDebug;
    default: return LibraryLogLevel::kInfo;
  }
}

void finish_line(State& s) {
  // Lines of dots are the library's own progress display.
  if (s.line.find_first_not_of(". ") == std::string::npos) {
    s.line.clear();
    return;
  }
  const std::string line = std::exchange(s.line, {});
  if (s.level == LibraryLogLevel::kError) {
    s.errors.push_back(line);
    if (s.errors.size() > kKeptErrors) s.errors.pop_front();
  }
  if (s.tap) s.tap(s.level, line);
  if (s.sink && !s.others_are_spared) s.sink(s.level, line);
}

void receive(ggml_log_level level, const char* text, void*) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (level != GGML_LOG_LEVEL_CONT) s.level = level_of(level);
  for (const char c : std::string_view(text)) {
    if (c == '\n')
      finish_line(s);
    else if (s.line.size() < kMaxLineBytes)
      s.line += c;
  }
}

}  // namespace

LibraryLog::LibraryLog(Sink sink) {
  {
    const std::lock_guard lock(state().mutex);
    state().sink = std::move(sink);
  }
  llama_log_set(receive, nullptr);
}

LibraryLog::~LibraryLog() {
  const std::lock_guard lock(state().mutex);
  state().sink = nullptr;
}

LibraryLog::Tap::Tap(Sink sink, Others others) {
  {
    const std::lock_guard lock(state().mutex);
    state().tap = std::move(sink);
    state().others_are_spared = others == Others::kAreSpared;
  }
  llama_log_set(receive, nullptr);
}

LibraryLog::Tap::~Tap() {
  const std::lock_guard lock(state().mutex);
  state().tap = nullptr;
  state().others_are_spared = false;
}

void LibraryLog::clear_errors() {
  const std::lock_guard lock(state().mutex);
  state().errors.clear();
}

std::string LibraryLog::errors() {
  const std::lock_guard lock(state().mutex);
  std::string all;
  for (const std::string& line : state().errors) {
    if (!all.empty()) all += "; ";
    all += line;
  }
  return all;
}

}  // namespace atelier::engine
