// The filter pprint: repr() with keys in order, over several lines where one is too short.
#include <algorithm>
#include <utility>

#include "prompt/jinja/builtins.h"

namespace atelier::prompt::jinja {
namespace {

constexpr std::size_t kWidth = 80;

std::vector<std::pair<Value, Value>> sorted_members(const DictObject& dict) {
  std::vector<std::pair<Value, Value>> members = dict.items;
  const bool all_text = std::all_of(members.begin(), members.end(), [](const auto& m) { return m.first.is_text(); });
  const bool all_numbers =
      std::all_of(members.begin(), members.end(), [](const auto& m) { return m.first.is_number(); });
  if (all_text || all_numbers) {
    std::stable_sort(members.begin(), members.end(),
                     [](const auto& a, const auto& b) { return less(a.first, b.first); });
  }
  return members;
}

void append_line(TextBuilder& out, const Value& value) {
  check_stack();
  charge_steps(1);
  const Provenance structure = value.provenance();
  if (value.is_dict()) {
    out.append('{', structure);
    bool first = true;
    for (const auto& [key, item] : sorted_members(value.as_dict())) {
      if (!std::exchange(first, false)) out.append(", ", structure);
      append_line(out, key);
      out.append(": ", structure);
      append_line(out, item);
    }
    out.append('}', structure);
  } else if (value.is_sequence()) {
    const auto& items = value.as_sequence().items;
    out.append(value.is(Kind::kList) ? '[' : '(', structure);
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out.append(", ", structure);
      append_line(out, items[i]);
    }
    if (value.is(Kind::kTuple) && items.size() == 1) out.append(',', structure);
    out.append(value.is(Kind::kList) ? ']' : ')', structure);
  } else {
    append_representation(out, value);
  }
}

void append_pretty(TextBuilder& out, const Value& value, std::size_t indent, std::size_t after) {
  TextBuilder line;
  append_line(line, value);
  const Value made = line.take();
  const bool container = value.is_dict() || value.is_sequence();
  if (!container || indent + after + made.as_text().length() <= kWidth) {
    out.append(made.as_text());
    return;
  }
  const Provenance structure = value.provenance();
  const auto separate = [&] {
    out.append(",\n", structure);
    out.append_repeated(" ", static_cast<std::int64_t>(indent + 1), structure);
  };
  bool first = true;
  if (value.is_dict()) {
    out.append('{', structure);
    for (const auto& [key, item] : sorted_members(value.as_dict())) {
      if (!std::exchange(first, false)) separate();
      TextBuilder name;
      append_line(name, key);
      const Value text = name.take();
      out.append(text.as_text());
      out.append(": ", structure);
      append_pretty(out, item, indent + 3 + text.as_text().length(), after + 1);
    }
    out.append('}', structure);
    return;
  }
  out.append(value.is(Kind::kList) ? '[' : '(', structure);
  for (const Value& item : value.as_sequence().items) {
    if (!std::exchange(first, false)) separate();
    append_pretty(out, item, indent + 1, after + 1);
  }
  if (value.is(Kind::kTuple) && value.as_sequence().items.size() == 1) out.append(',', structure);
  out.append(value.is(Kind::kList) ? ']' : ')', structure);
}

}  // namespace

Value pretty_text(const Value& value) {
  TextBuilder out;
  append_pretty(out, value, 0, 0);
  return out.take();
}

}  // namespace atelier::prompt::jinja
