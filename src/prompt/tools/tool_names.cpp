#include "prompt/tools/tool_names.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"

namespace atelier::prompt {
namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_plain(char c) { return is_upper(c) || is_lower(c) || is_digit(c) || c == '_'; }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c; }

// getWeather2Day, HTTPGet, get-weather: the words, in lower case.
std::vector<std::string> words(std::string_view name) {
  std::vector<std::string> result;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) result.push_back(std::move(word));
    word.clear();
  };
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (!is_plain(c) || c == '_') {
      end_word();
      continue;
    }
    const bool after_lower = i > 0 && (is_lower(name[i - 1]) || is_digit(name[i - 1]));
    const bool last_of_capitals = i > 0 && is_upper(name[i - 1]) && i + 1 < name.size() && is_lower(name[i + 1]);
    if (is_upper(c) && (after_lower || last_of_capitals)) end_word();
    word += lower(c);
  }
  end_word();
  return result;
}

std::string* name_of(json::Value& call_or_tool) {
  json::Object* members = call_or_tool.if_object();
  json::Value* function = members == nullptr ? nullptr : members->find("function");
  json::Object* holder = function == nullptr ? members : function->if_object();
  json::Value* name = holder == nullptr ? nullptr : holder->find("name");
  return name == nullptr ? nullptr : name->if_string();
}

}  // namespace

std::string styled_tool_name(std::string_view name, ToolNameStyle style) {
  std::string result;
  switch (style) {
    case ToolNameStyle::kPassThrough: return std::string(name);
    case ToolNameStyle::kRemoveSpecial:
      for (std::size_t at = 0; at < name.size();) {
        const std::size_t length = std::max<std::size_t>(1, utf8::decode(name, at).length);
        result += is_plain(name[at]) ? name[at] : '_';
        at += length;
      }
      break;
    case ToolNameStyle::kSnakeCase:
      for (const std::string& word : words(name)) {
        if (!result.empty()) result += '_';
        result += word;
      }
      break;
    case ToolNameStyle::kCamelCase:
      for (std::string& word : words(name)) {
        if (!result.empty()) word.front() = upper(word.front());
        result += word;
      }
      break;
  }
  return result.empty() ? "_" : result;
}

std::optional<ToolNameStyle> tool_name_style(std::string_view word) {
  if (word == "passThrough") return ToolNameStyle::kPassThrough;
  if (word == "removeSpecial") return ToolNameStyle::kRemoveSpecial;
  if (word == "snakeCase") return ToolNameStyle::kSnakeCase;
  if (word == "camelCase") return ToolNameStyle::kCamelCase;
  return std::nullopt;
}

ToolNames::ToolNames(const json::Array& tools, ToolNameStyle style) : style_(style) {
  const auto taken = [&](const std::string& shown) {
    return std::ranges::any_of(names_, [&](const auto& pair) { return pair.second == shown; });
  };
  for (json::Value tool : tools) {
    const std::string* name = name_of(tool);
    if (name == nullptr) continue;
    const std::string styled = styled_tool_name(*name, style);
    std::string shown = styled;
    for (int number = 2; taken(shown); ++number) shown = fmt::format("{}_{}", styled, number);
    names_.emplace_back(*name, std::move(shown));
  }
}

std::string ToolNames::shown(std::string_view original) const {
  const auto found = std::ranges::find(names_, original, &std::pair<std::string, std::string>::first);
  return found == names_.end() ? styled_tool_name(original, style_) : found->second;
}

std::string ToolNames::original(std::string_view shown) const {
  const auto found = std::ranges::find(names_, shown, &std::pair<std::string, std::string>::second);
  return found == names_.end() ? std::string(shown) : found->first;
}

json::Array ToolNames::shown_definitions(const json::Array& tools) const {
  json::Array result = tools;
  std::size_t index = 0;
  for (json::Value& tool : result) {
    std::string* name = name_of(tool);
    if (name != nullptr) *name = names_[index++].second;
  }
  return result;
}

void ToolNames::show(std::vector<Message>& messages) const {
  for (Message& message : messages) {
    for (json::Value& call : message.tool_calls) {
      if (std::string* name = name_of(call)) *name = shown(*name);
    }
    if ((message.role == "tool" || message.role == "function") && !message.name.empty()) {
      message.name = shown(message.name);
    }
  }
}

}  // namespace atelier::prompt
