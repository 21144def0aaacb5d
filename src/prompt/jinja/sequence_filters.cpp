// Filters over sequences.
#include <algorithm>
#include <functional>
#include <utility>

#include "prompt/jinja/builtins.h"
#include "prompt/jinja/interpreter.h"

namespace atelier::prompt::jinja {
namespace {

// What Jinja computes while the result is gone through is computed here at once; a failure is kept until its
// element is reached.
template <class Fill>
Value make_iterator(Fill fill) {
  Ref<IteratorObject> iterator(std::make_unique<IteratorObject>(std::vector<Value>()).release());
  try {
    fill(iterator->items);
  } catch (const TemplateException& exception) {
    if (exception.error.kind == ErrorKind::kBudget) throw;
    iterator->failure = std::make_unique<TemplateException>(exception);
  }
  charge_allocation(iterator->items.size() * sizeof(Value));
  return Value::of(iterator.get());
}

bool flag(const Value& value) { return !value.is_missing() && truth(value); }

bool is_digits(std::string_view text) {
  return !text.empty() && text.size() < 18 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "a.b.0" taken apart. No attribute at all means the element itself.
class AttributePath {
 public:
  explicit AttributePath(const Value& path) {
    if (path.is_missing() || path.is_none()) return;
    if (!path.is_text()) {
      parts_.push_back(path);
      return;
    }
    for (const Value& part : split_text(path.as_text(), Value::template_text("."), -1, false)) {
      if (is_digits(text_view(part))) {
        parts_.push_back(Value::integer(std::stoll(std::string(text_view(part)))));
      } else {
        parts_.push_back(part);
      }
    }
  }

  Value get(Value element, const Value& fallback = {}) const {
    for (const Value& part : parts_) {
      element = subscript(element, part);
      if (element.is_undefined() && !fallback.is_missing() && !fallback.is_none()) element = fallback;
    }
    return element;
  }

 private:
  std::vector<Value> parts_;
};

Value without_case(const Value& value, bool case_sensitive) {
  return !case_sensitive && value.is_text() ? change_case(value.as_text(), Method::k_lower) : value;
}

// Sorts by keys, keeping the order of equal ones, in either direction.
void sort_by_key(std::vector<std::pair<Value, Value>>& keyed, bool descending) {
  charge_steps(keyed.size());
  if (descending) std::reverse(keyed.begin(), keyed.end());
  std::stable_sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) { return less(a.first, b.first); });
  if (descending) std::reverse(keyed.begin(), keyed.end());
}

Value filter_batch(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  return make_iterator([&](std::vector<Value>& out) {
    const std::int64_t size = integer_argument(bound[0], "linecount");
    std::vector<Value> batch;
    for (const Value& item : elements_of(input)) {
      if (static_cast<std::int64_t>(batch.size()) == size) out.push_back(Value::list(std::exchange(batch, {})));
      batch.push_back(item);
    }
    if (batch.empty()) return;
    if (!bound[1].is_missing() && !bound[1].is_none()) {
      if (size > 1'000'000) raise(ErrorKind::kBudget, "this batch would be too long");
      while (static_cast<std::int64_t>(batch.size()) < size) batch.push_back(bound[1]);
    }
    out.push_back(Value::list(std::move(batch)));
  });
}

Value filter_slice(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  return make_iterator([&](std::vector<Value>& out) {
    const std::vector<Value> items = elements_of(input);
    const std::int64_t slices = integer_argument(bound[0], "slices");
    if (slices == 0) raise_runtime("a sequence cannot be cut into 0 slices");
    const auto length = static_cast<std::int64_t>(items.size());
    if (slices > 1'000'000) raise(ErrorKind::kBudget, "these are too many slices");
    const std::int64_t each = slices > 0 ? length / slices : 0;
    const std::int64_t with_extra = slices > 0 ? length % slices : 0;
    std::int64_t offset = 0;
    for (std::int64_t number = 0; number < slices; ++number) {
      const std::int64_t start = offset + number * each;
      if (number < with_extra) ++offset;
      const std::int64_t end = offset + (number + 1) * each;
      std::vector<Value> slice(items.begin() + start, items.begin() + end);
      if (!bound[1].is_missing() && !bound[1].is_none() && number >= with_extra) slice.push_back(bound[1]);
      out.push_back(Value::list(std::move(slice)));
    }
  });
}

Value filter_dictsort(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  if (!input.is_dict()) {
    if (input.is_undefined()) raise_undefined(input);
    raise_runtime("dictsort needs a mapping, not '" + std::string(type_name(input)) + "'");
  }
  const std::string by = bound[1].is_missing() ? "key" : text_argument(bound[1], "by").bytes;
  if (by != "key" && by != "value") raise_runtime("dictsort can sort by 'key' or 'value' only");
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : input.as_dict().items) {
    keyed.emplace_back(without_case(by == "key" ? key : value, flag(bound[0])),
                       Value::tuple({key, value}, input.provenance()));
  }
  sort_by_key(keyed, flag(bound[2]));
  std::vector<Value> result;
  result.reserve(keyed.size());
  for (auto& [key, item] : keyed) result.push_back(std::move(item));
  return Value::list(std::move(result));
}

