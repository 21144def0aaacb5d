// Filters over text.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/utf8.h"
#include "prompt/jinja/builtins.h"
#include "prompt/jinja/html_entities.h"
#include "prompt/jinja/interpreter.h"
#include "prompt/jinja/unicode.h"

namespace atelier::prompt::jinja {
namespace {

bool flag(const Value& value) { return !value.is_missing() && truth(value); }

// What a filter made of marked text, where Python's method keeps the mark.
Value marked_as(const Value& input, Value result) { return input.is_markup() ? result.as_markup() : result; }

template <Method kMethod>
Value plain_case(const Value& input) {
  const Value text = to_text(input);
  return marked_as(text, change_case(text.as_text(), kMethod));
}

template <Method kMethod>
Value filter_case(Interpreter&, const Value& input, Bound&, Arguments&) {
  return plain_case<kMethod>(input);
}

Value filter_center(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  const Value text = to_text(input);
  return marked_as(text, center_text(text.as_text(), bound[0].is_missing() ? 80 : integer_argument(bound[0], "width")));
}

Value filter_escape(Interpreter&, const Value& input, Bound&, Arguments&) { return escaped(input); }

Value filter_forceescape(Interpreter&, const Value& input, Bound&, Arguments&) {
  return escaped(to_text(input).without_markup());
}

Value plain_safe(const Value& input) { return to_text(input).as_markup(); }
Value filter_safe(Interpreter&, const Value& input, Bound&, Arguments&) { return plain_safe(input); }
void write_safe(TextBuilder& out, const Value& input, const Bound&) { append_text(out, input); }

Value filter_indent(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  const TextObject& text = text_argument(input, "what indent works on");
  Value indentation = bound[0];
  if (!indentation.is_text()) {
    TextBuilder spaces;
    spaces.append_repeated(" ", indentation.is_missing() ? 4 : integer_argument(indentation, "width"),
                           Provenance::kTemplate);
    indentation = spaces.take();
  }
  const bool blank = flag(bound[2]);
  // A line end is added first, so that the last line counts whether or not it has one.
  TextBuilder with_end;
  with_end.append(text);
  with_end.append('\n', text.overall());
  const Value whole = with_end.take();
  TextBuilder out;
  if (flag(bound[1])) out.append(indentation.as_text());
  bool first = true;
  for (const Value& line : split_lines(whole.as_text(), false)) {
    if (!std::exchange(first, false)) {
      out.append('\n', text.overall());
      if (blank || !text_view(line).empty()) out.append(indentation.as_text());
    }
    out.append(line.as_text());
  }
  return marked_as(input, out.take());
}

Value filter_replace(Interpreter& interpreter, const Value& input, Bound& bound, Arguments&) {
  if (interpreter.escapes() && (input.is_markup() || bound[0].is_markup() || bound[1].is_markup())) {
    Arguments arguments;
    arguments.positional = {to_text(bound[0]), to_text(bound[1])};
    if (!bound[2].is_missing() && !bound[2].is_none()) arguments.positional.push_back(bound[2]);
    return call_markup_method(escaped(input), Method::k_replace, arguments);
  }
  const Value text = to_text(input);
  const Value from = to_text(bound[0]);
  const Value to = to_text(bound[1]);
  const std::int64_t count = bound[2].is_missing() || bound[2].is_none() ? -1 : integer_argument(bound[2], "count");
  return replace_text(text.as_text(), from.as_text(), to.as_text(), count);
}

// Without everything from `open` to the next `close`.
Value without_sections(const TextObject& text, std::string_view open, std::string_view close) {
  const std::string& bytes = text.bytes;
  charge_bytes(bytes.size());
  TextBuilder out;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t begin = bytes.find(open, at);
    const std::size_t end = begin == std::string::npos ? begin : bytes.find(close, begin + open.size());
    if (end == std::string::npos) break;
    out.append_slice(text, at, begin);
    at = end + close.size();
  }
  out.append_slice(text, at, bytes.size());
  return out.take();
}

Value filter_striptags(Interpreter&, const Value& input, Bound&, Arguments&) {
  const Value text = to_text(input);
  // Comments, then tags, then runs of white space to one space each, then character references.
  const Value without_comments = without_sections(text.as_text(), "<!--", "-->");
  const Value without_tags = without_sections(without_comments.as_text(), "<", ">");
  const std::vector<Value> words = split_text(without_tags.as_text(), Value::none(), -1, false);
  const Value space = Value::template_text(" ");
  const Value joined = join_texts(space.as_text(), words);
  const TextObject& whole = joined.as_text();
  TextBuilder out;
  std::size_t plain = 0;
  for (std::size_t at = whole.bytes.find('&'); at != std::string::npos; at = whole.bytes.find('&', at + 1)) {
    if (at < plain) continue;
    const html::Reference reference = html::read_reference(std::string_view(whole.bytes).substr(at));
    if (reference.length == 0) continue;
    out.append_slice(whole, plain, at);
    out.append(reference.text, whole.at(at));
    plain = at + reference.length;
  }
  out.append_slice(whole, plain, whole.bytes.size());
  return out.take();
}

// Words begin after white space and after - ( { [ <.
Value filter_title(Interpreter&, const Value& input, Bound&, Arguments&) {
  const Value text = to_text(input);
  const TextObject& whole = text.as_text();
  TextBuilder out;
  const auto separates = [](char32_t c) {
    return unicode::is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  for (std::size_t at = 0; at < whole.bytes.size();) {
    std::size_t end = at;
    const bool separator = separates(utf8::decode(whole.bytes, at).code_point);
    while (end < whole.bytes.size()) {
      const utf8::Decoded decoded = utf8::decode(whole.bytes, end);
      if (separates(decoded.code_point) != separator) break;
      end += decoded.length;
    }
    const std::size_t first = at + utf8::decode(whole.bytes, at).length;
    const Value head = change_case(slice_text(whole, at, first).as_text(), Method::k_upper);
    const Value tail = change_case(slice_text(whole, first, end).as_text(), Method::k_lower);
    out.append(head.as_text());
    out.append(tail.as_text());
    at = end;
  }
  return out.take();
}

Value filter_trim(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  const Value text = to_text(input);
  Arguments arguments;
  if (!bound[0].is_missing()) arguments.positional.push_back(bound[0]);
  return text.is_markup() ? call_markup_method(text, Method::k_strip, arguments)
                          : strip_text(text.as_text(), bound[0], true, true);
}

Value plain_trim(const Value& input) {
  const Value text = to_text(input);
  if (!text.is_markup()) return strip_text(text.as_text(), nothing_bound()[0], true, true);
  Arguments none;
  return call_markup_method(text, Method::k_strip, none);
}

Value filter_truncate(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  const std::int64_t length = bound[0].is_missing() ? 255 : integer_argument(bound[0], "length");
  const Value end = bound[2].is_missing() ? Value::template_text("...") : bound[2];
  const std::int64_t leeway = bound[3].is_missing() || bound[3].is_none() ? 5 : integer_argument(bound[3], "leeway");
  const std::int64_t end_length = static_cast<std::int64_t>(text_argument(end, "end").length());
  if (length < end_length) raise_runtime("the length of truncate must be at least that of its end");
  if (leeway < 0) raise_runtime("the leeway of truncate must not be negative");
  if (length_of(input) <= length + std::min<std::int64_t>(leeway, 1'000'000'000)) return input;
  const TextObject& text = text_argument(input, "what truncate works on");
  Value kept = slice_text(text, 0, text.offset_of(static_cast<std::size_t>(length - end_length)));
  if (!flag(bound[1])) kept = split_text(kept.as_text(), Value::template_text(" "), 1, true).front();
  return add(marked_as(input, kept), end);
}

void append_percent_encoded(std::string& out, std::string_view text, bool for_query) {
  constexpr std::string_view kSafe = "_.-~";
  for (const char c : text) {
    const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (alphanumeric || kSafe.find(c) != std::string_view::npos || (c == '/' && !for_query)) {
      out += c;
    } else if (c == ' ' && for_query) {
      out += '+';
    } else {
      char buffer[4];
      std::snprintf(buffer, sizeof(buffer), "%%%02X", static_cast<unsigned char>(c));
      out += buffer;
    }
  }
}

Value filter_urlencode(Interpreter&, const Value& input, Bound&, Arguments&) {
  const Provenance provenance = overall_provenance(input);
  std::string out;
  if (input.is_text() || !ValueIterator::possible(input)) {
    append_percent_encoded(out, plain_text(input), false);
    return Value::text(std::move(out), provenance);
  }
  Provenance overall = provenance;
  const auto pair = [&](const Value& key, const Value& value) {
    if (!out.empty()) out += '&';
    append_percent_encoded(out, plain_text(key), true);
    out += '=';
    append_percent_encoded(out, plain_text(value), true);
    overall = mixed(overall, mixed(overall_provenance(key), overall_provenance(value)));
  };
  if (input.is_dict()) {
    for (const auto& [key, value] : input.as_dict().items) pair(key, value);
  } else {
    for (const Value& item : elements_of(input)) {
      const std::vector<Value> parts = elements_of(item);
      if (parts.size() != 2) raise_runtime("urlencode needs pairs");
      pair(parts[0], parts[1]);
    }
  }
  return Value::text(std::move(out), overall);
}

Value filter_wordcount(Interpreter&, const Value& input, Bound&, Arguments&) {
  const Value text = to_text(input);
  const std::string_view view = text_view(text);
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < view.size();) {
    const utf8::Decoded decoded = utf8::decode(view, at);
    const bool word = decoded.code_point == '_' || unicode::is_alnum(decoded.code_point);
    words += word && !inside ? 1 : 0;
    inside = word;
    at += decoded.length;
  }
  return Value::integer(words, text.as_text().overall());
}

Value filter_wordwrap(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  const TextObject& text = text_argument(input, "what wordwrap works on");
  const std::int64_t width = bound[0].is_missing() ? 79 : integer_argument(bound[0], "width");
  WrapOptions options;
  options.break_long_words = bound[1].is_missing() || truth(bound[1]);
  // Python asks for True itself in one place and for any truth in the other.
  options.break_on_hyphens = bound[3].is_missing() || (bound[3].is(Kind::kBool) && bound[3].as_bool());
  options.hyphens_in_long_words = bound[3].is_missing() || truth(bound[3]);
  const Value separator = bound[2].is_missing() || bound[2].is_none() ? Value::template_text("\n") : bound[2];
  std::vector<Value> lines;
  for (const Value& line : split_lines(text, false)) {
    if (width <= 0) raise_runtime("the width of wordwrap must be positive");
    options.width = static_cast<std::size_t>(width);
    const std::size_t before = lines.size();
    wrap_line(line.as_text(), options, lines);
    if (lines.size() == before) lines.push_back(Value::text({}, text.overall()));
  }
  return join_texts(text_argument(separator, "wrapstring"), lines);
}

Value filter_xmlattr(Interpreter& interpreter, const Value& input, Bound& bound, Arguments&) {
  if (!input.is_dict()) raise_runtime("xmlattr needs a mapping");
  TextBuilder out;
  bool first = true;
  const bool space = bound[0].is_missing() || truth(bound[0]);
  for (const auto& [key, value] : input.as_dict().items) {
    if (value.is_none() || value.is_undefined()) continue;
    if (text_argument(key, "an attribute's name").bytes.find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      raise_runtime("'" + plain_text(key) + "' is no valid attribute name");
    }
    if (!std::exchange(first, false) || space) out.append(' ', Provenance::kTemplate);
    const Value name = escaped(key);
    const Value safe = escaped(value);
    out.append(name.as_text());
    out.append("=\"", Provenance::kTemplate);
    out.append(safe.as_text());
    out.append('"', Provenance::kTemplate);
  }
  return interpreter.escapes() ? out.take().as_markup() : out.take();
}

constexpr FilterInfo kFilters[] = {
    {"capitalize", {}, filter_case<Method::k_capitalize>},
    {"center", {{"width"}}, filter_center},
    {"e", {}, filter_escape},
    {"escape", {}, filter_escape},
    {"forceescape", {}, filter_forceescape},
    {"indent", {{"width", "first", "blank"}}, filter_indent},
    {"lower", {}, filter_case<Method::k_lower>, nullptr, plain_case<Method::k_lower>},
    {"replace", {{"old", "new", "count"}, 2}, filter_replace},
    {"safe", {}, filter_safe, write_safe, plain_safe},
    {"striptags", {}, filter_striptags},
    {"title", {}, filter_title},
    {"trim", {{"chars"}}, filter_trim, nullptr, plain_trim},
    {"truncate", {{"length", "killwords", "end", "leeway"}}, filter_truncate},
    {"upper", {}, filter_case<Method::k_upper>, nullptr, plain_case<Method::k_upper>},
    {"urlencode", {}, filter_urlencode},
    {"wordcount", {}, filter_wordcount},
    {"wordwrap", {{"width", "break_long_words", "wrapstring", "break_on_hyphens"}}, filter_wordwrap},
    {"xmlattr", {{"autospace"}}, filter_xmlattr},
};

}  // namespace

std::span<const FilterInfo> text_filters() { return kFilters; }

}  // namespace atelier::prompt::jinja
