// What JSON Schema says about one parameter of a tool, for formats that write values without their types.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace atelier::prompt {

enum class ParameterType : std::uint8_t {
  kString,   // the text is the value
  kOther,    // the text is JSON, or nearly
  kUnknown,  // JSON where it is that, text elsewhere
};

class ToolDefinitions {
 public:
  ToolDefinitions() = default;
  explicit ToolDefinitions(const json::Array& tools) : tools_(tools) {}

  bool empty() const { return tools_.empty(); }
  bool has(std::string_view name) const { return find(name) != nullptr; }
  // A tool's name begins so.
  bool has_beginning(std::string_view beginning) const;
  ParameterType type(std::string_view tool, std::string_view parameter) const;
  // The name of the parameter at this place; empty where there is none.
  std::string parameter_at(std::string_view tool, std::size_t position) const;

 private:
  const json::Value* find(std::string_view name) const;  // the function's definition
  json::Array tools_;
};

// The value that this text stands for, as JSON text.
std::string typed_value(std::string_view text, ParameterType type);

}  // namespace atelier::prompt
