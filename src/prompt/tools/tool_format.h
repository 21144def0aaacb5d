// How model families write tool calls: one description a format, read by one parser (output_parser.h).
//
// A new family is a new entry in tool_formats() with a sample; docs/tool-formats.md says how, and a test
// reads every sample cut at every byte. Which format a model has is found out from its chat template
// (recognize.h), not from its name.
//
// The order in which a call is read:
//
//   section_begin? ( call_begin  BODY  call_end? )+  section_end?
//
// Between calls, whitespace, commas and semicolons mean nothing. An end that is missing counts as there when
// the model ends its answer.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace atelier::prompt {

enum class CallBody : std::uint8_t {
  kObjects,     // {"name": …, "arguments": {…}}: one, several, or a list of them
  kNamed,       // NAME name_end {…}
  kParameters,  // NAME name_end, then each parameter between markers of its own
  kPython,      // [name(parameter=value, …), …] with Python's literals
  kBraced,      // call:NAME{parameter:value,…} with bare keys
};

// Whole answers that consist of messages to somebody, not of text with calls in it.
enum class Layout : std::uint8_t {
  kInline,   // text, and calls marked in it
  kHarmony,  // <|channel|>NAME to=RECIPIENT<|message|>…<|end|> (gpt-oss)
  kRouted,   // RECIPIENT name_end BODY, each begun by call_begin; "all" is the user
};

struct ToolFormat {
  std::string_view name;
  std::string_view models;  // who writes so, for the documentation
  CallBody body = CallBody::kObjects;
  Layout layout = Layout::kInline;

  std::string_view section_begin{}, section_end{};
  std::array<std::string_view, 2> call_begin{};  // any of them; none: a call may stand where the message begins
  std::string_view call_end{};

  // kNamed, kParameters, kBraced: what stands before the name and what ends it.
  std::string_view name_prefix{}, name_end{};
  // kNamed: what stands before the arguments' end; the name may be followed by an id after this marker, or
  // ends in ":0", ":1", … and is the call's id as a whole.
  std::string_view arguments_end{};
  std::string_view id_begin{};
  bool name_is_id = false;

  // kParameters: parameter_begin NAME parameter_name_end [value_begin] VALUE parameter_end. Where the name ends
  // in a quote, attributes may follow it up to '>'.
  std::string_view parameter_begin{}, parameter_name_end{}, value_begin{}, parameter_end{};

  std::string_view string_delimiter{};  // kBraced

  bool keeps_id = false;                    // kObjects: the call's own "id" is what the template wants to see again
  bool name_is_key = false;                 // kObjects: {"NAME": {…}}
  std::string_view no_call{};               // a tool by which the model says that it calls none
  std::array<std::string_view, 3> noise{};  // markers of the family around plain text, never shown

  // Text of the family's instructions that shows this format where the template writes no calls itself.
  std::string_view hint{};
  // A turn with one call of get_weather for {"city": "Paris"}, as the model writes it.
  std::string_view sample{};
};

// All formats, the more special ones first.
std::span<const ToolFormat> tool_formats();

// LM Studio's own format, for models whose template has none: [TOOL_REQUEST]{…}[END_TOOL_REQUEST].
const ToolFormat& default_tool_format();

// Null where no format has this name.
const ToolFormat* find_tool_format(std::string_view name);

}  // namespace atelier::prompt
