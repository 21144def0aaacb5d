// Python's str methods on text with provenance: what is cut out of text keeps its runs.
#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "prompt/jinja/builtins.h"
#include "prompt/jinja/unicode.h"

namespace atelier::prompt::jinja {
namespace {

constexpr std::size_t kNotFound = std::string_view::npos;

// Ends of lines as str.splitlines has them; returns the length of the line end at `at`, or 0.
std::size_t line_end(std::string_view text, std::size_t at) {
  const auto c = static_cast<unsigned char>(text[at]);
  if (c == '\r') return at + 1 < text.size() && text[at + 1] == '\n' ? 2 : 1;
  if (c == '\n' || c == 0x0B || c == 0x0C || (c >= 0x1C && c <= 0x1E)) return 1;
  if (c < 0x80) return 0;
  const utf8::Decoded decoded = utf8::decode(text, at);
  return decoded.code_point == 0x85 || decoded.code_point == 0x2028 || decoded.code_point == 0x2029 ? decoded.length
                                                                                                    : 0;
}

bool in_set(std::string_view set, std::string_view character) {
  for (std::size_t at = 0; at < set.size();) {
    const std::size_t length = utf8::decode(set, at).length;
    if (set.substr(at, length) == character) return true;
    at += length;
  }
  return false;
}

std::size_t last_character(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && text.size() - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return begin + utf8::decode(text, begin).length == text.size() ? begin : text.size() - 1;
}

// The bytes that optional start and end arguments (in code points) select.
struct Window {
  std::size_t begin = 0, end = 0;
  bool valid = true;  // false where start lies beyond end
};

Window window(const TextObject& text, const Arguments& arguments, std::size_t first) {
  const auto length = static_cast<std::int64_t>(text.length());
  const auto bound = [&](std::size_t index, std::int64_t fallback) {
    if (arguments.positional.size() <= index || arguments.positional[index].is_none()) return fallback;
    std::int64_t value = integer_argument(arguments.positional[index], "a position in text");
    if (value < 0) value = std::max<std::int64_t>(0, value + length);
    return value;
  };
  const std::int64_t start = bound(first, 0);
  const std::int64_t end = std::min(bound(first + 1, length), length);
  if (start > end) return {0, 0, false};
  return {text.offset_of(static_cast<std::size_t>(start)), text.offset_of(static_cast<std::size_t>(end)), true};
}

std::int64_t index_of_byte(const TextObject& text, std::size_t byte) {
  return static_cast<std::int64_t>(text.is_ascii() ? byte : utf8::count(std::string_view(text.bytes).substr(0, byte)));
}

std::int64_t find_in(const TextObject& text, const Arguments& arguments, bool from_right) {
  const TextObject& wanted = text_argument(arguments.positional[0], "what is looked for in text");
  const Window part = window(text, arguments, 1);
  if (!part.valid) return -1;
  const std::string_view view = std::string_view(text.bytes).substr(part.begin, part.end - part.begin);
  charge_bytes(view.size());
  const std::size_t found = from_right ? view.rfind(wanted.bytes) : view.find(wanted.bytes);
  return found == kNotFound ? -1 : index_of_byte(text, part.begin + found);
}

std::int64_t count_in(const TextObject& text, const Arguments& arguments) {
  const TextObject& wanted = text_argument(arguments.positional[0], "what is counted in text");
  const Window part = window(text, arguments, 1);
  if (!part.valid) return 0;
  const std::string_view view = std::string_view(text.bytes).substr(part.begin, part.end - part.begin);
  charge_bytes(view.size());
  if (wanted.bytes.empty()) return static_cast<std::int64_t>(utf8::count(view)) + 1;
  std::int64_t count = 0;
  for (std::size_t at = view.find(wanted.bytes); at != kNotFound;
       at = view.find(wanted.bytes, at + wanted.bytes.size()))
    ++count;
  return count;
}

bool begins_or_ends(const TextObject& text, const Arguments& arguments, bool at_end) {
  const Window part = window(text, arguments, 1);
  const std::string_view view = std::string_view(text.bytes).substr(part.begin, part.end - part.begin);
  const auto matches = [&](const Value& affix) {
    const std::string& bytes =
        text_argument(affix, at_end ? "the argument of endswith" : "the argument of startswith").bytes;
    return part.valid && (at_end ? view.ends_with(bytes) : view.starts_with(bytes));
  };
  const Value& affix = arguments.positional[0];
  if (!affix.is(Kind::kTuple)) return matches(affix);
  for (const Value& item : affix.as_sequence().items) {
    if (matches(item)) return true;
  }
  return false;
}

Value pad(const TextObject& text, const Arguments& arguments, Method method) {
  const std::int64_t width = integer_argument(arguments.positional[0], "the width");
  std::string fill = " ";
  Provenance fill_provenance = text.overall();
  if (arguments.positional.size() > 1) {
    const TextObject& given = text_argument(arguments.positional[1], "the fill character");
    if (given.length() != 1) raise_runtime("the fill character must be exactly one character long");
    fill = given.bytes;
    fill_provenance = given.overall();
  }
  const std::int64_t missing = width - static_cast<std::int64_t>(text.length());
  std::int64_t left = 0;
  if (missing > 0) {
    if (method == Method::k_rjust) left = missing;
    if (method == Method::k_center) left = missing / 2 + (missing & width & 1);
  }
  TextBuilder builder;
  builder.append_repeated(fill, left, fill_provenance);
  builder.append(text);
  builder.append_repeated(fill, std::max<std::int64_t>(missing, 0) - left, fill_provenance);
  return builder.take();
}

Value fill_with_zeros(const TextObject& text, std::int64_t width) {
  const std::int64_t missing = width - static_cast<std::int64_t>(text.length());
  TextBuilder builder;
  const std::size_t sign = !text.bytes.empty() && (text.bytes[0] == '+' || text.bytes[0] == '-') ? 1 : 0;
  builder.append_slice(text, 0, sign);
  builder.append_repeated("0", missing, text.overall());
  builder.append_slice(text, sign, text.bytes.size());
  return builder.take();
}

Value expand_tabs(const TextObject& text, std::int64_t size) {
  TextBuilder builder;
  std::int64_t column = 0;
  for (std::size_t at = 0; at < text.bytes.size();) {
    const std::size_t length = utf8::decode(text.bytes, at).length;
    if (text.bytes[at] == '\t') {
      if (size > 0) {
        const std::int64_t spaces = size - column % size;
        builder.append_repeated(" ", spaces, text.at(at));
        column += spaces;
      }
    } else {
      builder.append_slice(text, at, at + length);
      column = text.bytes[at] == '\n' || text.bytes[at] == '\r' ? 0 : column + 1;
    }
    at += length;
  }
  return builder.take();
}

Value partition(const Value& self, const Value& separator, bool from_right) {
  const TextObject& text = self.as_text();
  const TextObject& wanted = text_argument(separator, "the separator");
  if (wanted.bytes.empty()) raise_runtime("the separator is empty");
  charge_bytes(text.bytes.size());
  const std::size_t found = from_right ? text.bytes.rfind(wanted.bytes) : text.bytes.find(wanted.bytes);
  const Value empty = Value::text({}, text.overall());
  if (found == kNotFound) {
    return from_right ? Value::tuple({empty, empty, self}) : Value::tuple({self, empty, empty});
  }
  const std::size_t after = found + wanted.bytes.size();
  return Value::tuple(
      {slice_text(text, 0, found), slice_text(text, found, after), slice_text(text, after, text.bytes.size())});
}

Value remove_affix(const Value& self, const Value& affix, bool at_end) {
  const TextObject& text = self.as_text();
  const std::string& bytes = text_argument(affix, "the argument").bytes;
  if (bytes.empty()) return self;
  if (at_end && text.bytes.ends_with(bytes)) return slice_text(text, 0, text.bytes.size() - bytes.size());
  if (!at_end && text.bytes.starts_with(bytes)) return slice_text(text, bytes.size(), text.bytes.size());
  return self;
}

// At white space, runs of it counting as one, none at the ends.
std::vector<Value> split_at_space(const TextObject& text, std::int64_t limit, bool from_right) {
  std::vector<Value> parts;
  std::string_view rest = text.bytes;
  const auto offset = [&] { return static_cast<std::size_t>(rest.data() - text.bytes.data()); };
  if (from_right) {
    rest = unicode::strip_right(rest);
    while (!rest.empty()) {
      std::size_t begin = rest.size();
      if (limit >= 0 && static_cast<std::int64_t>(parts.size()) == limit) {
        begin = 0;
      } else {
        while (begin > 0) {
          const std::size_t last = last_character(rest.substr(0, begin));
          if (unicode::is_space(utf8::decode(rest, last).code_point)) break;
          begin = last;
        }
      }
      parts.push_back(slice_text(text, begin, rest.size()));
      rest = unicode::strip_right(rest.substr(0, begin));
    }
    std::reverse(parts.begin(), parts.end());
    return parts;
  }
  rest = unicode::strip_left(rest);
  while (!rest.empty()) {
    std::size_t end = rest.size();
    if (limit < 0 || static_cast<std::int64_t>(parts.size()) < limit) {
      end = 0;
      while (end < rest.size()) {
        const utf8::Decoded decoded = utf8::decode(rest, end);
        if (unicode::is_space(decoded.code_point)) break;
        end += decoded.length;
      }
    }
    parts.push_back(slice_text(text, offset(), offset() + end));
    rest = unicode::strip_left(rest.substr(end));
  }
  return parts;
}

void expect_count(const Arguments& arguments, Method method, std::size_t least, std::size_t most) {
  const std::size_t count = arguments.positional.size();
  if (count < least || count > most) {
    raise_runtime("the method '" + std::string(method_name(method)) + "' takes " + std::to_string(least) +
                  (least == most ? std::string() : " to " + std::to_string(most)) + " argument(s), not " +
                  std::to_string(count));
  }
}

// Moves named arguments to their places; the methods of str that have names have few.
void place_named(Arguments& arguments, Method method, std::initializer_list<std::string_view> names) {
  for (auto& [name, value] : arguments.named) {
    const auto found = std::find(names.begin(), names.end(), text_view(name));
    if (found == names.end()) {
      raise_runtime("the method '" + std::string(method_name(method)) + "' has no argument '" +
                    std::string(text_view(name)) + "'");
    }
    const auto index = static_cast<std::size_t>(found - names.begin());
    if (index < arguments.positional.size() && !arguments.positional[index].is_missing()) {
      raise_runtime("the argument '" + std::string(text_view(name)) + "' is given twice");
    }
    if (index >= arguments.positional.size()) arguments.positional.resize(index + 1);
    arguments.positional[index] = value;
  }
  arguments.named.clear();
}

const Value* given(const Arguments& arguments, std::size_t index) {
  return index < arguments.positional.size() && !arguments.positional[index].is_missing() ? &arguments.positional[index]
                                                                                          : nullptr;
}

Value split_method(const TextObject& text, Method method, Arguments& arguments) {
  place_named(arguments, method, {"sep", "maxsplit"});
  expect_count(arguments, method, 0, 2);
  const Value* separator = given(arguments, 0);
  const Value* limit = given(arguments, 1);
  return Value::list(split_text(text, separator != nullptr ? *separator : Value::none(),
                                limit != nullptr ? integer_argument(*limit, "maxsplit") : -1,
                                method == Method::k_rsplit));
}

}  // namespace

Value strip_text(const TextObject& text, const Value& characters, bool left, bool right) {
  std::string_view view = text.bytes;
  charge_bytes(view.size());
  if (characters.is_none() || characters.is_missing()) {
    if (left) view = unicode::strip_left(view);
    if (right) view = unicode::strip_right(view);
  } else {
    const std::string& set = text_argument(characters, "the characters to strip").bytes;
    while (left && !view.empty()) {
      const std::size_t length = utf8::decode(view, 0).length;
      if (!in_set(set, view.substr(0, length))) break;
      view.remove_prefix(length);
      charge_bytes(set.size());
    }
    while (right && !view.empty()) {
      const std::size_t last = last_character(view);
      if (!in_set(set, view.substr(last))) break;
      view = view.substr(0, last);
      charge_bytes(set.size());
    }
  }
  const auto begin = static_cast<std::size_t>(view.data() - text.bytes.data());
  return slice_text(text, begin, begin + view.size());
}

Value replace_text(const TextObject& text, const TextObject& from, const TextObject& to, std::int64_t count) {
  TextBuilder builder;
  std::size_t at = 0;
  charge_bytes(text.bytes.size());
  if (from.bytes.empty()) {
    // Between all characters, and at both ends.
    for (; count != 0 && at < text.bytes.size(); --count) {
      builder.append(to);
      const std::size_t length = utf8::decode(text.bytes, at).length;
      builder.append_slice(text, at, at + length);
      at += length;
    }
    if (count != 0) builder.append(to);
  } else {
    for (; count != 0; --count) {
      const std::size_t found = text.bytes.find(from.bytes, at);
      if (found == kNotFound) break;
      builder.append_slice(text, at, found);
      builder.append(to);
      at = found + from.bytes.size();
    }
  }
  builder.append_slice(text, at, text.bytes.size());
  return builder.take();
}

std::vector<Value> split_text(const TextObject& text, const Value& separator, std::int64_t limit, bool from_right) {
  charge_bytes(text.bytes.size());
  if (separator.is_none()) return split_at_space(text, limit, from_right);
  const std::string& wanted = text_argument(separator, "the separator").bytes;
  if (wanted.empty()) raise_runtime("the separator is empty");
  std::vector<Value> parts;
  const std::string_view view = text.bytes;
  if (from_right) {
    std::size_t end = view.size();
    while (limit < 0 || static_cast<std::int64_t>(parts.size()) < limit) {
      const std::size_t found = end < wanted.size() ? kNotFound : view.rfind(wanted, end - wanted.size());
      if (found == kNotFound) break;
      parts.push_back(slice_text(text, found + wanted.size(), end));
      end = found;
    }
    parts.push_back(slice_text(text, 0, end));
    std::reverse(parts.begin(), parts.end());
    return parts;
  }
  std::size_t at = 0;
  while (limit < 0 || static_cast<std::int64_t>(parts.size()) < limit) {
    const std::size_t found = view.find(wanted, at);
    if (found == kNotFound) break;
    parts.push_back(slice_text(text, at, found));
    at = found + wanted.size();
  }
  parts.push_back(slice_text(text, at, view.size()));
  return parts;
}

std::vector<Value> split_lines(const TextObject& text, bool keep_ends) {
  std::vector<Value> lines;
  std::size_t begin = 0;
  charge_bytes(text.bytes.size());
  for (std::size_t at = 0; at < text.bytes.size();) {
    const std::size_t end = line_end(text.bytes, at);
    if (end == 0) {
      ++at;
      continue;
    }
    lines.push_back(slice_text(text, begin, keep_ends ? at + end : at));
    at += end;
    begin = at;
  }
  if (begin < text.bytes.size()) lines.push_back(slice_text(text, begin, text.bytes.size()));
  return lines;
}

Value join_texts(const TextObject& separator, const std::vector<Value>& items) {
  TextBuilder builder;
  bool first = true;
  for (const Value& item : items) {
    if (!std::exchange(first, false)) builder.append(separator);
    builder.append(item.as_text());
  }
  return builder.take();
}

Value center_text(const TextObject& text, std::int64_t width) {
  return pad(text, Arguments{{Value::integer(width)}, {}}, Method::k_center);
}

Value call_text_method(const Value& self, Method method, Arguments& arguments) {
  const TextObject& text = self.as_text();
  if (method == Method::k_format) return format_text(self, arguments);
  if (method == Method::k_split || method == Method::k_rsplit) return split_method(text, method, arguments);
  if (method == Method::k_splitlines) place_named(arguments, method, {"keepends"});
  if (method == Method::k_expandtabs) place_named(arguments, method, {"tabsize"});
  if (!arguments.named.empty()) {
    raise_runtime("the method '" + std::string(method_name(method)) + "' takes no named arguments");
  }
  const auto count = [&](std::size_t least, std::size_t most) { expect_count(arguments, method, least, most); };
  switch (method) {
    case Method::k_capitalize:
    case Method::k_casefold:
    case Method::k_lower:
    case Method::k_swapcase:
    case Method::k_title:
    case Method::k_upper: count(0, 0); return change_case(text, method);
    case Method::k_isalnum:
    case Method::k_isalpha:
    case Method::k_isascii:
    case Method::k_isdecimal:
    case Method::k_isdigit:
    case Method::k_isidentifier:
    case Method::k_islower:
    case Method::k_isnumeric:
    case Method::k_isprintable:
    case Method::k_isspace:
    case Method::k_istitle:
    case Method::k_isupper: count(0, 0); return Value::boolean(text_property(text, method));
    case Method::k_center:
    case Method::k_ljust:
    case Method::k_rjust: count(1, 2); return pad(text, arguments, method);
    case Method::k_count: count(1, 3); return Value::integer(count_in(text, arguments), text.overall());
    case Method::k_endswith: count(1, 3); return Value::boolean(begins_or_ends(text, arguments, true));
    case Method::k_startswith: count(1, 3); return Value::boolean(begins_or_ends(text, arguments, false));
    case Method::k_find: count(1, 3); return Value::integer(find_in(text, arguments, false), text.overall());
    case Method::k_rfind: count(1, 3); return Value::integer(find_in(text, arguments, true), text.overall());
    case Method::k_index:
    case Method::k_rindex: {
      count(1, 3);
      const std::int64_t found = find_in(text, arguments, method == Method::k_rindex);
      if (found < 0) raise_runtime("the substring was not found");
      return Value::integer(found, text.overall());
    }
    case Method::k_expandtabs:
      count(0, 1);
      return expand_tabs(text,
                         given(arguments, 0) != nullptr ? integer_argument(arguments.positional[0], "tabsize") : 8);
    case Method::k_format_map: {
      count(1, 1);
      if (!arguments.positional[0].is_dict()) raise_runtime("format_map needs a dictionary");
      Arguments named;
      for (const auto& item : arguments.positional[0].as_dict().items) {
        if (item.first.is_text()) named.named.push_back(item);
      }
      return format_text(self, named);
    }
    case Method::k_join: {
      count(1, 1);
      std::vector<Value> items = elements_of(arguments.positional[0]);
      for (const Value& item : items) text_argument(item, "an element to join");
      return join_texts(text, items);
    }
    case Method::k_lstrip:
    case Method::k_rstrip:
    case Method::k_strip:
      count(0, 1);
      return strip_text(text, arguments.positional.empty() ? Value::none() : arguments.positional[0],
                        method != Method::k_rstrip, method != Method::k_lstrip);
    case Method::k_partition: count(1, 1); return partition(self, arguments.positional[0], false);
    case Method::k_rpartition: count(1, 1); return partition(self, arguments.positional[0], true);
    case Method::k_removeprefix: count(1, 1); return remove_affix(self, arguments.positional[0], false);
    case Method::k_removesuffix: count(1, 1); return remove_affix(self, arguments.positional[0], true);
    case Method::k_replace:
      count(2, 3);
      return replace_text(
          text, text_argument(arguments.positional[0], "what to replace"),
          text_argument(arguments.positional[1], "the replacement"),
          arguments.positional.size() > 2 ? integer_argument(arguments.positional[2], "the count") : -1);
    case Method::k_splitlines:
      count(0, 1);
      return Value::list(split_lines(text, given(arguments, 0) != nullptr && truth(arguments.positional[0])));
    case Method::k_zfill:
      count(1, 1);
      return fill_with_zeros(text, integer_argument(arguments.positional[0], "the width"));
    default: raise_runtime("text has no method '" + std::string(method_name(method)) + "'");
  }
}

}  // namespace atelier::prompt::jinja
