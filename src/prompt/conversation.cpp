#include "prompt/conversation.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "prompt/tools/default_format.h"

namespace atelier::prompt {
namespace {

using jinja::DictObject;
using jinja::Ref;
using jinja::Value;

constexpr std::string_view kBetweenMessages = "\n\n";

void add_text(Message& message, std::string_view text) { message.content.push_back(ContentPart{std::string(text)}); }

// Two messages as one. Each keeps its text; a blank line stands between them.
void append_message(Message& first, Message&& second) {
  if (has_image(first) || has_image(second)) {
    std::ranges::move(second.content, std::back_inserter(first.content));
  } else {
    std::string text = joined_text(first);
    const std::string more = joined_text(second);
    if (!text.empty() && !more.empty()) text += kBetweenMessages;
    text += more;
    first.content.clear();
    if (!text.empty()) add_text(first, text);
  }
  if (!first.reasoning.empty() && !second.reasoning.empty()) first.reasoning += kBetweenMessages;
  first.reasoning += second.reasoning;
  for (json::Value& call : second.tool_calls) first.tool_calls.push_back(std::move(call));
}

std::vector<Message> with_one_system_message(std::vector<Message> messages) {
  std::vector<Message> result;
  Message system;
  system.role = "system";
  bool found = false;
  for (Message& message : messages) {
    if (message.role == "developer") message.role = "system";
    if (message.role == "function") message.role = "tool";
    if (message.role != "system") {
      result.push_back(std::move(message));
    } else if (!std::exchange(found, true)) {
      system = std::move(message);
    } else {
      append_message(system, std::move(message));
    }
  }
  if (found) result.insert(result.begin(), std::move(system));
  return result;
}

void move_system_into_user(std::vector<Message>& messages) {
  if (messages.empty() || messages.front().role != "system") return;
  Message system = std::move(messages.front());
  messages.erase(messages.begin());
  if (joined_text(system).empty()) return;
  system.role = "user";
  system.name.clear();
  const auto first_user =
      std::find_if(messages.begin(), messages.end(), [](const Message& m) { return m.role == "user"; });
  if (first_user == messages.end()) {
    messages.insert(messages.begin(), std::move(system));
    return;
  }
  system.name = first_user->name;
  append_message(system, std::move(*first_user));
  *first_user = std::move(system);
}

std::string call_as_text(const json::Value& call, const ToolFormat& format) {
  const json::Value* function = call.find("function");
  const json::Value& source = function != nullptr ? *function : call;
  const json::Value* name = source.find("name");
  const std::string* name_text = name == nullptr ? nullptr : name->if_string();
  const json::Value* arguments = source.find("arguments");
  json::Value value = arguments == nullptr ? json::Value(json::Object()) : *arguments;
  if (const std::string* text = value.if_string()) {
    if (auto parsed = json::parse(*text)) value = std::move(*parsed);
  }
  const std::string json = json::dump(value, {.item_separator = ", ", .key_separator = ": "});
  const std::string_view shown = name_text == nullptr ? std::string_view() : std::string_view(*name_text);
  std::string text = write_call(format, shown, json);
  return text.empty() ? write_call(default_tool_format(), shown, json) : text;
}

void describe_tools(std::vector<Message>& messages, const json::Array& tools) {
  Message instructions;
  instructions.role = "system";
  add_text(instructions, default_tool_instructions(tools));
  if (!messages.empty() && messages.front().role == "system") {
    append_message(instructions, std::move(messages.front()));
    messages.front() = std::move(instructions);
  } else {
    messages.insert(messages.begin(), std::move(instructions));
  }
}

struct WrittenAsText {
  bool calls, results;
};

void write_tools_as_text(std::vector<Message>& messages, const ToolFormat& format, WrittenAsText as_text) {
  for (Message& message : messages) {
    if (!message.tool_calls.empty() && as_text.calls) {
      std::string text = joined_text(message);
      for (const json::Value& call : message.tool_calls) {
        if (!text.empty()) text += '\n';
        text += call_as_text(call, format);
      }
      message.content.clear();
      add_text(message, text);
      message.tool_calls.clear();
    }
    if (message.role == "tool" && as_text.results) {
      const std::string text = "[TOOL_RESULT]" + joined_text(message) + "[END_TOOL_RESULT]";
      message = Message();
      message.role = "user";
      add_text(message, text);
    }
  }
}

void merge_neighbours(std::vector<Message>& messages) {
  std::vector<Message> result;
  for (Message& message : messages) {
    const bool mergeable = message.role == "user" || message.role == "assistant";
    if (mergeable && !result.empty() && result.back().role == message.role && message.tool_calls.empty() &&
        result.back().tool_calls.empty()) {
      append_message(result.back(), std::move(message));
    } else {
      result.push_back(std::move(message));
    }
  }
  messages = std::move(result);
}

// The names of members, made once for a conversation.
struct Keys {
  Value type = Value::template_text("type");
  Value text = Value::template_text("text");
  Value role = Value::template_text("role");
  Value content = Value::template_text("content");
  Value name = Value::template_text("name");
  Value tool_calls = Value::template_text("tool_calls");
  Value tool_call_id = Value::template_text("tool_call_id");
  jinja::JsonReader json{Provenance::kContent};  // has its own, which are content
};

Value content_text(std::string text) { return Value::text(std::move(text), Provenance::kContent); }

Value content_value(const Message& message, const TemplateCapabilities& capabilities, const Keys& keys) {
  if (message.content.empty() && !message.tool_calls.empty() && capabilities.calls_want_null_content)
    return Value::none();
  if (capabilities.content_as_text && !has_image(message)) return content_text(joined_text(message));
  std::vector<Value> parts;
  for (const ContentPart& part : message.content) {
    const bool image = part.kind == ContentPart::Kind::kImage;
    Ref<DictObject> dict(std::make_unique<DictObject>().release());
    dict->append(keys.type, Value::template_text(image ? "image" : "text"));
    if (!image) dict->append(keys.text, content_text(part.text));
    parts.push_back(Value::of(dict.get()));
  }
  return Value::list(std::move(parts));
}

// Arguments come as JSON text or as an object; the template takes one of the two.
json::Value call_for(const json::Value& call, const TemplateCapabilities& capabilities) {
  json::Value result = call;
  json::Object* members = result.if_object();
  json::Value* function = members != nullptr ? members->find("function") : nullptr;
  json::Object* holder = function != nullptr ? function->if_object() : members;
  json::Value* arguments = holder != nullptr ? holder->find("arguments") : nullptr;
  if (arguments == nullptr) return result;
  if (const std::string* text = arguments->if_string(); text != nullptr && !capabilities.arguments_as_text) {
    if (text->find_first_not_of(" \n\t\r") == std::string::npos) {
      *arguments = json::Object();
    } else if (auto parsed = json::parse(*text); parsed && parsed->is_object()) {
      *arguments = json::Value(std::move(*parsed));
    }
  } else if (text == nullptr && capabilities.arguments_as_text) {
    *arguments = json::dump(*arguments, {.item_separator = ", ", .key_separator = ": "});
  }
  return result;
}

bool is_known_role(std::string_view role) {
  constexpr std::string_view kRoles[] = {"system", "user", "assistant", "tool", "developer", "function"};
  return std::find(std::begin(kRoles), std::end(kRoles), role) != std::end(kRoles);
}

Value message_value(const Message& message, const TemplateCapabilities& capabilities, Keys& keys) {
  Ref<DictObject> dict(std::make_unique<DictObject>().release());
  dict->append(keys.role,
               Value::text(message.role, is_known_role(message.role) ? Provenance::kTemplate : Provenance::kContent));
  dict->append(keys.content, content_value(message, capabilities, keys));
  if (!message.name.empty()) dict->append(keys.name, content_text(message.name));
  if (!message.reasoning.empty() && !capabilities.reasoning_member.empty()) {
    dict->append(Value::template_text(capabilities.reasoning_member), content_text(message.reasoning));
  }
  if (!message.tool_calls.empty()) {
    std::vector<Value> calls;
    for (const json::Value& call : message.tool_calls) {
      calls.push_back(keys.json.read(call_for(call, capabilities)));
    }
    dict->append(keys.tool_calls, Value::list(std::move(calls)));
  }
  if (!message.tool_call_id.empty()) dict->append(keys.tool_call_id, content_text(message.tool_call_id));
  return Value::of(dict.get());
}

}  // namespace

std::string joined_text(const Message& message) {
  std::string text;
  bool first = true;
  for (const ContentPart& part : message.content) {
    if (part.kind != ContentPart::Kind::kText) continue;
    if (!std::exchange(first, false)) text += '\n';
    text += part.text;
  }
  return text;
}

bool has_image(const Message& message) {
  return std::ranges::any_of(message.content,
                             [](const ContentPart& part) { return part.kind == ContentPart::Kind::kImage; });
}

std::vector<Message> adapt(std::vector<Message> messages, const TemplateCapabilities& capabilities,
                           const json::Array& tools) {
  messages = with_one_system_message(std::move(messages));
  const bool in_default_format = !tools.empty() && capabilities.native_tool_format == nullptr;
  if (in_default_format) describe_tools(messages, tools);
  if (!capabilities.supports_system_role) move_system_into_user(messages);
  write_tools_as_text(messages, capabilities.tool_format(),
                      {.calls = in_default_format || !capabilities.supports_tool_calls,
                       .results = in_default_format || !capabilities.supports_tool_responses});
  if (capabilities.needs_alternation) merge_neighbours(messages);
  return messages;
}

Value messages_value(const std::vector<Message>& messages, const TemplateCapabilities& capabilities) {
  Keys keys;
  std::vector<Value> values;
  values.reserve(messages.size());
  for (const Message& message : messages) values.push_back(message_value(message, capabilities, keys));
  return Value::list(std::move(values));
}

void set_special_tokens(jinja::Variables& variables, const SpecialTokens& special) {
  const auto set = [&](const char* name, const std::string& text) {
    if (!text.empty()) variables.set(name, Value::template_text(text));
  };
  set("bos_token", special.bos);
  set("eos_token", special.eos);
  set("unk_token", special.unk);
  set("sep_token", special.sep);
  set("pad_token", special.pad);
  set("cls_token", special.cls);
}

}  // namespace atelier::prompt
