#include "models/defaults.h"

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <set>

#include "base/utf8.h"
#include "models/file_name.h"

namespace atelier::models {
namespace {

constexpr std::size_t kMaxBytes = 256 * 1024;
constexpr std::size_t kMaxWarnings = 50;
constexpr std::size_t kMaxFields = 1'000;

struct Range {
  double least;
  double most;
};
constexpr Range kShare{0, 1};
constexpr Range kPenalty{-10, 10};
constexpr Range kCount{1, 1e9};
constexpr Range kAnyInteger{-9e15, 9e15};

std::string shown(std::string_view text) { return utf8::repair(text.substr(0, 80)); }

// One setting: where it goes and what may be there. `off` is the value that an unchecked pair stands for;
// without one, unchecked means not set.
struct Value {
  YAML::Node node;
  bool checked = true;
};

class Parser {
 public:
  ModelDefaults out;

  void operation(const YAML::Node& section) { each_field(section, "config.operation", &Parser::set_operation); }
  void load(const YAML::Node& section) { each_field(section, "config.load", &Parser::set_load); }
  void metadata(const YAML::Node& section);
  void warn(std::string text) {
    if (out.warnings.size() < kMaxWarnings) out.warnings.push_back(std::move(text));
  }

 private:
  using Setter = bool (Parser::*)(std::string_view name, const Value& value);
  void each_field(const YAML::Node& section, std::string_view where, Setter set);
  void field(std::string_view where, const std::string& key, const YAML::Node& node, Setter set);
  bool set_operation(std::string_view name, const Value& value);
  bool set_load(std::string_view name, const Value& value);
  void reasoning(const YAML::Node& node);
  void prompt_template(const YAML::Node& node);

  bool bad(std::string_view expected) {
    expected_ = expected;
    return false;
  }
  bool number(const Value& value, Range range, std::optional<double>& to, std::optional<double> off = {});
  template <class T>
  bool integer(const Value& value, Range range, std::optional<T>& to, std::optional<T> off = {});
  bool truth(const Value& value, std::optional<bool>& to);
  bool text(const Value& value, std::optional<std::string>& to);
  bool word_of(const Value& value, std::initializer_list<std::string_view> words, std::optional<std::string>& to);
  bool ratio(const Value& value, std::optional<double>& to);
  bool strings(const Value& value, std::optional<std::vector<std::string>>& to);

