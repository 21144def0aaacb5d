// One line from a person at a terminal, with editing and history (libedit). Several pasted lines are one input: they
// stand in the line as a placeholder such as "[3 pasted lines]" and come back whole. The history lives as long as the
// editor: what is typed is not written to disk.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace atelier::cli {

class LineEditor {
 public:
  enum class Outcome { kLine, kEnd, kInterrupted };  // kEnd: Ctrl+D or the end of input

  struct Settings {
    int input = 0;               // a terminal
    bool draw_on_error = false;  // on standard error instead of standard output
    bool colour = false;
    int interrupt_descriptor = -1;  // readable: Ctrl+C was pressed
    std::string prompt = "> ";
    std::vector<std::string> completions;  // of words that begin a line, for Tab
  };

  explicit LineEditor(Settings settings);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The line without its line feed.
  Outcome read(std::string& line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What Tab makes of the beginning of a line: the longest text that all fitting completions share, and a blank where
// only one fits. The same text where none fits.
std::string complete_word(const std::string& typed, const std::vector<std::string>& completions);

}  // namespace atelier::cli
