// One model that is on disk: what every listing shows of it and what loading it needs. Entries are made by
// the catalog and never change afterwards; they are shared as ModelPtr between threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/defaults.h"
#include "models/facts.h"

namespace atelier::models {

enum class ModelType {
  kLlm,
  kVlm,  // an LLM with a projector for images; "llm" with vision in most listings
  kEmbedding,
};
std::string_view to_string(ModelType type);  // "llm", "vlm", "embedding"

struct ModelFile {
  std::filesystem::path path;
  std::uint64_t size_bytes = 0;
};

struct Quantization {
  std::string name;          // "Q4_K_M"; empty where nothing says it
  int bits = 0;              // nominal bits per weight: 4 for Q4_K_M; 0 where unknown
  double measured_bits = 0;  // tensor bytes over parameters
};

// What a request may ask of a model's reasoning: of "off", "on", "low", "medium", "high".
struct ReasoningOptions {
  std::vector<std::string> allowed;  // not empty
  std::string standard;              // one of them: what the model does unasked
  friend bool operator==(const ReasoningOptions&, const ReasoningOptions&) = default;
};

// What a chat template says of its model.
struct TemplateFacts {
  bool trained_for_tool_use = false;
  std::optional<ReasoningOptions> reasoning;
};

struct ModelEntry {
  // "qwen2.5-7b-instruct", "publisher/model", "text-embedding-…": names the selected variant.
  std::string key;
  std::string variant;  // "q4_k_m"; names this entry together with the key
  std::string variant_key() const { return key + "@" + variant; }
  // Where the model has several variants: the variant keys of all of them, and the one that the bare key
  // means. Empty otherwise.
  std::vector<std::string> variants;
  std::string selected_variant;

  ModelType type = ModelType::kLlm;
  std::string publisher;  // the folder's name, as it is
  std::string display_name;
  std::string description;  // may be empty
  std::string architecture;
  std::string format = "gguf";
  Quantization quantization;
  std::uint64_t size_bytes = 0;  // all files
  std::string params_string;     // "8B", "26B-A4B"; empty where unknown
  std::uint64_t parameters = 0;
  std::uint64_t weight_bytes = 0;        // tensors of all parts
  std::uint64_t max_context_length = 0;  // 0 where the file does not say
  std::uint64_t embedding_length = 0;
  std::optional<std::uint64_t> pooling;  // llama.cpp's numbers: 0 none, 1 mean, 2 cls, 3 last, 4 rank
  bool causal = true;                    // false: every token sees all others, and there is no cache to keep
  bool bundled = false;                  // came with the program
  bool vision = false;                   // has a projector that sees images
  // What CatalogOptions::template_facts found, or model.yaml says; nothing where neither does.
  std::optional<bool> trained_for_tool_use;
  std::optional<ReasoningOptions> reasoning;  // nothing: the model does not reason
  std::int64_t modified_seconds = 0;          // of the first file, since 1970

  std::filesystem::path path;    // what an engine loads: the file, or the first part
  std::vector<ModelFile> parts;  // in order; one where the file is whole
  std::optional<ModelFile> projector;
  std::string relative_path;    // "PUBLISHER/MODEL/FILE.gguf" below the models folder
  std::string relative_folder;  // "PUBLISHER/MODEL"

  // The user's, else model.yaml's, else the file's; empty where there is none. defaults.manual_prompt goes before it.
  std::string chat_template;
  std::vector<std::pair<std::string, std::string>> named_templates;
  TokenizerFacts tokenizer;
  CacheShape cache;
  ModelDefaults defaults;  // from model.yaml, with the user's own over them

  // Why the model cannot be loaded; empty for all that a listing shows.
  std::string error;
};

using ModelPtr = std::shared_ptr<const ModelEntry>;

// Something on disk that a person should look at.
struct Problem {
  enum class Kind {
    kBroken,   // a file that should be a model and is not usable
    kWarning,  // everything else: not a model, model.yaml, a folder that cannot be read, the cache
  };
  Kind kind = Kind::kWarning;
  std::filesystem::path path;
  std::string reason;
  friend bool operator==(const Problem&, const Problem&) = default;
};

}  // namespace atelier::models
