#include "prompt/output/call_reader.h"

#include <algorithm>
#include <utility>

#include "base/json.h"

namespace atelier::prompt::output {
namespace {

bool is_space(int byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

bool is_identifier(int byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_' ||
         byte == '-' || byte == '.';
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \n\t\r");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \n\t\r") - first + 1));
}

std::string json_key(std::string_view name, bool first) {
  std::string key = first ? "" : ", ";
  json::dump_string_to(key, name);
  return key + ": ";
}

}  // namespace

struct CallReader::Object {
  std::string name, id;
  std::string arguments;  // held until the name is known
  bool has_name = false, has_arguments = false;
  int depth = 1;  // {"function": {…}} is read as if its members stood one level up
};

CallReader::CallReader(Source& source, Events& events, const ToolFormat& format, const json::Array& tools,
                       const std::vector<std::string>& control_tokens)
    : source_(source),
      events_(events),
      format_(format),
      tools_(tools),
      call_end_(format.call_end, control_tokens),
      name_prefix_(format.name_prefix, control_tokens),
      name_end_(format.name_end, control_tokens),
      arguments_end_(format.arguments_end, control_tokens),
      id_begin_(format.id_begin, control_tokens),
      parameter_begin_(format.parameter_begin, control_tokens),
      parameter_name_end_(format.parameter_name_end, control_tokens),
      value_begin_(format.value_begin, control_tokens),
      parameter_end_(format.parameter_end, control_tokens),
      string_delimiter_(format.string_delimiter, control_tokens) {}

// ---------------------------------------------------------------- calls

bool CallReader::start(std::string name, std::string id) {
  if (name.empty() || (must_be_offered_ && !tools_.has(name))) return false;
  open_ = true;
  is_no_call_ = !format_.no_call.empty() && name.starts_with(format_.no_call) && !tools_.has(name);
  if (!is_no_call_) events_.call_start(std::move(name), std::move(id));
  return true;
}

void CallReader::end() {
  open_ = false;
  if (!is_no_call_) events_.call_end();
  // What is given back as text, if the next call fails, begins after this one.
  source_.begin_record();
}

void CallReader::close_failed(std::string text) {
  open_ = false;
  if (!is_no_call_) {
    events_.call_failed(std::move(text));
  } else {
    events_.message(text);
  }
}

Parse<bool> CallReader::body(bool must_be_offered) {
  must_be_offered_ = must_be_offered;
  bool is_call = false;
  switch (format_.body) {
    case CallBody::kObjects: is_call = co_await objects(); break;
    case CallBody::kNamed: is_call = co_await named(); break;
    case CallBody::kParameters: is_call = co_await parameters(); break;
    case CallBody::kPython: is_call = co_await python(); break;
    case CallBody::kBraced: is_call = co_await braced(); break;
  }
  co_return is_call;
}

// ---------------------------------------------------------------- steps

Parse<bool> CallReader::skip_space(std::string_view also) {
  while (true) {
    const int byte = co_await source_.peek();
    if (!is_space(byte) && (byte < 0 || also.find(static_cast<char>(byte)) == std::string_view::npos)) co_return true;
    source_.take(1);
  }
}

Parse<bool> CallReader::accept(const Marker& marker) {
  while (!marker.empty()) {
    std::size_t length = 0;
    const Match match = source_.match(marker, 0, length);
    if (match == Match::kNo) co_return false;
    if (match == Match::kYes) {
      source_.take(length);
      co_return true;
    }
    co_await source_.more();
  }
  co_return false;
}

Parse<bool> CallReader::name_until(std::string& name, const Marker& first, const Marker* second, bool& was_second,
                                   bool only_offered) {
  was_second = false;
  while (true) {
    const bool found = co_await accept(first);
    if (found) co_return true;
    if (second != nullptr) {
      was_second = co_await accept(*second);
      if (was_second) co_return true;
    }
    const int byte = co_await source_.peek();
    if (byte < 0 || name.size() >= kMaxName) co_return false;
    name += static_cast<char>(byte);
    source_.take(1);
    if (only_offered && !tools_.has_beginning(name)) co_return false;
  }
}

