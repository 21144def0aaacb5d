#include "prompt/tools/parameter_types.h"

#include <algorithm>
#include <optional>

#include "prompt/output/literal_reader.h"

namespace atelier::prompt {
namespace {

constexpr int kMaxReferences = 16;

const json::Value* function_of(const json::Value& tool) {
  const json::Value* function = tool.find("function");
  return function != nullptr ? function : &tool;
}

std::string_view text_member(const json::Value& value, std::string_view name) {
  const json::Value* member = value.find(name);
  const std::string* text = member == nullptr ? nullptr : member->if_string();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

// "#/$defs/Name": the part of the schema that it names.
const json::Value* follow(const json::Value& root, std::string_view reference) {
  if (!reference.starts_with("#/")) return nullptr;
  reference.remove_prefix(2);
  const json::Value* place = &root;
  while (place != nullptr && !reference.empty()) {
    const std::size_t slash = reference.find('/');
    place = place->find(reference.substr(0, slash));
    reference = slash == std::string_view::npos ? std::string_view() : reference.substr(slash + 1);
  }
  return place;
}

struct Kinds {
  bool text = false, other = false;
  void add(std::string_view type) { (type == "string" ? text : other) = true; }
};

void add_kinds(const json::Value& root, const json::Value& schema, int references, Kinds& kinds) {
  if (references > kMaxReferences) return;
  if (const std::string_view reference = text_member(schema, "$ref"); !reference.empty()) {
    if (const json::Value* target = follow(root, reference)) add_kinds(root, *target, references + 1, kinds);
    return;
  }
  if (const json::Value* type = schema.find("type")) {
    if (const std::string* name = type->if_string()) kinds.add(*name);
    if (const json::Array* names = type->if_array()) {
      for (const json::Value& name : *names) {
        if (const std::string* text = name.if_string()) kinds.add(*text);
      }
    }
    return;
  }
  if (const json::Value* values = schema.find("enum"); values != nullptr && values->is_array()) {
    for (const json::Value& value : *values->if_array()) (value.is_string() ? kinds.text : kinds.other) = true;
  }
  if (const json::Value* value = schema.find("const")) (value->is_string() ? kinds.text : kinds.other) = true;
  for (const std::string_view name : {"anyOf", "oneOf", "allOf"}) {
    const json::Value* choices = schema.find(name);
    if (choices == nullptr || !choices->is_array()) continue;
    for (const json::Value& choice : *choices->if_array()) add_kinds(root, choice, references + 1, kinds);
  }
}

// Models trained on Python write True, None or {'a': 1} where JSON is meant.
std::optional<std::string> from_python(std::string_view text) {
  output::LiteralReader reader(output::Notation::kPython);
  std::string json;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto step = reader.feed(static_cast<unsigned char>(text[i]), json);
    if (step == output::LiteralReader::Step::kMore) continue;
    if (step == output::LiteralReader::Step::kDone && i + 1 == text.size()) return json;
    return std::nullopt;
  }
  // A word or a number ends with what follows it.
  if (reader.feed(',', json) == output::LiteralReader::Step::kDoneBefore) return json;
  return std::nullopt;
}

std::string quoted(std::string_view text) {
  std::string json;
  json::dump_string_to(json, text);
  return json;
}

}  // namespace

const json::Value* ToolDefinitions::find(std::string_view name) const {
  for (const json::Value& tool : tools_) {
    const json::Value* function = function_of(tool);
    if (text_member(*function, "name") == name) return function;
  }
  return nullptr;
}

bool ToolDefinitions::has_beginning(std::string_view beginning) const {
  return std::ranges::any_of(
      tools_, [&](const json::Value& tool) { return text_member(*function_of(tool), "name").starts_with(beginning); });
}

ParameterType ToolDefinitions::type(std::string_view tool, std::string_view parameter) const {
  const json::Value* function = find(tool);
  const json::Value* root = function == nullptr ? nullptr : function->find("parameters");
  const json::Value* properties = root == nullptr ? nullptr : root->find("properties");
  const json::Value* schema = properties == nullptr ? nullptr : properties->find(parameter);
  if (schema == nullptr) return ParameterType::kUnknown;
  Kinds kinds;
  add_kinds(*root, *schema, 0, kinds);
  if (kinds.text == kinds.other) return ParameterType::kUnknown;
  return kinds.text ? ParameterType::kString : ParameterType::kOther;
}

std::string ToolDefinitions::parameter_at(std::string_view tool, std::size_t position) const {
  const json::Value* function = find(tool);
  const json::Value* parameters = function == nullptr ? nullptr : function->find("parameters");
  const json::Value* properties = parameters == nullptr ? nullptr : parameters->find("properties");
  const json::Object* members = properties == nullptr ? nullptr : properties->if_object();
  if (members == nullptr || position >= members->size()) return {};
  return (members->begin() + static_cast<std::ptrdiff_t>(position))->first;
}

std::string typed_value(std::string_view text, ParameterType type) {
  if (type == ParameterType::kString) return quoted(text);
  const std::size_t first = text.find_first_not_of(" \n\t\r");
  if (first == std::string_view::npos) return quoted(text);
  const std::string_view value = text.substr(first, text.find_last_not_of(" \n\t\r") - first + 1);
  if (json::parse(value)) return std::string(value);
  if (auto json = from_python(value); json && json::parse(*json)) return *json;
  return quoted(text);
}

}  // namespace atelier::prompt
