#include "prompt/jinja/template.h"

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <type_traits>
#include <utility>

#include "prompt/jinja/interpreter.h"

namespace atelier::prompt::jinja {
namespace {

Value from_exact(const json::ExactNumber& number, Provenance provenance) {
  if (number.text.find_first_of(".eE") == std::string::npos) return Value::big_integer(number.text, provenance);
  return Value::real(std::strtod(number.text.c_str(), nullptr), provenance);
}

}  // namespace

Value from_json(const json::Object& object, Provenance provenance) {
  Ref<DictObject> dict(std::make_unique<DictObject>().release());
  for (const auto& [key, member] : object) dict->append(Value::text(key, provenance), from_json(member, provenance));
  return Value::of(dict.get(), provenance);
}

Value from_json(const json::Value& value, Provenance provenance) {
  return std::visit(
      [&](const auto& data) -> Value {
        using T = std::decay_t<decltype(data)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          return Value::none(provenance);
        } else if constexpr (std::is_same_v<T, bool>) {
          return Value::boolean(data, provenance);
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          return Value::integer(data, provenance);
        } else if constexpr (std::is_same_v<T, std::uint64_t>) {
          if (data <= static_cast<std::uint64_t>(INT64_MAX))
            return Value::integer(static_cast<std::int64_t>(data), provenance);
          return Value::big_integer(std::to_string(data), provenance);
        } else if constexpr (std::is_same_v<T, double>) {
          return Value::real(data, provenance);
        } else if constexpr (std::is_same_v<T, json::ExactNumber>) {
          return from_exact(data, provenance);
        } else if constexpr (std::is_same_v<T, std::string>) {
          return Value::text(data, provenance);
        } else if constexpr (std::is_same_v<T, json::Array>) {
          std::vector<Value> items;
          items.reserve(data.size());
          for (const json::Value& item : data) items.push_back(from_json(item, provenance));
          return Value::list(std::move(items), provenance);
        } else {
          return from_json(data, provenance);
        }
      },
      value.data());
}

void Variables::set(std::string name, Value value) {
  for (auto& [known, old] : values_) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  values_.emplace_back(std::move(name), std::move(value));
}

void Variables::set(std::string name, const json::Value& value, Provenance provenance) {
  set(std::move(name), from_json(value, provenance));
}

const Value* Variables::find(std::string_view name) const {
  for (const auto& [known, value] : values_) {
    if (same_bytes(known, name)) return &value;
  }
  return nullptr;
}

std::expected<Template, TemplateError> Template::parse(std::string_view source) {
  try {
    return Template(parse_program(source));
  } catch (const TemplateException& exception) {
    return std::unexpected(exception.error);
  }
}

std::expected<RenderedText, TemplateError> Template::render(const Variables& variables,
                                                            const RenderOptions& options) const {
  try {
    Budget budget(options.limits);
    Interpreter interpreter(*program_, variables, options.now, budget);
    TextBuilder out;
    out.reserve(program_->usual_bytes.load(std::memory_order_relaxed),
                program_->usual_runs.load(std::memory_order_relaxed));
    interpreter.run(out);
    program_->note_size(out.size(), out.run_count());
    RenderedText rendered;
    std::tie(rendered.text, rendered.runs) = out.take_runs();
    return rendered;
  } catch (const TemplateException& exception) {
    return std::unexpected(exception.error);
  }
}

const std::string& Template::source() const { return program_->source; }

Value ConstantPool::keep(std::string bytes, Kind kind) {
  auto text = std::make_unique<TextObject>(std::move(bytes), Provenance::kTemplate);
  (void)text->length();  // fills the cache, which threads then only read
  text->kind = kind;
  text->references = Object::kImmortal;
  texts_.push_back(std::move(text));
  return Value::of(texts_.back().get());
}

Value ConstantPool::text(std::string bytes) { return keep(std::move(bytes), Kind::kText); }

Value ConstantPool::big_integer(std::string digits) { return keep(std::move(digits), Kind::kBigInt); }

}  // namespace atelier::prompt::jinja