Parse<bool> CallReader::value(Notation notation, std::string* held) {
  LiteralReader reader(notation);
  while (true) {
    const int next = co_await source_.peek();
    if (next == Source::kEnd) co_return false;
    std::string json;
    auto step = LiteralReader::Step::kMore;
    if (!string_delimiter_.empty()) {
      const bool delimiter = co_await accept(string_delimiter_);
      if (delimiter) {
        step = reader.feed(LiteralReader::kDelimiter, json);
      } else {
        const int byte = co_await source_.peek();
        if (byte < 0) co_return false;
        step = reader.feed(byte, json);
        if (step != LiteralReader::Step::kDoneBefore) source_.take(1);
      }
    } else {
      if (next == Source::kControl) co_return false;
      const std::string_view bytes = source_.rest();
      std::size_t used = 0;
      while (used < bytes.size() && bytes[used] != kControlBegin && step == LiteralReader::Step::kMore) {
        step = reader.feed(static_cast<unsigned char>(bytes[used]), json);
        if (step != LiteralReader::Step::kDoneBefore) ++used;
      }
      source_.take(used);
    }
    if (step == LiteralReader::Step::kBad) co_return false;
    if (held != nullptr) {
      *held += json;
    } else if (!is_no_call_) {
      events_.call_arguments(json);
    }
    if (step != LiteralReader::Step::kMore) co_return true;
  }
}

Parse<bool> CallReader::skip_value() {
  std::string ignored;
  const bool read = co_await value(Notation::kJson, &ignored);
  co_return read;
}

Parse<bool> CallReader::json_string(std::string& text, std::size_t limit) {
  std::string json;
  const int quote = co_await source_.peek();
  if (quote != '"') co_return false;
  const bool read = co_await value(Notation::kJson, &json);
  if (!read || json.size() > limit) co_return false;
  const auto parsed = json::parse(json);
  if (!parsed || !parsed->is_string()) co_return false;
  text = *parsed->if_string();
  co_return true;
}

Parse<bool> CallReader::identifier(std::string& name) {
  while (name.size() < kMaxName) {
    const int byte = co_await source_.peek();
    if (!is_identifier(byte)) co_return !name.empty();
    name += static_cast<char>(byte);
    source_.take(1);
    if (must_be_offered_ && !tools_.has_beginning(name)) co_return false;
  }
  co_return false;
}

// ---------------------------------------------------------------- JSON objects

Parse<bool> CallReader::objects() {
  co_await skip_space();
  const int opening = co_await source_.peek();
  const bool list = opening == '[';
  if (list) {
    source_.take(1);
    co_await skip_space();
  }
  bool any = false;
  while (true) {
    const int byte = co_await source_.peek();
    if (list && byte == ']') {
      source_.take(1);
      break;
    }
    if (byte != '{') {
      if (any) break;
      co_return false;
    }
    const bool read = co_await object();
    if (!read) co_return false;
    any = true;
    // Without an end there is no telling a next object from an answer in JSON: the caller looks further.
    if (!list && call_end_.empty()) co_return true;
    co_await skip_space(",;");
  }
  co_await skip_space();
  co_await accept(call_end_);
  source_.begin_record();
  co_return true;
}

Parse<bool> CallReader::object() {
  Object seen;
  source_.take(1);
  while (seen.depth > 0) {
    co_await skip_space(",");
    const int byte = co_await source_.peek();
    if (byte == '}') {
      source_.take(1);
      --seen.depth;
    } else {
      const bool read = co_await object_member(seen);
      if (!read) {
        // Models forget the last brace at times. With name and arguments there, the call is whole.
        if (!seen.has_name || !seen.has_arguments) co_return false;
        const bool ended = co_await accept(call_end_);
        if (!ended) co_return false;
        break;
      }
    }
  }
  if (!open_) {
    if (!seen.has_name || !start(std::move(seen.name), std::move(seen.id))) co_return false;
    if (!is_no_call_) events_.call_arguments(seen.arguments.empty() ? "{}" : seen.arguments);
  }
  end();
  co_return true;
}

