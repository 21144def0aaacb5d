// One answer of a model on its way to the screen.
#pragma once

#include <string>

#include "cli/console.h"
#include "client/types.h"

namespace atelier::cli {

// Writes the pieces of an answer to standard output as they come. Reasoning stands between lines <think> and </think>;
// in a conversation at a terminal it is dim instead. Where standard output is a terminal, control characters of the
// model's text are left out: they could drive the terminal.
class AnswerPrinter {
 public:
  enum class Form { kOneShot, kConversation };

  AnswerPrinter(Console& console, Form form) : console_(console), form_(form) {}
  void add(const client::ChatDelta& delta);
  // Ends the last line, and the reasoning if it is still open.
  void finish();

 private:
  bool dim_reasoning() const { return form_ == Form::kConversation && console_.output_colour(); }
  void write(std::string_view text);
  void open_reasoning();
  void close_reasoning();

  Console& console_;
  Form form_;
  bool reasoning_ = false;
  bool at_line_start_ = true;
};

// "Prediction Stats:" and a line for each number that is known.
std::string stats_block(const client::ChatResult& result);

}  // namespace atelier::cli
