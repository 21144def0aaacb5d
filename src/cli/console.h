// Where lms writes. Data (tables, JSON, a model's text) goes to standard output; everything that tells about the work
// (log lines, questions, warnings, errors) to standard error; progress to standard output where that is a terminal, and
// nowhere else. One thread at a time.
#pragma once

#include <chrono>
#include <ostream>
#include <string>
#include <string_view>

#include "base/error.h"

namespace atelier::cli {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kNone };

enum class Paint { kDim, kBold, kRed, kGreen, kYellow, kCyan };
// The text between ECMA-48 colour sequences, or as it is where colour is off.
std::string paint(Paint paint, std::string_view text, bool colour);

struct Terminals {
  bool input = false;
  bool output = false;
  bool error = false;
  bool colour = false;  // wanted: NO_COLOR is not set and TERM is not "dumb"
  std::size_t columns = 80;

  static Terminals of_this_process();
};

class Console {
 public:
  Console(std::ostream& output, std::ostream& error, Terminals terminals)
      : output_(output), error_(error), terminals_(terminals) {}

  void set_level(LogLevel level) { level_ = level; }
  const Terminals& terminals() const { return terminals_; }
  // Can a question be put to a person?
  bool interactive() const { return terminals_.input && terminals_.output; }
  bool output_colour() const { return terminals_.colour && terminals_.output; }
  bool error_colour() const { return terminals_.colour && terminals_.error; }

  // To standard output as it is, at once.
  void data(std::string_view text);
  // A line each, to standard error, where the log level lets it through.
  void debug(std::string_view line);
  void info(std::string_view line);
  void warn(std::string_view line);
  void error(std::string_view message);
  void error(const Error& problem) { error(problem.message); }
  // To standard error whatever the log level is: questions.
  void ask(std::string_view text);

 private:
  friend class Progress;
  std::ostream& output_;
  std::ostream& error_;
  Terminals terminals_;
  LogLevel level_ = LogLevel::kInfo;
};

// One line of progress, drawn over itself; wiped when it ends. Shows nothing where standard output is no terminal.
class Progress {
 public:
  explicit Progress(Console& console) : console_(console) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // "⠙ LABEL 42% [████▌     ]"
  void show(std::string_view label, double fraction);
  void clear();

 private:
  Console& console_;
  std::string shown_;
  std::size_t frame_ = 0;
};

// "[████▌     ]" with `cells` cells, in steps of an eighth.
std::string progress_bar(double fraction, std::size_t cells);

}  // namespace atelier::cli