Value filter_first(Interpreter&, const Value& input, Bound&, Arguments&) {
  ValueIterator iterator(input);
  Value first;
  return iterator.next(first) ? first : Value::undefined_because("there is no first item, the sequence was empty");
}

Value filter_last(Interpreter&, const Value& input, Bound&, Arguments&) {
  if (!ValueIterator::possible(input) || input.is(Kind::kIterator)) {
    raise_runtime("'" + std::string(type_name(input)) + "' object is not reversible");
  }
  if (length_of(input) == 0) return Value::undefined_because("there is no last item, the sequence was empty");
  if (input.is_sequence()) return input.as_sequence().items.back();
  const Value last = elements_of(input).back();
  return input.is_markup() ? last.as_markup() : last;
}

Value filter_groupby(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  const AttributePath path(bound[0]);
  const bool case_sensitive = flag(bound[2]);
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : elements_of(input)) {
    keyed.emplace_back(without_case(path.get(item, bound[1]), case_sensitive), item);
  }
  sort_by_key(keyed, false);
  std::vector<Value> groups;
  for (std::size_t begin = 0; begin < keyed.size();) {
    std::vector<Value> members;
    std::size_t end = begin;
    for (; end < keyed.size() && equal(keyed[end].first, keyed[begin].first); ++end)
      members.push_back(keyed[end].second);
    if (end == begin) end = begin + 1;  // a key that does not equal itself
    if (members.empty()) members.push_back(keyed[begin].second);
    Value key = case_sensitive ? keyed[begin].first : path.get(members.front(), bound[1]);
    Value group = Value::tuple({std::move(key), Value::list(std::move(members))});
    group.as_sequence().grouped = true;
    groups.push_back(std::move(group));
    begin = end;
  }
  return Value::list(std::move(groups));
}

Value filter_items(Interpreter&, const Value& input, Bound&, Arguments&) {
  return make_iterator([&](std::vector<Value>& out) {
    if (input.is_undefined()) return;
    if (!input.is_dict()) raise_runtime("items needs a mapping, not '" + std::string(type_name(input)) + "'");
    for (const auto& [key, value] : input.as_dict().items)
      out.push_back(Value::tuple({key, value}, input.provenance()));
  });
}

Value filter_join(Interpreter& interpreter, const Value& input, Bound& bound, Arguments&) {
  Value separator = bound[0].is_missing() ? Value::template_text("") : to_text(bound[0]);
  const bool by_attribute = !bound[1].is_missing() && !bound[1].is_none();
  const AttributePath path(bound[1]);
  bool marked = false;
  std::vector<Value> items;
  if (interpreter.escapes()) {
    items = elements_of(input);
    if (by_attribute) {
      for (Value& each : items) each = path.get(each);
    }
    const bool escapes = std::ranges::any_of(items, [](const Value& each) { return each.is_markup(); });
    if (escapes && !separator.is_markup()) separator = escaped(separator);
    marked = separator.is_markup();
  }
  TextBuilder out;
  bool first = true;
  const auto add_item = [&](const Value& each) {
    if (!std::exchange(first, false)) out.append(separator.as_text());
    append_text(out, marked ? escaped(each) : each);
  };
  if (interpreter.escapes()) {
    for (const Value& each : items) add_item(each);
    return marked ? out.take().as_markup() : out.take();
  }
  ValueIterator iterator(input);
  Value item;
  while (iterator.next(item)) add_item(by_attribute ? path.get(item) : item);
  return out.take();
}

