// str() and repr() of every value.
#include <charconv>
#include <cstdio>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"
#include "prompt/jinja/builtins.h"
#include "prompt/jinja/unicode.h"

namespace atelier::prompt::jinja {
namespace {

void append_items(TextBuilder& out, const std::vector<Value>& items, Provenance structure) {
  bool first = true;
  for (const Value& item : items) {
    if (!std::exchange(first, false)) out.append(", ", structure);
    append_representation(out, item);
  }
}

void append_dict(TextBuilder& out, const DictObject& dict, Provenance structure) {
  out.append('{', structure);
  bool first = true;
  for (const auto& [key, value] : dict.items) {
    if (!std::exchange(first, false)) out.append(", ", structure);
    append_representation(out, key);
    out.append(": ", structure);
    append_representation(out, value);
  }
  out.append('}', structure);
}

void append_view(TextBuilder& out, const Value& value) {
  const auto& view = value.as<DictViewObject>();
  const Provenance structure = value.provenance();
  out.append(type_name(value), structure);
  out.append("([", structure);
  bool first = true;
  for (const auto& [key, item] : view.dict.as_dict().items) {
    if (!std::exchange(first, false)) out.append(", ", structure);
    switch (view.part) {
      case DictViewObject::Part::kKeys: append_representation(out, key); break;
      case DictViewObject::Part::kValues: append_representation(out, item); break;
      case DictViewObject::Part::kItems:
        out.append('(', structure);
        append_representation(out, key);
        out.append(", ", structure);
        append_representation(out, item);
        out.append(')', structure);
        break;
    }
  }
  out.append("])", structure);
}

void append_range(TextBuilder& out, const RangeObject& range, Provenance structure) {
  std::string text = "range(" + std::to_string(range.start) + ", " + std::to_string(range.stop);
  if (range.step != 1) text += ", " + std::to_string(range.step);
  out.append(text + ")", structure);
}

void append_other(TextBuilder& out, const Value& value) {
  constexpr Provenance kStructure = Provenance::kTemplate;
  switch (value.kind()) {
    case Kind::kMacro: {
      const std::string& name = value.as<MacroObject>().body.name;
      out.append(name.empty() ? "<Macro anonymous>" : "<Macro '" + name + "'>", kStructure);
      return;
    }
    case Kind::kLoop: {
      auto& loop = value.as<LoopObject>();
      out.append("<LoopContext " + std::to_string(loop.index0 + 1) + "/" + std::to_string(loop.length()) + ">",
                 kStructure);
      return;
    }
    case Kind::kNamespace:
      check_stack();
      charge_steps(8);
      out.append("<Namespace ", kStructure);
      append_dict(out, value.as<NamespaceObject>().attributes, kStructure);
      out.append('>', kStructure);
      return;
    case Kind::kFunction:
      out.append("<function " + std::string(value.as<FunctionObject>().name) + ">", kStructure);
      return;
    default:
      // Python prints an address here, which no template can mean.
      out.append("<" + std::string(type_name(value)) + " object>", kStructure);
      return;
  }
}

}  // namespace

void append_quoted(TextBuilder& out, const TextObject& text) {
  const std::string& bytes = text.bytes;
  const Provenance around = text.overall();
  const bool has_single = bytes.find('\'') != std::string::npos;
  const char quote = has_single && bytes.find('"') == std::string::npos ? '"' : '\'';
  out.append(quote, around);
  std::size_t plain = 0;  // begin of what needs no escape
  for (std::size_t at = 0; at < bytes.size();) {
    if (const char byte = bytes[at]; byte >= 0x20 && byte < 0x7F && byte != '\\' && byte != quote) {
      ++at;
      continue;
    }
    const utf8::Decoded decoded = utf8::decode(bytes, at);
    const char32_t c = decoded.code_point;
    char escape[16] = "";
    if (c == '\\' || c == static_cast<unsigned char>(quote)) {
      std::snprintf(escape, sizeof(escape), "\\%c", static_cast<char>(c));
    } else if (c == '\n' || c == '\r' || c == '\t') {
      std::snprintf(escape, sizeof(escape), "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    } else if (decoded.valid && !unicode::is_printable(c)) {
      std::snprintf(escape, sizeof(escape),
                    c < 0x100     ? "\\x%02x"
                    : c < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                    static_cast<unsigned>(c));
    }
    if (escape[0] != '\0') {
      out.append_slice(text, plain, at);
      out.append(escape, text.at(at));
      plain = at + decoded.length;
    }
    at += decoded.length;
  }
  out.append_slice(text, plain, bytes.size());
  out.append(quote, around);
}

void append_representation(TextBuilder& out, const Value& value) {
  charge_steps(1);
  const Provenance provenance = value.provenance();
  switch (value.kind()) {
    case Kind::kMissing: return;
    case Kind::kUndefined: out.append("Undefined", Provenance::kTemplate); return;
    case Kind::kText:
      if (value.is_markup()) out.append("Markup(", Provenance::kTemplate);
      append_quoted(out, value.as_text());
      if (value.is_markup()) out.append(')', Provenance::kTemplate);
      return;
    case Kind::kList:
      check_stack();
      out.append('[', provenance);
      append_items(out, value.as_sequence().items, provenance);
      out.append(']', provenance);
      return;
    case Kind::kTuple:
      check_stack();
      out.append('(', provenance);
      append_items(out, value.as_sequence().items, provenance);
      out.append(value.as_sequence().items.size() == 1 ? ",)" : ")", provenance);
      return;
    case Kind::kDict:
      check_stack();
      append_dict(out, value.as_dict(), provenance);
      return;
    case Kind::kDictView:
      check_stack();
      append_view(out, value);
      return;
    case Kind::kRange: append_range(out, value.as<RangeObject>(), provenance); return;
    default: append_text(out, value); return;
  }
}

void append_text(TextBuilder& out, const Value& value) {
  const Provenance provenance = value.provenance();
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined: return;
    case Kind::kText: out.append(value.as_text()); return;
    case Kind::kNone: out.append("None", provenance); return;
    case Kind::kBool: out.append(value.as_bool() ? "True" : "False", provenance); return;
    case Kind::kInt: {
      char buffer[40];
      const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value.as_int()).ptr;
      out.append(std::string_view(buffer, static_cast<std::size_t>(end - buffer)), provenance);
      return;
    }
    case Kind::kFloat: out.append(json::python_repr(value.as_real()), provenance); return;
    case Kind::kBigInt: out.append(value.as<TextObject>().bytes, provenance); return;
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kDictView:
    case Kind::kRange: append_representation(out, value); return;
    default: append_other(out, value); return;
  }
}

Value to_text(const Value& value) {
  if (value.is_text()) return value;
  TextBuilder builder;
  append_text(builder, value);
  return builder.take();
}

std::string plain_text(const Value& value) {
  TextBuilder builder;
  append_text(builder, value);
  return std::string(builder.view());
}

}  // namespace atelier::prompt::jinja