Parse<bool> CallReader::object_member(Object& seen) {
  std::string key;
  const bool has_key = co_await json_string(key, kMaxKey);
  if (!has_key) co_return false;
  co_await skip_space();
  const int colon = co_await source_.peek();
  if (colon != ':') co_return false;
  source_.take(1);
  co_await skip_space();
  const int first = co_await source_.peek();

  if (key == "function" && first == '{' && !seen.has_name) {
    source_.take(1);
    ++seen.depth;
    co_return true;
  }
  if (is_one_of(key, {"name", "tool_name", "function"}) && !seen.has_name) {
    seen.has_name = co_await json_string(seen.name, kMaxName);
    if (!seen.has_name || (must_be_offered_ && !tools_.has(seen.name))) co_return false;
    co_return true;
  }
  if (is_one_of(key, {"arguments", "parameters", "args"}) && !seen.has_arguments) {
    const bool read = co_await object_arguments(seen);
    co_return read;
  }
  if (format_.name_is_key && !seen.has_name) {
    seen.name = std::move(key);
    seen.has_name = true;
    const bool read = co_await object_arguments(seen);
    co_return read;
  }
  if (is_one_of(key, {"id", "tool_call_id", "call_id"}) && first == '"') {
    std::string id;
    const bool read = co_await json_string(id, kMaxName);
    if (format_.keeps_id) seen.id = std::move(id);
    co_return read;
  }
  // In text that only looks like a call, a strange member says that it is none.
  if (must_be_offered_ && !is_one_of(key, {"id", "type", "tool_call_id", "index"})) co_return false;
  const bool read = co_await skip_value();
  co_return read;
}

Parse<bool> CallReader::object_arguments(Object& seen) {
  seen.has_arguments = true;
  const int first = co_await source_.peek();
  if (first == '{') {
    if (!seen.has_name) {
      const bool read = co_await value(Notation::kJson, &seen.arguments);
      co_return read;
    }
    if (!start(seen.name, seen.id)) co_return false;
    const bool read = co_await value(Notation::kJson, nullptr);
    co_return read;
  }
  // Some models write the object as a string, or null for none.
  std::string json;
  const bool read = co_await value(Notation::kJson, &json);
  const auto parsed = json::parse(json);
  if (!read || !parsed) co_return false;
  if (parsed->is_null()) co_return true;
  const std::string* text = parsed->if_string();
  if (text == nullptr) co_return false;
  const std::string object = trimmed(*text);
  if (object.empty()) co_return true;
  const auto inner = json::parse(object);
  if (!inner || !inner->is_object()) co_return false;
  seen.arguments = object;
  co_return true;
}

// ---------------------------------------------------------------- name, then JSON

Parse<bool> CallReader::named() {
  co_await skip_space();
  const int first = co_await source_.peek();
  if (first == '[' || first == '{') {  // an older generation of the family
    const bool read = co_await objects();
    co_return read;
  }
  std::string name;
  std::string id;
  const bool prefixed = co_await accept(name_prefix_);
  bool id_follows = false;
  const Marker* id_begin = id_begin_.empty() ? nullptr : &id_begin_;
  const bool has_name = co_await name_until(name, name_end_, id_begin, id_follows, must_be_offered_);
  if (!has_name) co_return false;
  if (id_follows) {
    bool ignored = false;
    const bool has_id = co_await name_until(id, name_end_, nullptr, ignored);
    if (!has_id) co_return false;
  }
  name = trimmed(name);
  if (format_.name_is_id) {
    id = (prefixed ? std::string(format_.name_prefix) : std::string()) + name;
    name = name.substr(0, name.rfind(':'));
  }
  co_await skip_space();
  const int opening = co_await source_.peek();
  if (opening != '{' || !start(std::move(name), trimmed(id))) co_return false;
  const bool read = co_await value(Notation::kJson, nullptr);
  if (!read) co_return false;
  end();
  co_await skip_space();
  const bool arguments_ended = co_await accept(arguments_end_);
  if (arguments_ended) co_await skip_space();
  co_await accept(call_end_);
  source_.begin_record();
  co_return true;
}

