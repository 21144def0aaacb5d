#include "prompt/capabilities.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "prompt/conversation.h"
#include "prompt/jinja/template.h"
#include "prompt/tools/recognize.h"

namespace atelier::prompt {
namespace {

// Words that no template writes by itself.
constexpr std::string_view kUserText = "qZuser7";
constexpr std::string_view kSystemText = "qZsystem7";
constexpr std::string_view kAnswerText = "qZanswer7";
constexpr std::string_view kToolName = "qZtool7";
constexpr std::string_view kOtherToolName = "qZother7";
constexpr std::string_view kArgument = "qZargument7";
constexpr std::string_view kArgumentText = "qZvalue7";
constexpr std::string_view kResultText = "qZresult7";
constexpr std::string_view kThoughtText = "qZthought7";
constexpr std::string_view kCallId = "qZ7callid";  // nine characters: one family insists on that

struct Markers {
  std::string_view start, end;
};
constexpr Markers kReasoningMarkers[] = {
    {"<think>", "</think>"},
    {"<thinking>", "</thinking>"},
    {"<thought>", "</thought>"},
    {"<reasoning>", "</reasoning>"},
    {"<seed:think>", "</seed:think>"},
    {"[THINK]", "[/THINK]"},
    {"<|START_THINKING|>", "<|END_THINKING|>"},
    {"<|begin_of_thought|>", "<|end_of_thought|>"},
    {"<|channel>thought", "<channel|>"},
    {"<|channel|>analysis<|message|>", "<|end|>"},
};

bool has(const std::optional<std::string>& text, std::string_view part) {
  return text && text->find(part) != std::string::npos;
}

std::string_view without_space_at_end(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \n\t\r");
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

class Prober {
 public:
  Prober(const jinja::Template& chat_template, const SpecialTokens& special)
      : template_(chat_template), special_(special) {}

  TemplateCapabilities run() {
    probe_content();
    if (!result_.renders) {
      result_.no_tools_is_undefined = true;
      probe_content();
    }
    if (!result_.renders) {
      result_.no_tools_is_undefined = false;
      // Nothing is known, so nothing is rewritten: what the template has to say comes out when it is used.
      result_.supports_system_role = true;
      result_.supports_tool_calls = result_.supports_tool_responses = true;
      return result_;
    }
    result_.supports_system_role = has(render({message("system", kSystemText), user()}), kSystemText);
    result_.needs_alternation = !render({user(), user()}) && render({user(), answer(), user()}).has_value();
    probe_images();
    probe_tools();
    probe_calls();
    probe_reasoning();
    return result_;
  }

 private:
  struct Options {
    bool generate = true;
    const json::Array* tools = nullptr;
    json::Object extra;
  };

  json::Value content(std::string_view text) const {
    if (result_.content_as_text) return text;
    return json::Array{json::Object{{"type", "text"}, {"text", text}}};
  }
  json::Object message(std::string_view role, std::string_view text) const {
    return {{"role", role}, {"content", content(text)}};
  }
  json::Object user() const { return message("user", kUserText); }
  json::Object answer() const { return message("assistant", kAnswerText); }

  std::optional<std::string> render(json::Array messages) const { return render(std::move(messages), Options()); }
  std::optional<std::string> render(json::Array messages, const Options& options) const {
    jinja::Variables variables;
    set_special_tokens(variables, special_);
    variables.set("messages", json::Value(std::move(messages)));
    if (options.tools != nullptr) {
      variables.set(result_.tools_variable, json::Value(*options.tools));
    } else if (!result_.no_tools_is_undefined) {
      variables.set("tools", json::Value());
    }
    variables.set("documents", json::Value());
    variables.set("add_generation_prompt", json::Value(options.generate));
    for (const auto& [name, value] : options.extra) variables.set(name, value);
    jinja::RenderOptions limits;
    limits.limits.steps = 500'000;
    limits.limits.output_bytes = 4u << 20;
    auto rendered = template_.render(variables, limits);
    if (!rendered) return std::nullopt;
    return std::move(rendered->text);
  }

  void probe_content() {
    result_.content_as_text = true;
    const auto with_text = render({user()});
    const bool text = has(with_text, kUserText);
    result_.content_as_text = false;
    const auto with_parts = render({user()});
    // A template that prints the list instead of going through it shows its quotes.
    result_.content_as_parts = has(with_parts, kUserText) && !has(with_parts, "'" + std::string(kUserText) + "'") &&
                               !has(with_parts, "\"" + std::string(kUserText) + "\"");
    result_.renders = text || result_.content_as_parts;
    result_.content_as_text = text || !result_.content_as_parts;
    const auto& working = text ? with_text : with_parts;
    result_.begins_with_bos = !special_.bos.empty() && working && working->starts_with(special_.bos);
  }

  // A part that is an image leaves a mark, and the words beside it are there; a printed list is no mark.
  void probe_images() {
    const json::Value words = json::Object{{"type", "text"}, {"text", kUserText}};
    const auto with_parts = [&](json::Array parts) {
      return render({json::Object{{"role", "user"}, {"content", std::move(parts)}}});
    };
    const auto without = with_parts({words});
    const auto with = with_parts({json::Object{{"type", "image"}}, words});
    const std::string printed = "'" + std::string(kUserText) + "'";
    result_.supports_images =
        has(with, kUserText) && has(without, kUserText) && !has(with, printed) && *with != *without;
  }

  static json::Object tool(std::string_view name) {
    json::Object parameters{
        {"type", "object"},
        {"properties", json::Object{{std::string(kArgument), json::Object{{"type", "string"}, {"description", "x"}}}}},
        {"required", json::Array{kArgument}}};
    return {{"type", "function"},
            {"function", json::Object{{"name", name}, {"description", "x"}, {"parameters", std::move(parameters)}}}};
  }

  void probe_tools() {
    const json::Array tools{tool(kToolName)};
    Options options;
    options.tools = &tools;
    for (const char* variable : {"tools", "xml_tools"}) {
      result_.tools_variable = variable;
      result_.supports_tools = has(render({user()}, options), kToolName) ||
                               has(render({message("system", kSystemText), user()}, options), kToolName);
      if (result_.supports_tools) return;
    }
    result_.tools_variable = "tools";
  }

  json::Object call(std::string_view name, bool as_text) const {
    json::Value arguments = json::Object{{std::string(kArgument), kArgumentText}};
    if (as_text) arguments = json::dump(arguments, {.item_separator = ", ", .key_separator = ": "});
    return {{"id", kCallId},
            {"type", "function"},
            {"function", json::Object{{"name", name}, {"arguments", std::move(arguments)}}}};
  }

  json::Array calling(bool as_text, bool null_content, bool two = false) const {
    json::Array calls{call(kToolName, as_text)};
    if (two) calls.push_back(call(kOtherToolName, as_text));
    json::Object assistant{{"role", "assistant"}, {"content", null_content ? json::Value() : content("")}};
    assistant.set("tool_calls", std::move(calls));
    return {user(), std::move(assistant)};
  }

  void probe_calls() {
    const json::Array tools{tool(kToolName), tool(kOtherToolName)};
    Options options;
    options.tools = &tools;
    options.generate = false;
    const std::string quoted_by_python = "'" + std::string(kArgument) + "'";
    const auto shows_call = [&](const std::optional<std::string>& text) {
      // The arguments, not the definitions: those do not hold the value.
      return has(text, kArgumentText) && !has(text, quoted_by_python);
    };
    for (const bool null_content : {false, true}) {
      for (const bool as_text : {false, true}) {
        if (!shows_call(render(calling(as_text, null_content), options))) continue;
        result_.supports_tool_calls = true;
        result_.arguments_as_text = as_text;
        result_.calls_want_null_content = null_content;
        const auto two = render(calling(as_text, null_content, true), options);
        result_.supports_parallel_calls = shows_call(two) && has(two, kOtherToolName);
        probe_response(as_text, null_content, options);
        recognize(render(calling(as_text, null_content), options), tools);
        return;
      }
    }
    probe_response(false, false, options);
    recognize(std::nullopt, tools);
  }

  // Calls are native where the template shows the tools and how to call them.
  void recognize(const std::optional<std::string>& turn, const json::Array& tools) {
    RecognizedFormat found;
    if (result_.supports_tools) {
      Options with_tools;
      with_tools.tools = &tools;
      const auto prompt = render({user()}, with_tools);
      const auto without = render({user()});
      if (prompt && turn) found = recognize_call(*prompt, *turn, {kToolName, kArgument, kArgumentText, tools});
      if (prompt && without && found.format == nullptr) found = recognize_instructions(*prompt, *without);
    }
    result_.native_tool_format = found.format;
    if (found.format == nullptr) found = describe_format(default_tool_format());
    result_.call_opening = std::move(found.opening);
    result_.call_between = std::move(found.between);
  }

  void probe_response(bool as_text, bool null_content, const Options& options) {
    json::Array messages = result_.supports_tool_calls ? calling(as_text, null_content) : json::Array{user(), answer()};
    json::Object response = message("tool", kResultText);
    response.set("name", kToolName);
    response.set("tool_call_id", kCallId);
    messages.push_back(std::move(response));
    result_.supports_tool_responses = has(render(std::move(messages), options), kResultText);
  }

  void probe_reasoning() {
    for (const char* member : {"reasoning_content", "thinking", "reasoning"}) {
      json::Object thinking = answer();
      thinking.set(member, kThoughtText);
      Options options;
      options.generate = false;
      if (!has(render({user(), thinking}, options), kThoughtText)) continue;
      result_.reasoning_member = member;
      break;
    }
    const auto unasked = render({user()});
    for (const char* variable : {"enable_thinking", "thinking"}) {
      Options on, off;
      on.extra.set(variable, true);
      off.extra.set(variable, false);
      const auto without = render({user()}, off);
      if (render({user()}, on) == without) continue;
      result_.thinking_variable = variable;
      result_.thinks_by_default = unasked != without;
      break;
    }
    const auto with_effort = [&](const char* level) {
      Options options;
      options.extra.set("reasoning_effort", level);
      return render({user()}, options);
    };
    const auto low = with_effort("low");
    const auto high = with_effort("high");
    result_.supports_effort = low != high;
    if (result_.supports_effort && unasked == low) result_.default_effort = "low";
    if (result_.supports_effort && unasked == high) result_.default_effort = "high";
    find_markers(*unasked);
  }

  // The markers that the prompt opens, or else the first that the template speaks of.
  void find_markers(const std::string& prompt) {
    const std::string_view end = without_space_at_end(prompt);
    const auto opened = std::find_if(std::begin(kReasoningMarkers), std::end(kReasoningMarkers),
                                     [&](const Markers& markers) { return end.ends_with(markers.start); });
    result_.opens_reasoning = opened != std::end(kReasoningMarkers);
    const auto found =
        result_.opens_reasoning
            ? opened
            : std::find_if(std::begin(kReasoningMarkers), std::end(kReasoningMarkers), [&](const Markers& markers) {
                return template_.source().find(markers.start) != std::string::npos;
              });
    if (found == std::end(kReasoningMarkers)) return;
    result_.reasoning_start = found->start;
    result_.reasoning_end = found->end;
  }

  const jinja::Template& template_;
  const SpecialTokens& special_;
  TemplateCapabilities result_;
};

}  // namespace

ReasoningChoices reasoning_choices(const TemplateCapabilities& capabilities) {
  ReasoningChoices choices;
  const bool can_be_off = !capabilities.thinking_variable.empty();
  if (can_be_off) choices.allowed.emplace_back("off");
  if (capabilities.supports_effort) {
    choices.allowed.insert(choices.allowed.end(), {"low", "medium", "high"});
  } else if (can_be_off || !capabilities.reasoning_start.empty()) {
    choices.allowed.emplace_back("on");
  }
  if (choices.allowed.empty()) return choices;
  choices.standard = can_be_off && !capabilities.thinks_by_default ? "off"
                     : capabilities.supports_effort                ? capabilities.default_effort
                                                                   : "on";
  return choices;
}

TemplateCapabilities probe(const jinja::Template& chat_template, const SpecialTokens& special) {
  return Prober(chat_template, special).run();
}

}  // namespace atelier::prompt
