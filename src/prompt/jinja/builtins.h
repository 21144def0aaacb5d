// What templates can call: operators, subscripts, methods, filters, tests and functions. Everything throws
// TemplateException where Python would raise an exception.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "prompt/jinja/runtime_objects.h"
#include "prompt/jinja/syntax.h"
#include "prompt/jinja/value.h"

namespace atelier::prompt::jinja {

class Interpreter;

// ---- Filters and tests

inline constexpr std::size_t kMaxParameters = 6;
using Bound = std::array<Value, kMaxParameters>;  // one for each parameter; missing where not given
const Bound& nothing_bound();

struct Signature {
  std::array<std::string_view, kMaxParameters> parameters{};
  std::size_t required = 0;
  bool takes_anything = false;  // reads the arguments itself
};

struct FilterInfo {
  std::string_view name;
  Signature signature;
  Value (*run)(Interpreter& interpreter, const Value& input, Bound& bound, Arguments& arguments);
  // Puts str() of what run() gives into the output; null where there is no shorter way.
  void (*write)(TextBuilder& out, const Value& input, const Bound& bound) = nullptr;
  // The same as run() for calls without arguments; null where there is no shorter way.
  Value (*plain)(const Value& input) = nullptr;
};

struct TestInfo {
  std::string_view name;
  Signature signature;
  bool (*run)(const Value& input, Bound& bound);
  bool (*plain)(const Value& input) = nullptr;  // the same, for tests without arguments
};

// The tables, each in its file: filters.cpp, sequence_filters.cpp, text_filters.cpp.
std::span<const FilterInfo> value_filters();
std::span<const FilterInfo> sequence_filters();
std::span<const FilterInfo> text_filters();

const FilterInfo* find_filter(std::string_view name);
const TestInfo* find_test(std::string_view name);
// "there is no filter 'tojsn'; did you mean 'tojson'?"
std::string unknown_filter(std::string_view name);
std::string unknown_test(std::string_view name);

// Puts the arguments of a call to `what` where they belong.
void bind_arguments(std::string_view what, const Signature& signature, Arguments& arguments, Bound& bound);

Value run_filter(Interpreter& interpreter, const FilterInfo& filter, const Value& input, Arguments& arguments);
bool run_test(const TestInfo& test, const Value& input, Arguments& arguments);

// ---- Functions that are there without being given: range, dict, namespace, cycler, joiner, lipsum,
// raise_exception, strftime_now. Missing where there is no such function.
Value builtin_function(std::string_view name);
Value call_joiner(JoinerObject& joiner);

// ---- Operators (operators.cpp)

// a + b grows a in place where it can.
Value add(Value a, const Value& b);
// kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower.
Value arithmetic(ExpressionKind operation, const Value& a, const Value& b);
Value negative(const Value& a);
Value positive(const Value& a);
bool contains(const Value& container, const Value& item);
bool compare(Comparison comparison, const Value& a, const Value& b);
[[noreturn]] void raise_undefined(const Value& value);

// ---- Subscripts and attributes (attributes.cpp)

// object[index], with Jinja's fall back to attributes.
Value subscript(const Value& object, const Value& index);
// object.name, with Jinja's fall back to object["name"]. `method` is the name's, if a method has that name.
Value attribute(const Value& object, const Value& name, Method method);
Value loop_member(LoopObject& loop, LoopMember member);
// object[start:stop:step]; none where there is no bound.
Value slice(const Value& object, const Value& start, const Value& stop, const Value& step);
// object.name alone, as the filter attr has it; undefined where there is no such attribute.
Value attribute_alone(const Value& object, const Value& name);
// Whether that type has a method of that name that a template may call.
enum class MethodAccess { kAbsent, kAllowed, kForbidden };
MethodAccess method_access(const Value& object, Method method);

// ---- Methods (string_methods.cpp, text_properties.cpp, container_methods.cpp)

Value call_method(Interpreter& interpreter, const Value& self, Method method, Arguments& arguments);
Value call_text_method(const Value& self, Method method, Arguments& arguments);
Value call_container_method(Interpreter& interpreter, const Value& self, Method method, Arguments& arguments);
bool text_property(const TextObject& text, Method method);  // isalpha and the like
// upper, lower, title, capitalize, swapcase, casefold
Value change_case(const TextObject& text, Method method);

// Text methods that filters share.
Value strip_text(const TextObject& text, const Value& characters, bool left, bool right);
Value replace_text(const TextObject& text, const TextObject& from, const TextObject& to, std::int64_t count);
std::vector<Value> split_text(const TextObject& text, const Value& separator, std::int64_t limit, bool from_right);
std::vector<Value> split_lines(const TextObject& text, bool keep_ends);
Value join_texts(const TextObject& separator, const std::vector<Value>& items);
Value center_text(const TextObject& text, std::int64_t width);

// Python's textwrap.wrap (wrap_text.cpp): the lines that one line becomes.
struct WrapOptions {
  std::size_t width = 79;  // characters, at least 1
  bool break_long_words = true;
  bool break_on_hyphens = true;
  bool hyphens_in_long_words = true;  // words that are broken are broken after a hyphen where they have one
};
void wrap_line(const TextObject& line, const WrapOptions& options, std::vector<Value>& out);

// ---- Markup (markup.cpp): text that `safe` or `escape` has marked, as Python's markupsafe has it

// The value as marked text, escaped where it was not marked.
Value escaped(const Value& value);
// left + right where one of them is marked.
Value add_markup(const Value& left, const Value& right);
Value call_markup_method(const Value& self, Method method, Arguments& arguments);

// ---- Text from values (represent.cpp, json_text.cpp)

void append_text(TextBuilder& out, const Value& value);            // str()
void append_representation(TextBuilder& out, const Value& value);  // repr()
Value to_text(const Value& value);
std::string plain_text(const Value& value);
void append_quoted(TextBuilder& out, const TextObject& text);  // repr() of text
Value pretty_text(const Value& value);                         // pprint.pformat

struct JsonOptions {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool pretty = false;
  Value indentation;     // text of one level, where pretty
  Value item_separator;  // text
  Value key_separator;
};
void append_json(TextBuilder& out, const Value& value, const JsonOptions& options);

// ---- Formatting (percent_format.cpp, format.cpp)

// format % arguments; a format that is marked escapes them.
Value percent_format(const Value& format, const Value& arguments);
// The conversions %a and !a, from repr()
Value ascii_text(const TextObject& text);
// str.format; a format that is marked escapes what it takes in.
Value format_text(const Value& format, const Arguments& arguments);
// format(value, specification)
void append_formatted(TextBuilder& out, const Value& value, const TextObject& specification);

// ---- Numbers (numbers.cpp)

// Python's int(text, base) and float(text); false where the text is no number.
bool parse_integer(std::string_view text, int base, Value& result);
bool parse_real(std::string_view text, double& result);
// int(x) of a real; throws for infinities, NaN and what 64 bits cannot hold.
std::int64_t truncate(double real);
// A C conversion, "%.3f" and the like.
std::string print_real(char conversion, int precision, bool alternative, double real);
Value round_value(const Value& value, std::int64_t precision);

// An argument as what it has to be; `what` names the place in the error.
std::int64_t integer_argument(const Value& value, std::string_view what);
const TextObject& text_argument(const Value& value, std::string_view what);

}  // namespace atelier::prompt::jinja
