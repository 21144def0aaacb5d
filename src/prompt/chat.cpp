#include "prompt/chat.h"

#include <algorithm>
#include <ctime>
#include <string_view>
#include <utility>

#include "prompt/conversation.h"
#include "prompt/jinja/template.h"

namespace atelier::prompt {
namespace {

// Our own wording of the common format: each message between <|im_start|>ROLE and <|im_end|>.
constexpr std::string_view kChatMl = R"(
{%- for message in messages -%}
  {{- '<|im_start|>' ~ message.role ~ '\n' ~ message.content ~ '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\n' -}}
{%- endif -%}
)";

// Stands at the end of a message that is to be continued; the prompt is cut where it comes out. Characters
// for private use, so that no text has it by accident and no filter of a template touches it.
constexpr std::string_view kCutMark = "\xEE\x80\x80\xEE\x80\x81\xEE\x80\x80";

constexpr std::string_view kReserved[] = {"messages",  "tools",     "xml_tools", "add_generation_prompt",
                                          "bos_token", "eos_token", "unk_token", "sep_token",
                                          "pad_token", "cls_token"};

Error to_error(const jinja::TemplateError& error) {
  switch (error.kind) {
    case jinja::ErrorKind::kRaised:
      return {ErrorCode::kInvalidRequest, "The model's chat template does not accept these messages: " + error.message,
              "messages"};
    case jinja::ErrorKind::kSyntax:
      return {ErrorCode::kCorrupt, "The chat template is not valid Jinja: " + error.describe(), {}};
    default:
      return {ErrorCode::kInvalidRequest, "The model's chat template cannot render these messages: " + error.describe(),
              "messages"};
  }
}

// Cuts the text and its runs at the last cut mark; false where there is none.
bool cut_at_mark(jinja::RenderedText& rendered) {
  const std::size_t mark = rendered.text.rfind(kCutMark);
  if (mark == std::string::npos) return false;
  rendered.text.resize(mark);
  std::vector<jinja::Run> runs;
  for (const jinja::Run& run : rendered.runs) {
    const std::size_t begin = runs.empty() ? 0 : runs.back().end;
    if (begin >= mark) break;
    runs.push_back({std::min(run.end, static_cast<std::uint32_t>(mark)), run.provenance});
  }
  rendered.runs = std::move(runs);
  return true;
}

std::vector<Segment> to_segments(const jinja::RenderedText& rendered) {
  std::vector<Segment> segments;
  std::size_t begin = 0;
  for (const jinja::Run& run : rendered.runs) {
    segments.push_back({rendered.text.substr(begin, run.end - begin), run.provenance});
    begin = run.end;
  }
  return segments;
}

bool ends_inside_reasoning(std::string_view text, const TemplateCapabilities& capabilities) {
  if (capabilities.reasoning_start.empty()) return false;
  const std::size_t last = text.find_last_not_of(" \n\t\r");
  return last != std::string_view::npos && text.substr(0, last + 1).ends_with(capabilities.reasoning_start);
}

// A section of reasoning that the template has opened is closed first: what opens is no thought.
void add_opening(RenderedPrompt& prompt, std::string_view opening, const TemplateCapabilities& capabilities) {
  if (prompt.opens_reasoning) prompt.answer_begins = capabilities.reasoning_end + "\n\n";
  prompt.answer_begins += opening;
  if (!prompt.segments.empty() && prompt.segments.back().provenance == Provenance::kTemplate) {
    prompt.segments.back().text += prompt.answer_begins;
  } else {
    prompt.segments.push_back({prompt.answer_begins, Provenance::kTemplate});
  }
}

}  // namespace

struct ChatTemplate::State {
  jinja::Template compiled;
  SpecialTokens special;
  TemplateCapabilities capabilities;
};

std::string RenderedPrompt::text() const {
  std::string result;
  for (const Segment& segment : segments) result += segment.text;
  return result;
}

