#include "api/fields.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace atelier::api {

std::string_view kind_name(const json::Value& value) {
  switch (value.kind()) {
    case json::Value::Kind::kNull: return "null";
    case json::Value::Kind::kBool: return "a boolean";
    case json::Value::Kind::kNumber: return "a number";
    case json::Value::Kind::kString: return "a string";
    case json::Value::Kind::kArray: return "an array";
    case json::Value::Kind::kObject: return "an object";
  }
  return "something else";
}

const json::Value* Fields::value(std::string_view name) const {
  const json::Value* found = object_.find(name);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const json::Value* found = value(name);
  if (found == nullptr) return std::nullopt;
  if (const bool* flag = found->if_bool()) return *flag;
  wrong_type(name, "a boolean", *found);
  return std::nullopt;
}

std::optional<std::string> Fields::string(std::string_view name) {
  const json::Value* found = value(name);
  if (found == nullptr) return std::nullopt;
  if (const std::string* text = found->if_string()) return *text;
  wrong_type(name, "a string", *found);
  return std::nullopt;
}

std::optional<double> Fields::number(std::string_view name, double least, double most) {
  const json::Value* found = value(name);
  if (found == nullptr) return std::nullopt;
  const auto number = found->number();
  if (!number) {
    wrong_type(name, "a number", *found);
    return std::nullopt;
  }
  if (!std::isfinite(*number) || *number < least || *number > most) {
    fail(name, std::isinf(most) ? fmt::format("'{}{}' must be at least {}", path_, name, least)
                                : fmt::format("'{}{}' must be between {} and {}", path_, name, least, most));
    return std::nullopt;
  }
  return number;
}

std::optional<std::int64_t> Fields::integer(std::string_view name, std::int64_t least, std::int64_t most) {
  const json::Value* found = value(name);
  if (found == nullptr) return std::nullopt;
  const auto number = found->integer();
  if (!number) {
    if (found->is_number()) {
      fail(name, fmt::format("'{}{}' must be an integer of at most 64 bits", path_, name));
    } else {
      wrong_type(name, "an integer", *found);
    }
    return std::nullopt;
  }
  if (*number < least || *number > most) {
    fail(name, most == INT64_MAX ? fmt::format("'{}{}' must be at least {}", path_, name, least)
                                 : fmt::format("'{}{}' must be between {} and {}", path_, name, least, most));
    return std::nullopt;
  }
  return number;
}

const json::Object* Fields::object(std::string_view name) {
  const json::Value* found = value(name);
  if (found == nullptr) return nullptr;
  if (found->if_object() == nullptr) wrong_type(name, "an object", *found);
  return found->if_object();
}

const json::Array* Fields::array(std::string_view name) {
  const json::Value* found = value(name);
  if (found == nullptr) return nullptr;
  if (found->if_array() == nullptr) wrong_type(name, "an array", *found);
  return found->if_array();
}

std::optional<std::vector<std::string>> Fields::strings(std::string_view name) {
  const json::Value* found = value(name);
  if (found == nullptr) return std::nullopt;
  std::vector<std::string> all;
  if (const std::string* text = found->if_string()) {
    all.push_back(*text);
    return all;
  }
  const json::Array* array = found->if_array();
  if (array == nullptr || !std::ranges::all_of(*array, &json::Value::is_string)) {
    wrong_type(name, "a string or an array of strings", *found);
    return std::nullopt;
  }
  for (const json::Value& item : *array) all.push_back(*item.if_string());
  return all;
}

void Fields::fail(std::string_view name, std::string message, ErrorCode code) {
  if (!error_) error_ = Error{code, std::move(message), path_ + std::string(name)};
}

void Fields::require(std::string_view name) {
  if (!has(name)) fail(name, fmt::format("'{}{}' field is required", path_, name), ErrorCode::kMissingParameter);
}

void Fields::allow_only(std::initializer_list<std::string_view> names) {
  std::string unknown;
  for (const auto& [key, _] : object_) {
    if (std::ranges::find(names, key) == names.end())
      unknown += fmt::format("{}'{}'", unknown.empty() ? "" : ", ", key);
  }
  if (!unknown.empty() && !error_) {
    error_ = Error{ErrorCode::kInvalidRequest, "Unrecognized key(s) in object: " + unknown, {}};
  }
}

void Fields::wrong_type(std::string_view name, std::string_view expected, const json::Value& found) {
  fail(name, fmt::format("'{}{}' field must be {}, not {}", path_, name, expected, kind_name(found)));
}

}  // namespace atelier::api
