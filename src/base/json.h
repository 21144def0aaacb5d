// JSON as prompts need it: member order is kept, numbers are exact, text round-trips.
//
// Parsing is nlohmann/json's SAX parser (seen by json.cpp alone, so that this header stays light); the
// value type and the serialiser are ours, because prompts depend on both (docs/dependencies.md has the
// comparison). Numbers: an integer is kept as 64 bits where it fits; a number that neither 64 bits nor a
// double gives back keeps its source text. Doubles are written as the shortest text that reads back the
// same, in the form of Python's repr (0.7, 1.0, 1e+22), because chat templates were written against that.
// Duplicate members: the last value wins at the first one's place, as in Python. A lone UTF-16 surrogate
// escape becomes U+FFFD. All functions are pure; values are copied deeply; any thread may use them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

namespace atelier::json {

class Value;
using Array = std::vector<Value>;
using Member = std::pair<std::string, Value>;

// Members in the order they were added. Lookup is linear: objects in requests and prompts are small.
class Object {
 public:
  Object() = default;
  Object(std::initializer_list<Member> members);

  bool empty() const;
  std::size_t size() const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  // The member's value; a null one is appended where there is none.
  Value& operator[](std::string_view key);
  // Replaces the value in place, or appends.
  Value& set(std::string_view key, Value value);
  // Appends without looking for the key: for callers that know that it is new.
  Value& append(std::string key, Value value);
  // Keeps the order of the others. False where there was no such member.
  bool erase(std::string_view key);

  std::vector<Member>::const_iterator begin() const;
  std::vector<Member>::const_iterator end() const;
  std::vector<Member>::iterator begin();
  std::vector<Member>::iterator end();

  friend bool operator==(const Object& a, const Object& b);  // ignores the order of members

 private:
  std::vector<Member> members_;
};

// A number outside the range of 64-bit integers that a double cannot give back, as its source text.
struct ExactNumber {
  std::string text;
  double approximate = 0;
  friend bool operator==(const ExactNumber& a, const ExactNumber& b) { return a.text == b.text; }
};

class Value {
 public:
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  template <class T>
    requires(std::is_integral_v<T> && std::is_signed_v<T> && !std::is_same_v<T, bool>)
  Value(T value) : data_(static_cast<std::int64_t>(value)) {}
  template <class T>
    requires(std::is_integral_v<T> && std::is_unsigned_v<T> && !std::is_same_v<T, bool>)
  Value(T value) : data_(from_unsigned(value)) {}
  Value(double value) : data_(value) {}
  Value(ExactNumber value) : data_(std::move(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(Array value) : data_(std::move(value)) {}
  Value(Object value) : data_(std::move(value)) {}
  template <class T>
  Value(std::optional<T> value) {
    if (value) *this = Value(std::move(*value));
  }

  Kind kind() const;
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_number() const { return kind() == Kind::kNumber; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }
  // A number written without fraction or exponent that fits 64 bits (signed or unsigned).
  bool is_integer() const;

  // Pointers that are null where the value is of another kind.
  const bool* if_bool() const { return std::get_if<bool>(&data_); }
  const std::string* if_string() const { return std::get_if<std::string>(&data_); }
  const Array* if_array() const { return std::get_if<Array>(&data_); }
  const Object* if_object() const { return std::get_if<Object>(&data_); }
  std::string* if_string() { return std::get_if<std::string>(&data_); }
  Array* if_array() { return std::get_if<Array>(&data_); }
  Object* if_object() { return std::get_if<Object>(&data_); }

  // The number as a double (rounded where it must be); nothing for other kinds.
  std::optional<double> number() const;
  // An integer, or a double without fraction (1.0 counts), that fits; nothing otherwise.
  std::optional<std::int64_t> integer() const;

  // The representation, for code that must tell 1 from 1.0 (the template interpreter).
  using Data =
      std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, ExactNumber, std::string, Array, Object>;
  const Data& data() const { return data_; }

  // Member of an object, or null where this is no object or has no such member.
  const Value* find(std::string_view key) const;

  friend bool operator==(const Value& a, const Value& b);  // 1 equals 1.0

 private:
  static Data from_unsigned(std::uint64_t value);
  Data data_;
};

// Down here because clang wants to see all of Value before it touches a vector of Members.
inline Object::Object(std::initializer_list<Member> members) : members_(members) {}
inline bool Object::empty() const { return members_.empty(); }
inline std::size_t Object::size() const { return members_.size(); }
inline std::vector<Member>::const_iterator Object::begin() const { return members_.begin(); }
inline std::vector<Member>::const_iterator Object::end() const { return members_.end(); }
inline std::vector<Member>::iterator Object::begin() { return members_.begin(); }
inline std::vector<Member>::iterator Object::end() { return members_.end(); }

struct ParseLimits {
  int depth = 512;                        // nesting of arrays and objects
  std::size_t values = 64 * 1024 * 1024;  // values in the whole document
};

// The whole text must be one JSON document. The error names line and column.
Result<Value> parse(std::string_view text, const ParseLimits& limits = {});

struct DumpOptions {
  int indent = -1;                        // spaces a level; below zero: one line
  std::string_view item_separator = ",";  // Python's json.dumps uses ", " and ": "
  std::string_view key_separator = ":";
  bool ensure_ascii = false;  // \uXXXX for everything outside ASCII
  bool sort_keys = false;
};

// Non-finite doubles, which JSON does not have, are written as null. Invalid UTF-8 becomes U+FFFD.
std::string dump(const Value& value, const DumpOptions& options = {});
void dump_to(std::string& out, const Value& value, const DumpOptions& options = {});

// Text as a JSON string with its quotes.
void dump_string_to(std::string& out, std::string_view text, bool ensure_ascii = false);

// The double with the shortest text that reads back as this float: 0.1f becomes 0.1, not 0.10000000149011612.
double shortest_double(float value);

// A double as Python's repr gives it: "0.7", "1.0", "1e+22", "inf", "nan".
std::string python_repr(double value);

}  // namespace atelier::json
