#include "prompt/tools/default_format.h"

namespace atelier::prompt {
namespace {

constexpr std::string_view kBefore =
    "You can call tools in this conversation. A call is one block of exactly this form:\n"
    "[TOOL_REQUEST]{\"name\": \"tool_name\", \"arguments\": {\"param1\": \"value1\", \"param2\": \"value2\"}}"
    "[END_TOOL_REQUEST]\n"
    "\n"
    "# Tools\n"
    "\n";

constexpr std::string_view kAfter =
    "\n"
    "\n"
    "# Rules\n"
    "\n"
    "- Call only tools from the list above, by their exact names.\n"
    "- Give every argument that is required, with the type that the tool's parameters ask for.\n"
    "- Write one block for each call; for several calls, write several blocks.\n"
    "- When you call a tool, write nothing but the blocks. The result is then given to you.\n"
    "- Never write [TOOL_RESULT] yourself.\n"
    "- When no tool fits, answer in ordinary words, without any block.\n"
    "\n"
    "# Examples\n"
    "\n"
    "One call:\n"
    "[TOOL_REQUEST]{\"name\": \"get_time\", \"arguments\": {\"city\": \"Oslo\"}}[END_TOOL_REQUEST]\n"
    "\n"
    "Two calls:\n"
    "[TOOL_REQUEST]{\"name\": \"get_time\", \"arguments\": {\"city\": \"Oslo\"}}[END_TOOL_REQUEST]\n"
    "[TOOL_REQUEST]{\"name\": \"get_time\", \"arguments\": {\"city\": \"Lima\"}}[END_TOOL_REQUEST]\n"
    "\n"
    "The tools of the examples are made up: use the list.";

}  // namespace

std::string default_tool_instructions(const json::Array& tools) {
  const json::Value list = json::Object{{"type", "toolArray"}, {"tools", tools}};
  std::string text(kBefore);
  json::dump_to(text, list, {.indent = 2, .item_separator = ",", .key_separator = ": "});
  text += kAfter;
  return text;
}

std::string write_call(const ToolFormat& format, std::string_view name, std::string_view arguments) {
  constexpr std::string_view kSampleName = "get_weather";
  constexpr std::string_view kSampleArguments = "{\"city\": \"Paris\"}";
  std::string text(format.sample);
  const std::size_t arguments_at = text.find(kSampleArguments);
  if (arguments_at == std::string::npos) return {};
  text.replace(arguments_at, kSampleArguments.size(), arguments);
  text.replace(text.find(kSampleName), kSampleName.size(), name);
  return text;
}

}  // namespace atelier::prompt
