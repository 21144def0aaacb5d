// Names of tools as a model is shown them: models were trained on plain identifiers, clients use any text.
// The original names are given back in everything that leaves the server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "prompt/message.h"

namespace atelier::prompt {

enum class ToolNameStyle : std::uint8_t {
  kPassThrough,
  kRemoveSpecial,  // every character outside [A-Za-z0-9_] becomes "_"
  kSnakeCase,      // getWeather, Get-Weather: get_weather
  kCamelCase,      // get_weather, Get-Weather: getWeather
};

// "passThrough", "removeSpecial", "snakeCase", "camelCase"; nothing for other words.
std::optional<ToolNameStyle> tool_name_style(std::string_view word);

class ToolNames {
 public:
  ToolNames() = default;
  // Two tools whose names become the same are told apart by a number: _2, _3, …
  ToolNames(const json::Array& tools, ToolNameStyle style);

  // The name as the model is shown it; of tools that were not in the list, what the style makes of it.
  std::string shown(std::string_view original) const;
  // The client's name for it; names that the model made up stay as they are.
  std::string original(std::string_view shown) const;

  // Definitions with shown names.
  json::Array shown_definitions(const json::Array& tools) const;
  // Calls and results of earlier turns with shown names.
  void show(std::vector<Message>& messages) const;

 private:
  ToolNameStyle style_ = ToolNameStyle::kPassThrough;
  std::vector<std::pair<std::string, std::string>> names_;  // original, shown
};

std::string styled_tool_name(std::string_view name, ToolNameStyle style);

}  // namespace atelier::prompt
