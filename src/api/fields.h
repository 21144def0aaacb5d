// Reads the fields of a request's JSON object, with a type and a range for each. The first thing that is
// wrong is kept and reported once at the end, so decoders read like a list of fields:
//
//   Fields fields(object);
//   request.temperature = fields.number("temperature", 0, 2);
//   request.stream = fields.boolean("stream").value_or(false);
//   if (auto error = fields.error()) return std::unexpected(*error);
//
// A null member counts as absent, as the OpenAI clients send it. Error texts name the field, what was expected
// and what was found.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace atelier::api {

class Fields {
 public:
  // `path` is put before names in errors: "stream_options.". The object must outlive the reader.
  explicit Fields(const json::Object& object, std::string path = {}) : object_(object), path_(std::move(path)) {}

  bool has(std::string_view name) const { return value(name) != nullptr; }
  // The member, or null where it is absent or null.
  const json::Value* value(std::string_view name) const;

  std::optional<bool> boolean(std::string_view name);
  std::optional<std::string> string(std::string_view name);
  std::optional<double> number(std::string_view name, double least, double most);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most);
  const json::Object* object(std::string_view name);
  const json::Array* array(std::string_view name);
  // A string, or an array of strings.
  std::optional<std::vector<std::string>> strings(std::string_view name);

  // Records a mistake; the first one stays.
  void fail(std::string_view name, std::string message, ErrorCode code = ErrorCode::kInvalidRequest);
  // Records "missing" where the member is absent.
  void require(std::string_view name);
  // Records every member whose name is not in the list, for dialects that refuse unknown keys.
  void allow_only(std::initializer_list<std::string_view> names);

  const std::optional<Error>& error() const { return error_; }

 private:
  void wrong_type(std::string_view name, std::string_view expected, const json::Value& found);

  const json::Object& object_;
  std::string path_;
  std::optional<Error> error_;
};

// "a string", "an object", … for messages about what was found.
std::string_view kind_name(const json::Value& value);

}  // namespace atelier::api
