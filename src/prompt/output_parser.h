// What a model writes, taken apart while it comes: message text, reasoning, tool calls.
//
//     OutputParser parser(format);
//     for (each piece) parser.feed(piece.text, piece.is_control, events);
//     parser.finish(true, events);
//
// The folded result does not depend on where the text is cut into pieces. Nothing is held back longer than
// it must be: text that may yet turn out to be a marker, and whitespace that would be dropped before one.
// Markers never come out; text that looked like a call and is none comes out as it was written.
//
// One parser reads one answer, on any one thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "prompt/tools/tool_format.h"

namespace atelier::prompt {

struct MessageText {
  std::string text;
};
struct ReasoningText {
  std::string text;
};
// The calls of an answer are numbered from 0. Their events do not interleave.
struct ToolCallStart {
  std::size_t index = 0;
  std::string name;
  std::string id;  // where the model gave one that its template wants to see again; empty elsewhere
};
// The next part of the arguments' JSON text. The parts together are one JSON object.
struct ToolCallArguments {
  std::size_t index = 0;
  std::string json;
};
struct ToolCallEnd {
  std::size_t index = 0;
};
// What had begun as a call is none: it counts as message text, as it was written.
struct ToolCallFailed {
  std::size_t index = 0;
  std::string text;
};
using OutputEvent =
    std::variant<MessageText, ReasoningText, ToolCallStart, ToolCallArguments, ToolCallEnd, ToolCallFailed>;

struct OutputFormat {
  // How the model writes calls; null where nothing is known of its family.
  const ToolFormat* tool_format = nullptr;
  // Calls are looked for: the request has tools.
  bool parse_tool_calls = false;
  // The definitions as the model was shown them: {"type": "function", "function": {"name", "parameters"}}.
  // Formats without types take the types of their arguments from here.
  json::Array tools{};

  std::string reasoning_start = "<think>", reasoning_end = "</think>";  // empty: there is no reasoning
  bool starts_in_reasoning = false;                                     // the prompt has opened the section
  // Off: reasoning stays in the message, with its markers.
  bool separate_reasoning = true;
  // The answer continues a message that the prompt has begun.
  bool continues_message = false;

  // The control tokens of the vocabulary that matter here, as text. A marker that is one of them is
  // recognised in the token alone; others in the text.
  std::vector<std::string> control_tokens{};
};

class OutputParser {
 public:
  explicit OutputParser(OutputFormat format);
  ~OutputParser();
  OutputParser(OutputParser&&) noexcept;
  OutputParser& operator=(OutputParser&&) noexcept;

  // Appends what is certain to `events`; neighbouring parts of one kind become one event.
  void feed(std::string_view text, bool is_control, std::vector<OutputEvent>& events);
  // Text of the answer that was part of the prompt: control tokens in it are recognised by their text.
  void feed_prompted(std::string_view text, std::vector<OutputEvent>& events);
  // `complete`: the model ended its answer itself; false where it was cut off.
  void finish(bool complete, std::vector<OutputEvent>& events);

  // The next piece is likely reasoning: for counting.
  bool in_reasoning() const;

 private:
  class Reader;
  std::unique_ptr<Reader> reader_;
};

// The texts at which a call begins, for constraints that are to hold from there on: where one of them comes
// out, the rest of the call can be constrained to the tools' schemas.
std::vector<std::string> call_openings(const ToolFormat& format);

}  // namespace atelier::prompt
