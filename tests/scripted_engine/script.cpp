#include "tests/scripted_engine/script.h"

#include <fstream>
#include <functional>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "base/json.h"

namespace atelier::scripted {
namespace {

using json::Value;

// Reads members of one object and remembers the first mistake, so that a script reads as a list of fields.
class Reader {
 public:
  Reader(const Value& value, std::string where, std::optional<Error>& mistake)
      : value_(value), where_(std::move(where)), mistake_(mistake) {
    if (!value_.is_object()) complain("is not an object");
  }
  ~Reader() {
    if (!value_.is_object()) return;
    for (const auto& [name, member] : *value_.if_object()) {
      if (!known_.contains(name)) complain(fmt::format("has an unknown member \"{}\"", name));
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  const Value* member(const char* name) {
    known_[name] = true;
    return value_.find(name);
  }
  bool has(const char* name) { return member(name) != nullptr; }
  void string(const char* name, std::string& out) {
    if (const Value* found = member(name)) {
      if (const std::string* text = found->if_string()) {
        out = *text;
      } else {
        complain(fmt::format("has a \"{}\" that is no string", name));
      }
    }
  }
  void boolean(const char* name, bool& out) {
    if (const Value* found = member(name)) {
      if (const bool* flag = found->if_bool()) {
        out = *flag;
      } else {
        complain(fmt::format("has a \"{}\" that is neither true nor false", name));
      }
    }
  }
  template <class T>
  void number(const char* name, T& out) {
    if (const Value* found = member(name)) {
      const std::optional<double> value = found->number();
      if (!value) {
        complain(fmt::format("has a \"{}\" that is no number", name));
      } else {
        out = static_cast<T>(*value);
      }
    }
  }
  template <class T>
  void number(const char* name, std::optional<T>& out) {
    if (!has(name)) return;
    T value{};
    number(name, value);
    out = value;
  }
  void milliseconds(const char* name, std::chrono::milliseconds& out) {
    std::int64_t value = out.count();
    number(name, value);
    out = std::chrono::milliseconds(value);
  }
  void strings(const char* name, std::vector<std::string>& out) {
    each(name, [&](const Value& item, const std::string& where) {
      const std::string* text = item.if_string();
      if (text == nullptr) return complain_at(where, "is no string");
      out.push_back(*text);
    });
  }
  void numbers(const char* name, std::vector<double>& out) {
    each(name, [&](const Value& item, const std::string& where) {
      const std::optional<double> value = item.number();
      if (!value) return complain_at(where, "is no number");
      out.push_back(*value);
    });
  }
  void each(const char* name, const std::function<void(const Value&, const std::string&)>& take) {
    const Value* found = member(name);
    if (found == nullptr) return;
    if (!found->is_array()) return complain(fmt::format("has a \"{}\" that is no array", name));
    std::size_t index = 0;
    for (const Value& item : *found->if_array()) take(item, fmt::format("{}.{}[{}]", where_, name, index++));
  }
  std::string at(const char* name) const { return where_ + "." + name; }
  std::optional<Error>& mistake() { return mistake_; }
  void complain(const std::string& what) { complain_at(where_, what); }

 private:
  void complain_at(const std::string& where, const std::string& what) {
    if (!mistake_) mistake_ = Error{ErrorCode::kInvalidRequest, fmt::format("Script: {} {}", where, what), {}};
  }

  const Value& value_;
  std::string where_;
  std::optional<Error>& mistake_;
  std::map<std::string, bool> known_;
};

ScriptError read_error(const Value& value, const std::string& where, std::optional<Error>& mistake) {
  ScriptError error;
  Reader reader(value, where, mistake);
  reader.string("kind", error.kind);
  reader.string("message", error.message);
  reader.string("param", error.param);
  return error;
}

void optional_error(Reader& reader, const char* name, std::optional<ScriptError>& out) {
  if (const Value* value = reader.member(name)) out = read_error(*value, reader.at(name), reader.mistake());
}

void read_crash(Reader& reader, Crash& out) {
  std::string name;
  reader.string("crash", name);
  static const std::map<std::string, Crash> kNames = {{"", Crash::kNone},
                                                      {"abort", Crash::kAbort},
                                                      {"exit", Crash::kExit},
                                                      {"kill", Crash::kKill},
                                                      {"segfault", Crash::kSegfault}};
  const auto found = kNames.find(name);
  if (found == kNames.end()) return reader.complain(fmt::format("has an unknown crash \"{}\"", name));
  out = found->second;
}

ScriptPiece read_piece(const Value& value, const std::string& where, std::optional<Error>& mistake) {
  ScriptPiece piece;
  Reader reader(value, where, mistake);
  reader.string("text", piece.text);
  reader.boolean("control", piece.is_control);
  reader.number("token", piece.token);
  reader.number("logprob", piece.logprob);
  reader.each("top",
              [&](const Value& item, const std::string& at) { piece.top.push_back(read_piece(item, at, mistake)); });
  return piece;
}

void set_kind(Reader& reader, Step& step, bool& chosen, Step::Kind kind) {
  if (chosen) reader.complain("does two things at once");
  chosen = true;
  step.kind = kind;
}

Step read_step(const Value& value, const std::string& where, std::optional<Error>& mistake) {
  Step step;
  Reader reader(value, where, mistake);
  bool chosen = false;
  reader.milliseconds("after_ms", step.after);
  if (const Value* times = reader.member("times"); times != nullptr && times->is_string()) {
    if (*times->if_string() != "forever") reader.complain("has \"times\" that is neither a number nor \"forever\"");
    step.times = 0;
  } else {
    reader.number("times", step.times);
  }
  reader.boolean("of_prompt", step.of_prompt);

  if (reader.has("text")) {
    set_kind(reader, step, chosen, Step::Kind::kPieces);
    reader.string("text", step.pieces.emplace_back().text);
  }
  if (reader.has("control")) {
    set_kind(reader, step, chosen, Step::Kind::kPieces);
    ScriptPiece& piece = step.pieces.emplace_back();
    piece.is_control = true;
    reader.string("control", piece.text);
  }
  if (reader.has("pieces")) {
    set_kind(reader, step, chosen, Step::Kind::kPieces);
    reader.each("pieces", [&](const Value& item, const std::string& at) {
      step.pieces.push_back(read_piece(item, at, mistake));
    });
  }
  if (reader.has("progress")) {
    set_kind(reader, step, chosen, Step::Kind::kProgress);
    std::vector<double> numbers;
    reader.numbers("progress", numbers);
    if (numbers.size() != 2) reader.complain("needs \"progress\": [processed, total]");
    if (numbers.size() == 2) {
      step.processed = static_cast<std::uint64_t>(numbers[0]);
      step.total = static_cast<std::uint64_t>(numbers[1]);
    }
  }
  static const std::map<const char*, Step::Kind> kTexts = {
      {"echo", Step::Kind::kEcho}, {"raw", Step::Kind::kRaw}, {"print", Step::Kind::kPrint}, {"log", Step::Kind::kLog}};
  for (const auto& [name, kind] : kTexts) {
    if (!reader.has(name)) continue;
    set_kind(reader, step, chosen, kind);
    reader.string(name, step.text);
  }
  static const std::map<const char*, Step::Kind> kFlags = {
      {"report", Step::Kind::kReport}, {"hang", Step::Kind::kHang}, {"deaf", Step::Kind::kDeaf}};
  for (const auto& [name, kind] : kFlags) {
    if (!reader.has(name)) continue;
    set_kind(reader, step, chosen, kind);
    bool flag = true;
    reader.boolean(name, flag);
  }
  if (const Value* error = reader.member("error")) {
    set_kind(reader, step, chosen, Step::Kind::kError);
    step.error = read_error(*error, reader.at("error"), mistake);
  }
  if (const Value* done = reader.member("done")) {
    set_kind(reader, step, chosen, Step::Kind::kDone);
    Reader done_reader(*done, reader.at("done"), mistake);
    done_reader.string("reason", step.done.reason);
    done_reader.string("stop_string", step.done.stop_string);
    done_reader.number("end_token", step.done.end_token);
  }
  if (reader.has("crash")) {
    set_kind(reader, step, chosen, Step::Kind::kCrash);
    read_crash(reader, step.crash);
  }
  return step;
}

Rule read_rule(const Value& value, const std::string& where, std::optional<Error>& mistake) {
  Rule rule;
  Reader reader(value, where, mistake);
  reader.string("when", rule.when);
  reader.milliseconds("accept_after_ms", rule.accept_after);
  reader.milliseconds("start_after_ms", rule.start_after);
  optional_error(reader, "refuse", rule.refuse);
  reader.number("cached_tokens", rule.cached_tokens);
  reader.boolean("ignore_cancel", rule.ignore_cancel);
  reader.boolean("ignore_pause", rule.ignore_pause);
  reader.each("steps",
              [&](const Value& item, const std::string& at) { rule.steps.push_back(read_step(item, at, mistake)); });
  return rule;
}

void read_load(const Value& value, const std::string& where, std::optional<Error>& mistake, Script& script) {
  Reader reader(value, where, mistake);
  reader.milliseconds("step_ms", script.load.step);
  reader.numbers("progress", script.load.progress);
  reader.strings("print", script.load.print);
  reader.strings("log", script.load.log);
  optional_error(reader, "error", script.load.error);
  read_crash(reader, script.load.crash);
  reader.boolean("hang", script.load.hang);
  reader.string("raw", script.load.raw);
  reader.number("context_length", script.load.context_length);
  reader.string("architecture", script.load.architecture);
}

void read_estimate(const Value& value, const std::string& where, std::optional<Error>& mistake, Script& script) {
  Reader reader(value, where, mistake);
  reader.number("weight_bytes", script.estimate.weight_bytes);
  reader.number("kv_cache_bytes", script.estimate.kv_cache_bytes);
  reader.number("compute_bytes", script.estimate.compute_bytes);
  reader.number("gpu_bytes", script.estimate.gpu_bytes);
  reader.number("available_bytes", script.estimate.available_bytes);
  reader.boolean("fits", script.estimate.fits);
  reader.boolean("lowered", script.estimate.lowered);
  reader.boolean("exact", script.estimate.exact);
  optional_error(reader, "error", script.estimate.error);
  read_crash(reader, script.estimate.crash);
  reader.boolean("hang", script.estimate.hang);
  reader.string("raw", script.estimate.raw);
}

void read_embed(const Value& value, const std::string& where, std::optional<Error>& mistake, Script& script) {
  Reader reader(value, where, mistake);
  reader.milliseconds("after_ms", script.embed.after);
  optional_error(reader, "error", script.embed.error);
  read_crash(reader, script.embed.crash);
  reader.boolean("hang", script.embed.hang);
  if (reader.has("vectors")) script.embed.vectors.clear();
  reader.each("vectors", [&](const Value& item, const std::string&) {
    std::vector<float>& vector = script.embed.vectors.emplace_back();
    if (!item.is_array()) return reader.complain("has a vector that is no array");
    for (const Value& number : *item.if_array()) vector.push_back(static_cast<float>(number.number().value_or(0)));
    if (vector.empty() || vector.size() != script.embed.vectors.front().size()) {
      reader.complain("has vectors of different lengths");
    }
  });
  if (script.embed.vectors.empty()) reader.complain("has no vectors");
}

}  // namespace

Result<Script> parse_script(std::string_view text) {
  auto document = json::parse(text);
  if (!document) return std::unexpected(document.error());
  Script script;
  std::optional<Error> mistake;
  {
    Reader reader(*document, "script", mistake);
    reader.boolean("ignore_end", script.ignore_end);
    reader.number("parallel", script.parallel);
    if (const Value* load = reader.member("load")) read_load(*load, "script.load", mistake, script);
    if (const Value* estimate = reader.member("estimate")) {
      read_estimate(*estimate, "script.estimate", mistake, script);
    }
    if (const Value* embed = reader.member("embed")) read_embed(*embed, "script.embed", mistake, script);
    if (const Value* generate = reader.member("generate"); generate != nullptr && generate->is_object()) {
      script.generate.push_back(read_rule(*generate, "script.generate", mistake));
    } else {
      reader.each("generate", [&](const Value& item, const std::string& at) {
        script.generate.push_back(read_rule(item, at, mistake));
      });
    }
  }
  if (mistake) return std::unexpected(*mistake);
  return script;
}

Result<Script> read_script(const std::filesystem::path& model) {
  std::filesystem::path file = model;
  if (model.extension() == ".gguf") {
    file.replace_extension(".script.json");
    if (!std::filesystem::exists(model)) return fail(ErrorCode::kIo, model.string() + " does not exist");
    if (!std::filesystem::exists(file)) return parse_script(R"({"generate": {"steps": [{"echo": "prompt"}]}})");
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(ErrorCode::kIo, file.string() + " cannot be read");
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return parse_script(text);
}

}  // namespace atelier::scripted
