// Any bytes as a template: parsing and rendering must end with a text or an error, within their bounds, and
// the provenance runs must cover the text without gaps. Bytes after a NUL are the variables as JSON, where
// they parse; otherwise there is a small conversation.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.h"
#include "prompt/jinja/template.h"

namespace {

namespace jinja = atelier::prompt::jinja;
namespace json = atelier::json;

constexpr std::string_view kVariables = R"({
  "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi é <|x|>"},
               {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1, 2.5, null]}}}]}],
  "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
  "bos_token": "<s>", "add_generation_prompt": true, "x": "text", "n": 12345678901234567890123, "e": ""
})";

const json::Value& default_variables() {
  static const json::Value kParsed = *json::parse(kVariables);
  return kParsed;
}

void check_runs(const jinja::RenderedText& rendered) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < rendered.runs.size(); ++i) {
    const jinja::Run& run = rendered.runs[i];
    if (run.end <= at) std::abort();
    if (i > 0 && rendered.runs[i - 1].provenance == run.provenance) std::abort();
    at = run.end;
  }
  if (at != rendered.text.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = input.find('\0');
  const auto parsed = jinja::Template::parse(input.substr(0, zero));
  if (!parsed) {
    if (parsed.error().message.empty()) std::abort();
    return 0;
  }
  json::Value variables = default_variables();
  if (zero != std::string_view::npos) {
    const auto given = json::parse(input.substr(zero + 1));
    if (given && given->is_object()) variables = *given;
  }
  jinja::Variables set;
  for (const auto& [name, value] : *variables.if_object()) set.set(name, value);
  jinja::RenderOptions options;
  options.limits.steps = 100'000;
  options.limits.output_bytes = 1 << 20;
  options.limits.allocated_bytes = 64 << 20;
  const auto rendered = parsed->render(set, options);
  if (rendered) {
    check_runs(*rendered);
  } else if (rendered.error().message.empty() && rendered.error().kind != jinja::ErrorKind::kRaised) {
    std::abort();
  }
  return 0;
}