Parse<bool> CallReader::named_arguments(std::string_view name) {
  must_be_offered_ = false;
  co_await skip_space();
  const int opening = co_await source_.peek();
  if (opening >= 0 && opening != '{') co_return false;
  if (opening == Source::kEnd && !source_.complete()) co_return false;
  if (!start(std::string(name), {})) co_return false;
  if (opening == '{') {
    const bool read = co_await value(Notation::kJson, nullptr);
    if (!read) co_return false;
  } else {
    events_.call_arguments("{}");
  }
  end();
  co_return true;
}

// ---------------------------------------------------------------- parameters between markers

Parse<bool> CallReader::parameters() {
  co_await skip_space();
  std::string name;
  // The name ends with its marker, or where the first parameter or the end of the call begins.
  while (true) {
    std::size_t length = 0;
    const bool ended = co_await accept(name_end_);
    if (ended) break;
    const int byte = co_await source_.peek();
    const Match parameter_next = source_.match(parameter_begin_, 0, length);
    const Match end_next = source_.match(call_end_, 0, length);
    if (parameter_next == Match::kYes || end_next == Match::kYes) break;
    if (parameter_next == Match::kPartial || end_next == Match::kPartial) {
      co_await source_.more();
      continue;
    }
    if (byte < 0 || name.size() >= kMaxName) co_return false;
    name += static_cast<char>(byte);
    source_.take(1);
  }
  name = trimmed(name);
  // JSON after the name is another family's format.
  co_await skip_space();
  const int next = co_await source_.peek();
  if (next == '{' || !start(name, {})) co_return false;
  if (!is_no_call_) events_.call_arguments("{");
  for (bool first = true;; first = false) {
    co_await skip_space();
    const bool another = co_await accept(parameter_begin_);
    if (!another) break;
    const bool read = co_await parameter(name, first);
    if (!read) co_return false;
  }
  const bool ended = co_await accept(call_end_);
  if (!ended && !(source_.ended() && source_.available() == 0 && source_.complete())) co_return false;
  events_.call_arguments("}");
  end();
  co_return true;
}

Parse<bool> CallReader::parameter(std::string_view tool, bool first) {
  std::string name;
  bool ignored = false;
  const bool has_name = co_await name_until(name, parameter_name_end_, nullptr, ignored);
  if (!has_name) co_return false;
  name = trimmed(name);
  ParameterType type = tools_.type(tool, name);
  if (format_.parameter_name_end.ends_with('"')) {
    std::string attributes;
    const Marker tag_end(">", {});
    const bool closed = co_await name_until(attributes, tag_end, nullptr, ignored);
    if (!closed) co_return false;
    if (attributes.find("string=\"true\"") != std::string::npos) type = ParameterType::kString;
    if (attributes.find("string=\"false\"") != std::string::npos) type = ParameterType::kOther;
  }
  if (!value_begin_.empty()) {
    co_await skip_space();
    const bool begun = co_await accept(value_begin_);
    if (!begun) co_return false;
  }
  events_.call_arguments(json_key(name, first));
  if (type == ParameterType::kString) {
    const bool read = co_await text_parameter();
    co_return read;
  }
  std::string text;
  while (true) {
    const bool ended = co_await accept(parameter_end_);
    if (ended) break;
    const int byte = co_await source_.peek();
    if (byte < 0) co_return false;
    text += static_cast<char>(byte);
    source_.take(1);
  }
  if (text.starts_with('\n')) text.erase(0, 1);
  if (text.ends_with('\n')) text.pop_back();
  events_.call_arguments(typed_value(text, type));
  co_return true;
}