Value filter_list(Interpreter&, const Value& input, Bound&, Arguments&) {
  return Value::list(elements_of(input), input.provenance());
}

Value filter_map(Interpreter& interpreter, const Value& input, Bound&, Arguments& arguments) {
  return make_iterator([&](std::vector<Value>& out) {
    if (!truth(input)) return;
    if (arguments.positional.empty() && arguments.find_named("attribute") != nullptr) {
      Bound bound;
      bind_arguments("map", Signature{{"attribute", "default"}, 1}, arguments, bound);
      const AttributePath path(bound[0]);
      ValueIterator iterator(input);
      Value item;
      while (iterator.next(item)) out.push_back(path.get(item, bound[1]));
      return;
    }
    if (arguments.positional.empty()) raise_runtime("map needs the name of a filter or an attribute");
    const Value name = arguments.positional.front();
    const FilterInfo* filter = name.is_text() ? find_filter(text_view(name)) : nullptr;
    ValueIterator iterator(input);
    Value item;
    while (iterator.next(item)) {
      if (filter == nullptr) raise_runtime(unknown_filter(plain_text(name)));
      Arguments rest;
      rest.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
      rest.named = arguments.named;
      out.push_back(run_filter(interpreter, *filter, item, rest));
    }
  });
}

Value extreme(const Value& input, Bound& bound, bool largest) {
  ValueIterator iterator(input);
  const AttributePath path(bound[1]);
  Value best;
  if (!iterator.next(best)) return Value::undefined_because("there is no aggregated item, the sequence was empty");
  Value best_key = without_case(path.get(best), flag(bound[0]));
  Value item;
  while (iterator.next(item)) {
    Value key = without_case(path.get(item), flag(bound[0]));
    if (largest ? less(best_key, key) : less(key, best_key)) {
      best = item;
      best_key = std::move(key);
    }
  }
  return best;
}

Value filter_max(Interpreter&, const Value& input, Bound& bound, Arguments&) { return extreme(input, bound, true); }

Value filter_min(Interpreter&, const Value& input, Bound& bound, Arguments&) { return extreme(input, bound, false); }

Value filter_random(Interpreter&, const Value&, Bound&, Arguments&) {
  raise_runtime("the filter random is not available: the same conversation must always give the same prompt");
}

Value filter_reverse(Interpreter&, const Value& input, Bound&, Arguments&) {
  if (input.is_text()) return slice(input, Value::none(), Value::none(), Value::integer(-1));
  std::vector<Value> items = elements_of(input);
  std::reverse(items.begin(), items.end());
  if (input.is(Kind::kIterator)) return Value::list(std::move(items));
  return Value::of(std::make_unique<IteratorObject>(std::move(items)).release());
}

// select, reject, selectattr, rejectattr.
Value choose(const Value& input, Arguments& arguments, bool keep, bool by_attribute) {
  return make_iterator([&](std::vector<Value>& out) {
    if (!truth(input)) return;
    const std::size_t first = by_attribute ? 1 : 0;
    if (by_attribute && arguments.positional.empty()) raise_runtime("the name of the attribute is missing");
    const AttributePath path(by_attribute ? arguments.positional[0] : Value());
    const bool has_test = arguments.positional.size() > first;
    const Value name = has_test ? arguments.positional[first] : Value();
    const TestInfo* test = name.is_text() ? find_test(text_view(name)) : nullptr;
    ValueIterator iterator(input);
    Value item;
    while (iterator.next(item)) {
      const Value subject = path.get(item);
      bool chosen = false;
      if (has_test) {
        if (test == nullptr) raise_runtime(unknown_test(plain_text(name)));
        Arguments rest;
        rest.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(first) + 1,
                               arguments.positional.end());
        rest.named = arguments.named;
        chosen = run_test(*test, subject, rest);
      } else {
        chosen = truth(subject);
      }
      if (chosen == keep) out.push_back(item);
    }
  });
}

