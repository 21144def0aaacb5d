// Renders small templates for the tests of this folder.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "gtest/gtest.h"
#include "prompt/jinja/template.h"

namespace atelier::prompt::jinja {

inline Variables variables_of(std::string_view json_object) {
  Variables variables;
  const auto parsed = json::parse(json_object);
  EXPECT_TRUE(parsed.has_value()) << json_object;
  for (const auto& [name, value] : *parsed->if_object()) variables.set(name, value);
  return variables;
}

inline RenderOptions test_options() {
  RenderOptions options;
  options.now = CivilTime{2025, 3, 9, 14, 5, 7, 42};
  return options;
}

inline std::expected<RenderedText, TemplateError> try_render(std::string_view source, std::string_view variables = "{}",
                                                             const RenderOptions& options = test_options()) {
  const auto parsed = Template::parse(source);
  if (!parsed) return std::unexpected(parsed.error());
  return parsed->render(variables_of(variables), options);
}

inline std::string rendered(std::string_view source, std::string_view variables = "{}") {
  const auto result = try_render(source, variables);
  EXPECT_TRUE(result.has_value()) << source << "\n" << (result ? "" : result.error().describe());
  return result ? result->text : std::string();
}

inline TemplateError error_of(std::string_view source, std::string_view variables = "{}",
                              const RenderOptions& options = test_options()) {
  const auto result = try_render(source, variables, options);
  EXPECT_FALSE(result.has_value()) << source << " gives " << (result ? result->text : "");
  return result ? TemplateError{} : result.error();
}

// Template text as it is, content between « and ».
inline std::string marked(const RenderedText& text) {
  std::string result;
  std::size_t begin = 0;
  for (const Run& run : text.runs) {
    const std::string piece = text.text.substr(begin, run.end - begin);
    result += run.provenance == Provenance::kContent ? "«" + piece + "»" : piece;
    begin = run.end;
  }
  return result;
}

inline std::string marked(std::string_view source, std::string_view variables = "{}") {
  const auto result = try_render(source, variables);
  EXPECT_TRUE(result.has_value()) << source << "\n" << (result ? "" : result.error().describe());
  return result ? marked(*result) : std::string();
}

}  // namespace atelier::prompt::jinja
