// Jinja templates: what the rest of Atelier sees of the interpreter.
//
// The dialect is that of Hugging Face's apply_chat_template: jinja2 3.1's immutable sandbox with trim_blocks,
// lstrip_blocks, loop controls and the generation tag, with the filter tojson, and with raise_exception and
// strftime_now. Rendering is a pure function of the template, the variables and the time given: templates
// reach no file, no network and no clock.
#pragma once

#include <array>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "prompt/jinja/civil_time.h"
#include "prompt/jinja/error.h"
#include "prompt/jinja/value.h"
#include "prompt/provenance.h"

namespace atelier::prompt::jinja {

struct Program;

// What a template is given, by name. A later value of a name replaces an earlier one.
class Variables {
 public:
  void set(std::string name, Value value);
  void set(std::string name, const json::Value& value, Provenance provenance = Provenance::kContent);
  const Value* find(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, Value>> values_;
};

// Values from decoded JSON: the order of members is kept, integers stay integers, also beyond 64 bits. Names of members that
// come again and again, as those of messages do, are made once for all that a reader reads.
class JsonReader {
 public:
  explicit JsonReader(Provenance provenance) : provenance_(provenance) {}
  Value read(const json::Value& value);
  Value read(const json::Object& object);

 private:
  const Value& key(const std::string& text);
  Provenance provenance_;
  std::array<Value, 64> keys_;  // the last one with each mark
};

Value from_json(const json::Value& value, Provenance provenance);
Value from_json(const json::Object& object, Provenance provenance);

struct RenderOptions {
  CivilTime now;
  Limits limits;
};

// Text and, where there are runs, where they end; without runs all of it is template text.
struct RenderedText {
  std::string text;
  std::vector<Run> runs;
};

// Immutable once parsed; threads may render the same template at the same time.
class Template {
 public:
  static std::expected<Template, TemplateError> parse(std::string_view source);
  std::expected<RenderedText, TemplateError> render(const Variables& variables,
                                                    const RenderOptions& options = {}) const;

  const std::string& source() const;

 private:
  explicit Template(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

}  // namespace atelier::prompt::jinja