Result<ChatTemplate> ChatTemplate::compile(std::string source, SpecialTokens special) {
  auto compiled = jinja::Template::parse(source);
  if (!compiled) return std::unexpected(to_error(compiled.error()));
  TemplateCapabilities capabilities = probe(*compiled, special);
  return ChatTemplate(
      std::make_shared<const State>(State{std::move(*compiled), std::move(special), std::move(capabilities)}));
}

ChatTemplate ChatTemplate::chatml(SpecialTokens special) {
  return *compile(std::string(kChatMl), std::move(special));  // a constant that parses; the tests say so
}

const TemplateCapabilities& ChatTemplate::capabilities() const { return state_->capabilities; }

const std::string& ChatTemplate::source() const { return state_->compiled.source(); }

Result<RenderedPrompt> ChatTemplate::render(const RenderRequest& request) const {
  const TemplateCapabilities& capabilities = state_->capabilities;
  std::vector<Message> messages = adapt(request.messages, capabilities, request.tools);
  if (!capabilities.supports_images && std::ranges::any_of(messages, has_image)) {
    return fail(ErrorCode::kInvalidRequest,
                "The messages hold an image, and the model's chat template has no place for images", "messages");
  }
  const bool continues = request.continue_final_message;
  if (continues) {
    if (messages.empty() || messages.back().role != "assistant") {
      return fail(ErrorCode::kInvalidRequest, "Only an assistant's message can be continued, and the last one is none",
                  "messages");
    }
    if (messages.back().content.empty()) messages.back().content.emplace_back();
    messages.back().content.back().text += kCutMark;
  }

  jinja::Variables variables;
  for (const auto& [name, value] : request.template_variables) {
    if (std::find(std::begin(kReserved), std::end(kReserved), name) == std::end(kReserved)) variables.set(name, value);
  }
  set_special_tokens(variables, state_->special);
  variables.set("messages", messages_value(messages, capabilities));
  if (!request.tools.empty() && capabilities.native_tool_format != nullptr) {
    variables.set(capabilities.tools_variable, json::Value(request.tools));
  } else if (!capabilities.no_tools_is_undefined) {
    variables.set("tools", json::Value());
  }
  if (variables.find("documents") == nullptr) variables.set("documents", json::Value());
  variables.set("add_generation_prompt", jinja::Value::boolean(request.add_generation_prompt && !continues));

  jinja::RenderOptions options;
  options.now = request.now;
  auto rendered = state_->compiled.render(variables, options);
  if (!rendered) return std::unexpected(to_error(rendered.error()));
  if (continues && !cut_at_mark(*rendered)) {
    return fail(ErrorCode::kInvalidRequest,
                "The model's chat template does not write the last message as it is, so it cannot be continued",
                "messages");
  }
  RenderedPrompt prompt;
  prompt.segments = to_segments(*rendered);
  const std::string& bos = state_->special.bos;
  prompt.begins_with_bos = !bos.empty() && !prompt.segments.empty() &&
                           prompt.segments.front().provenance == Provenance::kTemplate &&
                           prompt.segments.front().text.starts_with(bos);
  prompt.opens_reasoning = !prompt.segments.empty() && prompt.segments.back().provenance == Provenance::kTemplate &&
                           ends_inside_reasoning(prompt.segments.back().text, capabilities);
  if (!request.answer_opening.empty()) add_opening(prompt, request.answer_opening, capabilities);
  return prompt;
}

CivilTime local_time(std::chrono::system_clock::time_point moment) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
  std::tm local{};
  localtime_r(&seconds, &local);
  CivilTime time;
  time.year = local.tm_year + 1900;
  time.month = local.tm_mon + 1;
  time.day = local.tm_mday;
  time.hour = local.tm_hour;
  time.minute = local.tm_min;
  time.second = std::min(local.tm_sec, 59);
  const auto since = std::chrono::duration_cast<std::chrono::microseconds>(moment.time_since_epoch()).count();
  time.microsecond = static_cast<int>(((since % 1'000'000) + 1'000'000) % 1'000'000);
  return time;
}

}  // namespace atelier::prompt