Value filter_select(Interpreter&, const Value& input, Bound&, Arguments& arguments) {
  return choose(input, arguments, true, false);
}
Value filter_reject(Interpreter&, const Value& input, Bound&, Arguments& arguments) {
  return choose(input, arguments, false, false);
}
Value filter_selectattr(Interpreter&, const Value& input, Bound&, Arguments& arguments) {
  return choose(input, arguments, true, true);
}
Value filter_rejectattr(Interpreter&, const Value& input, Bound&, Arguments& arguments) {
  return choose(input, arguments, false, true);
}

Value filter_sort(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  std::vector<AttributePath> paths;
  if (bound[2].is_text()) {
    for (const Value& path : split_text(bound[2].as_text(), Value::template_text(","), -1, false))
      paths.emplace_back(path);
  } else {
    paths.emplace_back(bound[2]);
  }
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : elements_of(input)) {
    std::vector<Value> key;
    key.reserve(paths.size());
    for (const AttributePath& path : paths) key.push_back(without_case(path.get(item), flag(bound[1])));
    keyed.emplace_back(Value::list(std::move(key)), item);
  }
  sort_by_key(keyed, flag(bound[0]));
  std::vector<Value> result;
  result.reserve(keyed.size());
  for (auto& [key, item] : keyed) result.push_back(std::move(item));
  return Value::list(std::move(result), input.provenance());
}

Value filter_sum(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  Value total = bound[1].is_missing() ? Value::integer(0) : bound[1];
  if (total.is_text()) raise_runtime("sum cannot add text; use join");
  const bool by_attribute = !bound[0].is_missing() && !bound[0].is_none();
  const AttributePath path(bound[0]);
  ValueIterator iterator(input);
  Value item;
  while (iterator.next(item)) total = add(std::move(total), by_attribute ? path.get(item) : item);
  return total;
}

Value filter_unique(Interpreter&, const Value& input, Bound& bound, Arguments&) {
  return make_iterator([&](std::vector<Value>& out) {
    const AttributePath path(bound[1]);
    DictObject seen;
    ValueIterator iterator(input);
    Value item;
    while (iterator.next(item)) {
      Value key = without_case(path.get(item), flag(bound[0]));
      if (seen.find(key) != nullptr) continue;
      seen.append(std::move(key), Value::none());
      out.push_back(item);
    }
  });
}

constexpr FilterInfo kFilters[] = {
    {"batch", {{"linecount", "fill_with"}, 1}, filter_batch},
    {"dictsort", {{"case_sensitive", "by", "reverse"}}, filter_dictsort},
    {"first", {}, filter_first},
    {"groupby", {{"attribute", "default", "case_sensitive"}, 1}, filter_groupby},
    {"items", {}, filter_items},
    {"join", {{"d", "attribute"}}, filter_join},
    {"last", {}, filter_last},
    {"list", {}, filter_list},
    {"map", {{}, 0, true}, filter_map},
    {"max", {{"case_sensitive", "attribute"}}, filter_max},
    {"min", {{"case_sensitive", "attribute"}}, filter_min},
    {"random", {}, filter_random},
    {"reject", {{}, 0, true}, filter_reject},
    {"rejectattr", {{}, 0, true}, filter_rejectattr},
    {"reverse", {}, filter_reverse},
    {"select", {{}, 0, true}, filter_select},
    {"selectattr", {{}, 0, true}, filter_selectattr},
    {"slice", {{"slices", "fill_with"}, 1}, filter_slice},
    {"sort", {{"reverse", "case_sensitive", "attribute"}}, filter_sort},
    {"sum", {{"attribute", "start"}}, filter_sum},
    {"unique", {{"case_sensitive", "attribute"}}, filter_unique},
};

}  // namespace

std::span<const FilterInfo> sequence_filters() { return kFilters; }

}  // namespace atelier::prompt::jinja
