// Marked text: what the filters `safe` and `escape` give is Python's Markup. Chat templates meet it by accident, mostly as
// `tojson|safe`: the mark then spreads with `+` and the methods of str, and what else is added is escaped for HTML.
#include <string_view>
#include <utility>

#include "prompt/jinja/builtins.h"

namespace atelier::prompt::jinja {
namespace {

Value escaped_text(const TextObject& text) {
  TextBuilder out;
  std::size_t plain = 0;
  for (std::size_t at = 0; at < text.bytes.size(); ++at) {
    std::string_view entity;
    switch (text.bytes[at]) {
      case '&': entity = "&amp;"; break;
      case '<': entity = "&lt;"; break;
      case '>': entity = "&gt;"; break;
      case '\'': entity = "&#39;"; break;
      case '"': entity = "&#34;"; break;
      default: continue;
    }
    out.append_slice(text, plain, at);
    out.append(entity, text.at(at));
    plain = at + 1;
  }
  out.append_slice(text, plain, text.bytes.size());
  return out.take();
}

// Methods whose arguments markupsafe escapes, and those alone whose results it marks.
bool is_wrapped(Method method) {
  switch (method) {
    case Method::k_capitalize:
    case Method::k_title:
    case Method::k_lower:
    case Method::k_upper:
    case Method::k_replace:
    case Method::k_ljust:
    case Method::k_rjust:
    case Method::k_lstrip:
    case Method::k_rstrip:
    case Method::k_center:
    case Method::k_strip:
    case Method::k_expandtabs:
    case Method::k_swapcase:
    case Method::k_zfill:
    case Method::k_partition:
    case Method::k_rpartition: return true;
    default: return false;
  }
}

Value marked(Value value) {
  if (value.is_text()) return value.as_markup();
  std::vector<Value> items;
  for (const Value& item : value.as_sequence().items) items.push_back(item.as_markup());
  return value.is(Kind::kList) ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

}  // namespace

Value escaped(const Value& value) {
  if (value.is_markup()) return value;
  const Value text = to_text(value);
  return escaped_text(text.as_text()).as_markup();
}

Value add_markup(const Value& left, const Value& right) {
  return concatenate(escaped(left).without_markup(), escaped(right)).as_markup();
}

Value call_markup_method(const Value& self, Method method, Arguments& arguments) {
  const Value plain = self.without_markup();
  if (method == Method::k_format || method == Method::k_format_map) return call_text_method(self, method, arguments);
  if (method == Method::k_join && arguments.positional.size() == 1) {
    std::vector<Value> items;
    for (const Value& item : elements_of(arguments.positional[0])) items.push_back(escaped(item));
    arguments.positional[0] = Value::list(std::move(items));
    return marked(call_text_method(plain, method, arguments));
  }
  if (method == Method::k_split || method == Method::k_rsplit || method == Method::k_splitlines) {
    return marked(call_text_method(plain, method, arguments));
  }
  if (!is_wrapped(method)) return call_text_method(plain, method, arguments);
  for (Value& argument : arguments.positional) {
    if (argument.is_text()) argument = escaped(argument);
  }
  return marked(call_text_method(plain, method, arguments));
}

}  // namespace atelier::prompt::jinja
