// Defaults that travel with a model: the file model.yaml in its folder (modelyaml.org).
//
//   config:
//     operation:                      sampling
//       fields:
//         - { key: llm.prediction.temperature, value: 0.7 }
//     load:
//       fields:
//         - { key: llm.load.contextLength, value: 8192 }
//   metadataOverrides: { trainedForToolUse: true }
//
// The user's own defaults for a model file are JSON of the same kind, {"operation": {"fields": […]}, "load": {"fields":
// […]}}, in a folder of the catalog's (CatalogOptions::user_defaults_folder), and go before model.yaml.
//
// Values may also be plain members ("operation: { temperature: 0.7, top_p: 0.9 }"), under the request's
// names or the configuration keys. A value {checked, value} that is unchecked switches its sampler off.
// What is not known, or out of range, is a warning and not a failure: newer files have newer keys.
// The file comes from anybody: at most 256 KiB, nesting bounded by the parser. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace atelier::models {

struct SamplingDefaults {
  std::optional<double> temperature;
  std::optional<std::int64_t> top_k;     // 0 or below: off
  std::optional<double> top_p;           // 1: off
  std::optional<double> min_p;           // 0: off
  std::optional<double> typical_p;       // 1: off
  std::optional<double> repeat_penalty;  // 1: off
  std::optional<std::int64_t> repeat_last_n;
  std::optional<double> presence_penalty;
  std::optional<double> frequency_penalty;
  std::optional<double> xtc_probability;  // 0: off
  std::optional<double> xtc_threshold;
  std::optional<std::int64_t> max_tokens;
  std::optional<std::int64_t> seed;
  std::optional<std::vector<std::string>> stop_strings;
  std::optional<std::string> system_prompt;
  std::optional<std::string> context_overflow_policy;  // stopAtLimit, truncateMiddle, rollingWindow
  std::optional<std::string> tool_naming;              // passThrough, removeSpecial, snakeCase, camelCase
  std::optional<bool> enable_thinking;
  std::optional<std::int64_t> reasoning_budget;  // tokens
  std::optional<bool> reasoning_parsing;         // false: reasoning is left in the message
  std::optional<std::string> reasoning_start;    // "<think>"
  std::optional<std::string> reasoning_end;
  friend bool operator==(const SamplingDefaults&, const SamplingDefaults&) = default;
};

struct LoadDefaults {
  std::optional<std::uint64_t> context_length;
  std::optional<std::uint64_t> eval_batch_size;
  std::optional<std::uint64_t> physical_batch_size;
  std::optional<std::uint64_t> parallel;
  std::optional<std::uint64_t> threads;
  std::optional<std::uint64_t> num_experts;
  std::optional<std::int64_t> seed;
  std::optional<bool> flash_attention;
  std::optional<bool> offload_kv_cache_to_gpu;
  std::optional<bool> keep_in_memory;
  std::optional<bool> try_mmap;
  std::optional<double> gpu_offload_ratio;  // 0 ("off") to 1 ("max")
  std::optional<double> rope_frequency_base;
  std::optional<double> rope_frequency_scale;
  std::optional<std::string> k_cache_type;  // "f16", "q8_0", …
  std::optional<std::string> v_cache_type;
  std::optional<bool> prefix_cache;
  std::optional<bool> ngram_speculation;
  std::optional<std::uint64_t> token_gap_ms;
  std::optional<std::uint64_t> cache_tokens;
  std::optional<std::uint64_t> kv_memory_bytes;
  friend bool operator==(const LoadDefaults&, const LoadDefaults&) = default;
};

// Prompts made of fixed texts around each message (prompt/manual_template.h makes a template of them).
struct ManualPrompt {
  std::string before_system, after_system, before_user, after_user, before_assistant, after_assistant;
  friend bool operator==(const ManualPrompt&, const ManualPrompt&) = default;
};

struct ModelDefaults {
  SamplingDefaults sampling;
  LoadDefaults load;
  // In place of the model's own template: Jinja text, or fixed texts, never both.
  std::optional<std::string> chat_template;
  std::optional<ManualPrompt> manual_prompt;
  std::vector<std::string> template_stop_strings;  // of that template; they end answers as well as a request's own
  std::optional<std::string> display_name;
  std::optional<std::string> description;
  std::optional<bool> trained_for_tool_use;
  std::optional<std::string> params;  // "8B"
  std::optional<std::uint64_t> max_context_length;
  std::vector<std::string> warnings;  // keys not known, values out of range
  friend bool operator==(const ModelDefaults&, const ModelDefaults&) = default;
};

// kCorrupt for text that is no YAML mapping; the message has line and column.
Result<ModelDefaults> parse_model_yaml(std::string_view text);
// The user's own defaults; errors as above.
Result<ModelDefaults> parse_user_defaults(std::string_view text);
// Takes over everything that `over` sets; warnings are added.
void override_defaults(ModelDefaults& defaults, ModelDefaults over);

}  // namespace atelier::models
