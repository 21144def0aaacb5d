#include "prompt/jinja/template.h"

#include <algorithm>
#include <bit>
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

const Value& JsonReader::key(const std::string& text) {
  Value& kept = keys_[static_cast<std::size_t>(std::countr_zero(key_mark(text))) % keys_.size()];
  if (!kept.is_text() || !same_bytes(text_view(kept), text)) kept = Value::text(text, provenance_);
  return kept;
}

Value JsonReader::read(const json::Object& object) {
  Ref<DictObject> dict(std::make_unique<DictObject>().release());
  dict->items.reserve(object.size());
  for (const auto& [name, member] : object) {
    Value name_text = key(name);
    dict->append(std::move(name_text), read(member));
  }
  return Value::of(dict.get(), provenance_);
}

Value JsonReader::read(const json::Value& value) {
  return std::visit(
      [&](const auto& data) -> Value {
        using T = std::decay_t<decltype(data)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          return Value::none(provenance_);
        } else if constexpr (std::is_same_v<T, bool>) {
          return Value::boolean(data, provenance_);
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          return Value::integer(data, provenance_);
        } else if constexpr (std::is_same_v<T, std::uint64_t>) {
          if (data <= static_cast<std::uint64_t>(INT64_MAX))
            return Value::integer(static_cast<std::int64_t>(data), provenance_);
          return Value::big_integer(std::to_string(data), provenance_);
        } else if constexpr (std::is_same_v<T, double>) {
          return Value::real(data, provenance_);
        } else if constexpr (std::is_same_v<T, json::ExactNumber>) {
          return from_exact(data, provenance_);
        } else if constexpr (std::is_same_v<T, std::string>) {
          return Value::text(data, provenance_);
        } else if constexpr (std::is_same_v<T, json::Array>) {
          std::vector<Value> items;
          items.reserve(data.size());
          for (const json::Value& item : data) items.push_back(read(item));
          return Value::list(std::move(items), provenance_);
        } else {
          return read(data);
        }
      },
      value.data());
}

Value from_json(const json::Object& object, Provenance provenance) { return JsonReader(provenance).read(object); }

Value from_json(const json::Value& value, Provenance provenance) { return JsonReader(provenance).read(value); }

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

ConstantPool::~ConstantPool() {
  while (!containers_.empty()) containers_.pop_back();
}

Value ConstantPool::sequence(Kind kind, std::vector<Value> items) {
  auto made = std::make_unique<SequenceObject>(kind, std::move(items));
  made->references = Object::kImmortal;
  const Value value = Value::of(made.get());
  containers_.emplace_back(std::move(made));
  return value;
}

Value ConstantPool::dict(std::unique_ptr<DictObject> members) {
  members->references = Object::kImmortal;
  members->prepare();
  const Value value = Value::of(members.get());
  containers_.emplace_back(std::move(members));
  return value;
}

Value ConstantPool::text(std::string bytes) { return keep(std::move(bytes), Kind::kText); }

Value ConstantPool::big_integer(std::string digits) { return keep(std::move(digits), Kind::kBigInt); }

}  // namespace atelier::prompt::jinja