  std::string_view expected_;
};

// The text of a scalar member; nothing where there is none.
std::optional<std::string> member_text(const YAML::Node& mapping, const char* name) {
  const YAML::Node member = mapping[name];
  if (!member.IsDefined() || !member.IsScalar()) return std::nullopt;
  return utf8::repair(member.Scalar());
}

std::optional<double> number_in(const YAML::Node& node) {
  double value = 0;
  // A quoted "0.7" is text.
  if (!node.IsScalar() || node.Tag() == "!" || !YAML::convert<double>::decode(node, value) || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

// {checked, value} pairs; Python's client writes {checked: true, value: false} for off.
Value unwrapped(const YAML::Node& node) {
  if (!node.IsMap()) return {node, true};
  const YAML::Node checked = node["checked"];
  const YAML::Node value = node["value"];
  if (!checked.IsDefined()) return {node, true};
  bool on = false;
  if (!checked.IsScalar() || !YAML::convert<bool>::decode(checked, on)) on = false;
  bool truth = true;
  if (!value.IsDefined() || value.IsNull()) on = false;
  if (on && value.IsScalar() && YAML::convert<bool>::decode(value, truth) && !truth) on = false;
  return {value.IsDefined() ? value : YAML::Node(), on};
}

bool Parser::number(const Value& value, Range range, std::optional<double>& to, std::optional<double> off) {
  if (!value.checked) {
    to = off;
    return true;
  }
  const auto found = number_in(value.node);
  if (!found || *found < range.least || *found > range.most) return bad("a number in its range");
  to = found;
  return true;
}

template <class T>
bool Parser::integer(const Value& value, Range range, std::optional<T>& to, std::optional<T> off) {
  if (!value.checked) {
    to = off;
    return true;
  }
  const auto found = number_in(value.node);
  if (!found || std::floor(*found) != *found || *found < range.least || *found > range.most) {
    return bad("an integer in its range");
  }
  to = static_cast<T>(*found);
  return true;
}

bool Parser::truth(const Value& value, std::optional<bool>& to) {
  bool found = false;
  if (!value.node.IsScalar() || !YAML::convert<bool>::decode(value.node, found)) return bad("true or false");
  to = found;
  return true;
}

bool Parser::text(const Value& value, std::optional<std::string>& to) {
  if (!value.node.IsScalar()) return bad("text");
  to = utf8::repair(value.node.Scalar());
  return true;
}

bool Parser::word_of(const Value& value, std::initializer_list<std::string_view> words,
                     std::optional<std::string>& to) {
  if (!value.checked) {
    to.reset();
    return true;
  }
  if (!value.node.IsScalar() || std::find(words.begin(), words.end(), value.node.Scalar()) == words.end()) {
    return bad("one of its words");
  }
  to = value.node.Scalar();
  return true;
}

bool Parser::ratio(const Value& value, std::optional<double>& to) {
  if (value.node.IsScalar() && value.node.Scalar() == "max") {
    to = 1;
    return true;
  }
  if (value.node.IsScalar() && value.node.Scalar() == "off") {
    to = 0;
    return true;
  }
  return number(value, kShare, to) || bad("0 to 1, max or off");
}

bool Parser::strings(const Value& value, std::optional<std::vector<std::string>>& to) {
  std::vector<std::string> found;
  if (value.node.IsScalar()) {
    found.push_back(utf8::repair(value.node.Scalar()));
  } else if (value.node.IsSequence() && value.node.size() <= 64) {
    for (const auto& element : value.node) {
      if (!element.IsScalar()) return bad("a list of strings");
      found.push_back(utf8::repair(element.Scalar()));
    }
  } else {
    return bad("a list of strings");
  }
  to = std::move(found);
  return true;
}

void Parser::each_field(const YAML::Node& section, std::string_view where, Setter set) {
  if (!section.IsDefined() || section.IsNull()) return;
  if (!section.IsMap()) {
    warn(fmt::format("{} is not a mapping and was left out", where));
    return;
  }
  std::size_t count = 0;
  for (const auto& member : section) {
    if (++count > kMaxFields) return warn(fmt::format("{} has more than {} members", where, kMaxFields));
    if (!member.first.IsScalar()) continue;
    const std::string& key = member.first.Scalar();
    if (key != "fields") {
      field(where, key, member.second, set);
      continue;
    }
    if (!member.second.IsSequence()) {
      warn(fmt::format("{}.fields is not a list and was left out", where));
      continue;
    }
    for (const auto& entry : member.second) {
      if (++count > kMaxFields) return warn(fmt::format("{} has more than {} fields", where, kMaxFields));
      const YAML::Node name = entry.IsMap() ? entry["key"] : YAML::Node(YAML::NodeType::Undefined);
      if (!name.IsDefined() || !name.IsScalar()) {
        warn(fmt::format("a member of {}.fields has no key and was left out", where));
        continue;
      }
      const YAML::Node value = entry["value"];
      if (value.IsDefined()) field(where, name.Scalar(), value, set);
    }
  }
}

// "llm.prediction.llama.presencePenalty", "presencePenalty" and "presence_penalty" are one name:
// the prefixes go, and capitals become an underscore and a small letter.
std::string plain_name(std::string_view key) {
  for (const std::string_view prefix : {"llm.prediction.", "llm.load.", "embedding.load."}) {
    if (key.starts_with(prefix)) key.remove_prefix(prefix.size());
  }
  if (key.starts_with("llama.")) key.remove_prefix(std::strlen("llama."));
  std::string name;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char c = key[i];
    if (c >= 'A' && c <= 'Z') {
      const bool new_word = i > 0 && key[i - 1] >= 'a' && key[i - 1] <= 'z';
      if (new_word) name += '_';
      name += static_cast<char>(c - 'A' + 'a');
    } else {
      name += c;
    }
  }
  return name;
}

void Parser::field(std::string_view where, const std::string& key, const YAML::Node& node, Setter set) {
  if (node.IsNull()) return;
  expected_ = {};
  if ((this->*set)(plain_name(key), unwrapped(node))) return;
  if (expected_.empty()) {
    warn(fmt::format("{}: the key '{}' is not known and was left out", where, shown(key)));
  } else {
    warn(fmt::format("{}: '{}' must be {}; its value was left out", where, shown(key), expected_));
  }
}

bool Parser::set_operation(std::string_view name, const Value& value) {
  SamplingDefaults& to = out.sampling;
  if (name == "temperature") return number(value, {0, 100}, to.temperature);
  if (name == "top_k" || name == "top_ksampling" || name == "top_k_sampling") {
    return integer(value, {-1, 1e6}, to.top_k, std::optional<std::int64_t>(0));
  }
  if (name == "top_p" || name == "top_psampling" || name == "top_p_sampling") return number(value, kShare, to.top_p, 1);
  if (name == "min_p" || name == "min_psampling" || name == "min_p_sampling") return number(value, kShare, to.min_p, 0);
  if (name == "typical_p" || name == "locally_typical_sampling") return number(value, kShare, to.typical_p, 1);
  if (name == "repeat_penalty") return number(value, {0.01, 10}, to.repeat_penalty, 1);
  if (name == "repeat_last_n") return integer(value, {-1, 1e6}, to.repeat_last_n);
  if (name == "presence_penalty") return number(value, kPenalty, to.presence_penalty, 0);
  if (name == "frequency_penalty") return number(value, kPenalty, to.frequency_penalty, 0);
  if (name == "xtc_probability") return number(value, kShare, to.xtc_probability, 0);
  if (name == "xtc_threshold") return number(value, kShare, to.xtc_threshold);
  if (name == "max_tokens" || name == "max_predicted_tokens") return integer(value, {-1, 1e9}, to.max_tokens);
  if (name == "seed") return integer(value, kAnyInteger, to.seed);
  if (name == "stop" || name == "stop_strings") return strings(value, to.stop_strings);
  if (name == "system_prompt") return text(value, to.system_prompt);
  if (name == "context_overflow_policy") {
    return word_of(value, {"stopAtLimit", "truncateMiddle", "rollingWindow"}, to.context_overflow_policy);
  }
  if (name == "tool_naming") {
    return word_of(value, {"passThrough", "removeSpecial", "snakeCase", "camelCase"}, to.tool_naming);
  }
  if (name == "enable_thinking" || name == "reasoning.enable_thinking") return truth(value, to.enable_thinking);
  if (name == "reasoning_budget" || name == "reasoning.budget_tokens") {
    return integer(value, {0, 1e9}, to.reasoning_budget);
  }
  if (name == "reasoning.parsing") {
    reasoning(value.node);
    return true;
  }
  if (name == "prompt_template") {
    prompt_template(value.node);
    return true;
  }
  // Settings that belong to a request or a client, and say nothing of the model.
  constexpr std::array<std::string_view, 7> kElsewhere = {
      "tools", "tool_choice", "structured", "log_probs", "context_prefill", "cpu_threads", "tool_call_stop_strings"};
  return std::find(kElsewhere.begin(), kElsewhere.end(), name) != kElsewhere.end();
}

bool Parser::set_load(std::string_view name, const Value& value) {
  LoadDefaults& to = out.load;
  if (name == "context_length") return integer(value, kCount, to.context_length);
  if (name == "eval_batch_size") return integer(value, {1, 1e6}, to.eval_batch_size);
  if (name == "physical_batch_size") return integer(value, {1, 1e6}, to.physical_batch_size);
  if (name == "parallel" || name == "num_parallel_sessions") return integer(value, {1, 1023}, to.parallel);
  if (name == "threads" || name == "cpu_thread_pool_size") return integer(value, {1, 4096}, to.threads);
  if (name == "num_experts") return integer(value, {0, 1e5}, to.num_experts);
  if (name == "seed") return integer(value, kAnyInteger, to.seed);
  if (name == "flash_attention") return truth(value, to.flash_attention);
  if (name == "offload_kv_cache_to_gpu" || name == "offload_kvcache_to_gpu") {
    return truth(value, to.offload_kv_cache_to_gpu);
  }
  if (name == "keep_model_in_memory" || name == "keep_in_memory") return truth(value, to.keep_in_memory);
  if (name == "try_mmap") return truth(value, to.try_mmap);
  if (name == "gpu" || name == "acceleration.offload_ratio") return ratio(value, to.gpu_offload_ratio);
  if (name == "rope_frequency_base") return number(value, {0, 1e12}, to.rope_frequency_base);
  if (name == "rope_frequency_scale") return number(value, {0, 1e6}, to.rope_frequency_scale);
  const auto cache_words = {std::string_view("f32"),  std::string_view("f16"),  std::string_view("bf16"),
                            std::string_view("q8_0"), std::string_view("q5_1"), std::string_view("q5_0"),
                            std::string_view("q4_1"), std::string_view("q4_0"), std::string_view("iq4_nl")};
  if (name == "k_cache_type" || name == "k_cache_quantization_type")
    return word_of(value, cache_words, to.k_cache_type);
  if (name == "v_cache_type" || name == "v_cache_quantization_type")
    return word_of(value, cache_words, to.v_cache_type);
  if (name == "prefix_cache") return truth(value, to.prefix_cache);
  if (name == "ngram_speculation") return truth(value, to.ngram_speculation);
  if (name == "token_gap_ms") return integer(value, {0, 3.6e6}, to.token_gap_ms);
  if (name == "kv_memory_bytes") return integer(value, {0, 1e15}, to.kv_memory_bytes);
  if (name == "cache_tokens") return integer(value, {0, 6e7}, to.cache_tokens);
  if (name == "prompt_template") {
    prompt_template(value.node);
    return true;
  }
  return false;
}

void Parser::reasoning(const YAML::Node& node) {
  if (!node.IsMap()) return warn("config.operation: reasoning.parsing must be a mapping; it was left out");
  bool enabled = true;
  const YAML::Node on = node["enabled"];
  if (on.IsDefined() && (!on.IsScalar() || !YAML::convert<bool>::decode(on, enabled))) {
    return warn("config.operation: 'enabled' of reasoning.parsing must be true or false; it was left out");
  }
  out.sampling.reasoning_parsing = enabled;
  const std::optional<std::string> start = member_text(node, "startString");
  const std::optional<std::string> end = member_text(node, "endString");
  if (!enabled || (!start && !end)) return;
  if (!start || !end || start->empty() || end->empty()) {
    return warn(
        "config.operation: reasoning.parsing needs both 'startString' and 'endString', neither empty; the model's own "
        "are used");
  }
  out.sampling.reasoning_start = start;
  out.sampling.reasoning_end = end;
}

void Parser::prompt_template(const YAML::Node& node) {
  const char* const expected =
      "promptTemplate must be {type: jinja, jinjaPromptTemplate: {template}} or {type: manual, manualPromptTemplate: "
      "{beforeSystem, afterSystem, beforeUser, afterUser, beforeAssistant, afterAssistant}}; it was left out";
  if (!node.IsMap()) return warn(expected);
  const YAML::Node jinja = node["jinjaPromptTemplate"];
  const YAML::Node manual = node["manualPromptTemplate"];
  const std::string type = member_text(node, "type").value_or(manual.IsDefined() ? "manual" : "jinja");
  if (type == "jinja" && jinja.IsDefined() && jinja.IsMap() && member_text(jinja, "template")) {
    out.chat_template = member_text(jinja, "template");
    out.manual_prompt.reset();
  } else if (type == "manual" && manual.IsDefined() && manual.IsMap()) {
    const auto text = [&](const char* name) { return member_text(manual, name).value_or(""); };
    out.manual_prompt = ManualPrompt{text("beforeSystem"), text("afterSystem"),     text("beforeUser"),
                                     text("afterUser"),    text("beforeAssistant"), text("afterAssistant")};
    out.chat_template.reset();
  } else {
    return warn(expected);
  }
  out.template_stop_strings.clear();
  const YAML::Node stops = node["stopStrings"];
  if (!stops.IsDefined() || stops.IsNull()) return;
  std::optional<std::vector<std::string>> found;
  if (!strings({stops, true}, found)) return warn("promptTemplate: 'stopStrings' must be a list of strings");
  out.template_stop_strings = std::move(*found);
}

void Parser::metadata(const YAML::Node& section) {
  if (!section.IsDefined() || !section.IsMap()) return;
  const auto member = [&](const char* name) { return Value{section[name], true}; };
  if (const auto value = member("trainedForToolUse"); value.node.IsDefined()) truth(value, out.trained_for_tool_use);
  const YAML::Node sizes = section["paramsStrings"];
  if (sizes.IsDefined() && sizes.IsSequence() && sizes.size() == 1 && sizes[0].IsScalar()) {
    out.params = utf8::repair(sizes[0].Scalar().substr(0, 32));
  }
  const YAML::Node contexts = section["contextLengths"];
  if (contexts.IsDefined() && contexts.IsSequence() && contexts.size() == 1) {
    std::optional<std::uint64_t> most;
    if (integer({contexts[0], true}, kCount, most)) out.max_context_length = most;
  }
}

Result<ModelDefaults> parse_yaml(std::string_view text) {
  const YAML::Node root = YAML::Load(std::string(text));
  if (!root.IsMap()) return fail(ErrorCode::kCorrupt, "a mapping with the member 'config' expected");
  Parser parser;
  if (const YAML::Node name = root["displayName"]; name.IsDefined() && name.IsScalar()) {
    parser.out.display_name = utf8::repair(name.Scalar().substr(0, 200));
  }
  if (const YAML::Node about = root["description"]; about.IsDefined() && about.IsScalar()) {
    parser.out.description = utf8::repair(about.Scalar());
  }
  if (const YAML::Node config = root["config"]; config.IsDefined() && config.IsMap()) {
    parser.operation(config["operation"]);
    parser.load(config["load"]);
  } else if (config.IsDefined() && !config.IsNull()) {
    parser.warn("config is not a mapping and was left out");
  }
  parser.metadata(root["metadataOverrides"]);
  constexpr std::array<std::string_view, 12> kKnown = {"model",        "base",        "config",  "metadataOverrides",
                                                       "customFields", "suggestions", "tags",    "description",
                                                       "displayName",  "name",        "version", "license"};
  for (const auto& member : root) {
    if (!member.first.IsScalar()) continue;
    const std::string& key = member.first.Scalar();
    if (std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end()) {
      parser.warn(fmt::format("the key '{}' is not known and was left out", shown(key)));
    }
  }
  return std::move(parser.out);
}

Result<ModelDefaults> parse_user(std::string_view text) {
  const YAML::Node root = YAML::Load(std::string(text));
  if (!root.IsMap()) return fail(ErrorCode::kCorrupt, "an object with 'operation' and 'load' expected");
  Parser parser;
  parser.operation(root["operation"]);
  parser.load(root["load"]);
  return std::move(parser.out);
}

Result<ModelDefaults> guarded(std::string_view text, Result<ModelDefaults> (*parse)(std::string_view)) {
  if (text.size() > kMaxBytes) {
    return fail(ErrorCode::kCorrupt, fmt::format("{} bytes, at most {} expected", text.size(), kMaxBytes));
  }
  try {
    return parse(text);
  } catch (const YAML::Exception& problem) {
    if (problem.mark.is_null()) return fail(ErrorCode::kCorrupt, "not YAML: " + utf8::repair(problem.msg));
    return fail(ErrorCode::kCorrupt, fmt::format("not YAML: {} (line {}, column {})", utf8::repair(problem.msg),
                                                 problem.mark.line + 1, problem.mark.column + 1));
  } catch (const std::exception& problem) {
    return fail(ErrorCode::kCorrupt, fmt::format("not YAML: {}", utf8::repair(problem.what())));
  }
}

template <class T>
void take(std::optional<T>& to, std::optional<T>&& from) {
  if (from) to = std::move(from);
}

void override_sampling(SamplingDefaults& to, SamplingDefaults&& from) {
  take(to.temperature, std::move(from.temperature));
  take(to.top_k, std::move(from.top_k));
  take(to.top_p, std::move(from.top_p));
  take(to.min_p, std::move(from.min_p));
  take(to.typical_p, std::move(from.typical_p));
  take(to.repeat_penalty, std::move(from.repeat_penalty));
  take(to.repeat_last_n, std::move(from.repeat_last_n));
  take(to.presence_penalty, std::move(from.presence_penalty));
  take(to.frequency_penalty, std::move(from.frequency_penalty));
  take(to.xtc_probability, std::move(from.xtc_probability));
  take(to.xtc_threshold, std::move(from.xtc_threshold));
  take(to.max_tokens, std::move(from.max_tokens));
  take(to.seed, std::move(from.seed));
  take(to.stop_strings, std::move(from.stop_strings));
  take(to.system_prompt, std::move(from.system_prompt));
  take(to.context_overflow_policy, std::move(from.context_overflow_policy));
  take(to.tool_naming, std::move(from.tool_naming));
  take(to.enable_thinking, std::move(from.enable_thinking));
  take(to.reasoning_budget, std::move(from.reasoning_budget));
  take(to.reasoning_parsing, std::move(from.reasoning_parsing));
  take(to.reasoning_start, std::move(from.reasoning_start));
  take(to.reasoning_end, std::move(from.reasoning_end));
}

void override_load(LoadDefaults& to, LoadDefaults&& from) {
  take(to.context_length, std::move(from.context_length));
  take(to.eval_batch_size, std::move(from.eval_batch_size));
  take(to.physical_batch_size, std::move(from.physical_batch_size));
  take(to.parallel, std::move(from.parallel));
  take(to.threads, std::move(from.threads));
  take(to.num_experts, std::move(from.num_experts));
  take(to.seed, std::move(from.seed));
  take(to.flash_attention, std::move(from.flash_attention));
  take(to.offload_kv_cache_to_gpu, std::move(from.offload_kv_cache_to_gpu));
  take(to.keep_in_memory, std::move(from.keep_in_memory));
  take(to.try_mmap, std::move(from.try_mmap));
  take(to.gpu_offload_ratio, std::move(from.gpu_offload_ratio));
  take(to.rope_frequency_base, std::move(from.rope_frequency_base));
  take(to.rope_frequency_scale, std::move(from.rope_frequency_scale));
  take(to.k_cache_type, std::move(from.k_cache_type));
  take(to.v_cache_type, std::move(from.v_cache_type));
  take(to.prefix_cache, std::move(from.prefix_cache));
  take(to.ngram_speculation, std::move(from.ngram_speculation));
  take(to.token_gap_ms, std::move(from.token_gap_ms));
  take(to.kv_memory_bytes, std::move(from.kv_memory_bytes));
  take(to.cache_tokens, std::move(from.cache_tokens));
}

}  // namespace

Result<ModelDefaults> parse_model_yaml(std::string_view text) { return guarded(text, parse_yaml); }

Result<ModelDefaults> parse_user_defaults(std::string_view text) { return guarded(text, parse_user); }

void override_defaults(ModelDefaults& defaults, ModelDefaults over) {
  override_sampling(defaults.sampling, std::move(over.sampling));
  override_load(defaults.load, std::move(over.load));
  if (over.chat_template || over.manual_prompt) {
    defaults.chat_template = std::move(over.chat_template);
    defaults.manual_prompt = std::move(over.manual_prompt);
    defaults.template_stop_strings = std::move(over.template_stop_strings);
  }
  take(defaults.display_name, std::move(over.display_name));
  take(defaults.description, std::move(over.description));
  take(defaults.trained_for_tool_use, std::move(over.trained_for_tool_use));
  take(defaults.params, std::move(over.params));
  take(defaults.max_context_length, std::move(over.max_context_length));
  for (std::string& warning : over.warnings) defaults.warnings.push_back(std::move(warning));
}

}  // namespace atelier::models