// The text goes out while it comes; one newline after the marker and one before the end belong to the markers.
Parse<bool> CallReader::text_parameter() {
  events_.call_arguments("\"");
  bool first = true;
  bool newline_held = false;
  while (true) {
    const bool ended = co_await accept(parameter_end_);
    if (ended) break;
    const int byte = co_await source_.peek();
    if (byte < 0) co_return false;
    source_.take(1);
    std::string out;
    if (newline_held) out += "\\n";
    newline_held = byte == '\n' && !first;
    if (byte != '\n') append_escaped(out, std::string(1, static_cast<char>(byte)));
    first = false;
    events_.call_arguments(out);
  }
  events_.call_arguments("\"");
  co_return true;
}

// ---------------------------------------------------------------- Python

Parse<bool> CallReader::python() {
  co_await skip_space();
  const int opening = co_await source_.peek();
  const bool list = opening == '[';
  if (list) source_.take(1);
  bool any = false;
  while (true) {
    co_await skip_space(any ? ",;" : "");
    const int byte = co_await source_.peek();
    if (list && byte == ']') {
      source_.take(1);
      source_.begin_record();
      co_return any;
    }
    if (!is_identifier(byte)) co_return any && !list;
    const bool read = co_await python_call();
    if (!read) co_return false;
    any = true;
  }
}

Parse<bool> CallReader::python_call() {
  std::string name;
  const bool has_name = co_await identifier(name);
  if (!has_name) co_return false;
  co_await skip_space();
  const int bracket = co_await source_.peek();
  if (bracket != '(') co_return false;
  source_.take(1);
  if (name.ends_with(".call")) name.resize(name.size() - 5);
  if (!start(name, {})) co_return false;
  const bool read = co_await python_arguments(name);
  if (!read) co_return false;
  end();
  co_return true;
}

Parse<bool> CallReader::python_arguments(std::string_view tool) {
  events_.call_arguments("{");
  std::size_t position = 0;
  while (true) {
    co_await skip_space(position > 0 ? "," : "");
    const int byte = co_await source_.peek();
    if (byte == ')') {
      source_.take(1);
      events_.call_arguments("}");
      co_return true;
    }
    std::string name;
    const bool keyword = co_await keyword_follows();
    if (keyword) {
      bool ignored = false;
      const Marker equals("=", {});
      const bool has_name = co_await name_until(name, equals, nullptr, ignored);
      if (!has_name) co_return false;
      name = trimmed(name);
    } else {
      name = tools_.parameter_at(tool, position);
    }
    if (name.empty()) co_return false;
    events_.call_arguments(json_key(name, position == 0));
    const bool read = co_await value(Notation::kPython, nullptr);
    if (!read) co_return false;
    ++position;
  }
}

// Looks ahead: an identifier and one equals sign.
Parse<bool> CallReader::keyword_follows() {
  std::size_t at = 0;
  bool space = false;
  while (true) {
    while (at >= source_.available()) {
      if (source_.ended()) co_return false;
      co_await source_.more();
    }
    const char byte = source_.rest()[at];
    if (byte == '=') co_return at > 0;
    if (is_space(byte)) {
      space = true;
    } else if (space || !is_identifier(static_cast<unsigned char>(byte))) {
      co_return false;
    }
    if (++at > kMaxName) co_return false;
  }
}

// ---------------------------------------------------------------- braces

Parse<bool> CallReader::braced() {
  co_await skip_space();
  const bool prefixed = co_await accept(name_prefix_);
  if (!prefixed) co_return false;
  std::string name;
  const bool has_name = co_await identifier(name);
  if (!has_name) co_return false;
  co_await skip_space();
  const int bracket = co_await source_.peek();
  if (bracket != '{' || !start(std::move(name), {})) co_return false;
  const bool read = co_await value(Notation::kBraced, nullptr);
  if (!read) co_return false;
  end();
  co_await skip_space();
  co_await accept(call_end_);
  source_.begin_record();
  co_return true;
}

}  // namespace atelier::prompt::output
