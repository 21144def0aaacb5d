#include "prompt/tools/recognize.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "prompt/output_parser.h"

namespace atelier::prompt {
namespace {

// What the answer adds to the prompt. Texts that begin alike after the prompt's end (<think>, <tool_call>) must not
// lose their first letters, so the cut goes back to where a line or a marker ends.
std::string_view added_by(std::string_view prompt, std::string_view turn) {
  const auto [in_prompt, in_turn] = std::ranges::mismatch(prompt, turn);
  auto at = static_cast<std::size_t>(in_turn - turn.begin());
  if (in_prompt != prompt.end()) {
    while (at > 0 && std::string_view("\n> ]").find(turn[at - 1]) == std::string_view::npos) --at;
  }
  return turn.substr(at);
}

// How many bytes of the text the format leaves over, or nothing where it does not read the call.
std::optional<std::size_t> left_over(const ToolFormat& format, std::string_view text, const TrialCall& call) {
  OutputFormat output;
  output.tool_format = &format;
  output.parse_tool_calls = true;
  output.tools = call.tools;
  output.reasoning_start.clear();
  output.reasoning_end.clear();
  OutputParser parser(std::move(output));
  std::vector<OutputEvent> events;
  parser.feed(text, false, events);
  parser.finish(true, events);

  std::size_t rest = 0;
  std::size_t calls = 0;
  std::string arguments;
  for (const OutputEvent& event : events) {
    if (const auto* message = std::get_if<MessageText>(&event)) {
      // Text before the call may be the template's own: the role, say. It must not be part of the call.
      if (message->text.find(call.value) != std::string::npos) return std::nullopt;
      rest += message->text.size();
    } else if (const auto* start = std::get_if<ToolCallStart>(&event)) {
      if (start->name != call.name || ++calls > 1) return std::nullopt;
    } else if (const auto* part = std::get_if<ToolCallArguments>(&event)) {
      arguments += part->json;
    } else if (std::holds_alternative<ToolCallFailed>(event)) {
      return std::nullopt;
    }
  }
  const auto parsed = json::parse(arguments);
  if (calls != 1 || !parsed || *parsed != json::Value(json::Object{{std::string(call.argument), call.value}})) {
    return std::nullopt;
  }
  return rest;
}

// Up to the first quote or bracket of the arguments: what stands there whatever the arguments are.
std::string_view before_arguments(std::string_view text) {
  const std::size_t brace = text.find('{');
  std::string_view between = text.substr(0, brace);
  while (between.ends_with(' ')) between.remove_suffix(1);
  return between;
}

RecognizedFormat with_texts(const ToolFormat& format, std::string_view text, std::string_view name,
                            std::string_view argument) {
  RecognizedFormat result{&format, {}, {}};
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return result;
  result.opening = text.substr(0, at);
  const std::string_view after = text.substr(at + name.size());
  const bool json_arguments = format.body == CallBody::kObjects || format.body == CallBody::kNamed;
  if (json_arguments) {
    result.between = before_arguments(after.substr(0, after.find(argument)));
  } else {
    result.between = format.body == CallBody::kPython ? "(" : format.name_end;
  }
  return result;
}

}  // namespace

RecognizedFormat recognize_call(std::string_view prompt, std::string_view turn, const TrialCall& call) {
  const std::string_view text = added_by(prompt, turn);
  const ToolFormat* best = nullptr;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (const ToolFormat& format : tool_formats()) {
    const auto rest = left_over(format, text, call);
    if (!rest || *rest >= least) continue;
    best = &format;
    least = *rest;
  }
  if (best == nullptr) return {};
  return with_texts(*best, text, call.name, call.argument);
}

RecognizedFormat recognize_instructions(std::string_view with_tools, std::string_view without_tools) {
  for (const ToolFormat& format : tool_formats()) {
    if (format.hint.empty() || with_tools.find(format.hint) == std::string_view::npos) continue;
    if (without_tools.find(format.hint) != std::string_view::npos) continue;
    return describe_format(format);
  }
  return {};
}

RecognizedFormat describe_format(const ToolFormat& format) {
  return with_texts(format, format.sample, "get_weather", "\"city\"");
}

}  // namespace atelier::prompt
