// Takes one answer of an engine apart: the pieces that come in, the pipeline's events that go out. Markers,
// formats and names of tools are the output parser's matter (prompt/output_parser.h); here its events get
// their choice, their identifiers and the names that the client knows. No I/O; lives where its prediction does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "predict/events.h"
#include "prompt/output_parser.h"
#include "prompt/tools/tool_names.h"
#include "runtime/generation.h"

namespace atelier::predict {

struct AnswerFormat {
  prompt::OutputFormat output;
  prompt::ToolNames names;
  bool parallel_tool_calls = true;  // off: the answer ends with its first call
  std::string begins;               // the part of the answer that is in the prompt already
};

class AnswerReader {
 public:
  AnswerReader(int choice, AnswerFormat format, bool with_tokens);

  void read(runtime::Delta&& delta, std::vector<Event>& events);
  // Whatever was held back, and the end.
  void finish(const runtime::Done& done, std::vector<Event>& events);

  // The answer is complete though the engine still writes: its generation is to be cancelled.
  bool is_complete() const { return complete_; }

 private:
  void pass_on(std::vector<prompt::OutputEvent>&& found, std::vector<Event>& events);
  void add(Event event, std::vector<Event>& events);
  Channel reasoning_channel() const;
  bool is_control(const runtime::Piece& piece) const;

  int choice_;
  AnswerFormat format_;
  bool with_tokens_;
  prompt::OutputParser parser_;
  std::vector<Event> first_events_;  // from the part that was in the prompt
  std::vector<Token> tokens_;        // those whose text has not come out yet
  std::uint64_t reasoning_tokens_ = 0;
  std::size_t calls_ = 0;
  bool complete_ = false;
};

}  // namespace atelier::predict
