// What the catalog keeps of one GGUF file: the answers, not the metadata. Facts are what the catalog's
// cache holds, so that a restart does not read a hundred files again; to_json and from_json are the form
// on disk. Keys are those of ggml's docs/gguf.md and llama.cpp's gguf-py/gguf/constants.py.
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "models/gguf.h"

namespace atelier::json {
class Value;
}

namespace atelier::models {

enum class FileRole {
  kModel,
  kProjector,  // mmproj: an encoder for images or sound that goes with a model
  kOther,      // adapters, importance matrices, control vectors
};

// Numbers from which the memory that a context takes follows. Per-layer lists have one element for each
// layer, or one for all.
struct CacheShape {
  std::uint64_t layers = 0;
  std::uint64_t embedding_length = 0;
  std::uint64_t feed_forward_length = 0;  // the largest layer's
  std::uint64_t heads = 0;                // the largest layer's
  std::vector<std::uint32_t> kv_heads;
  std::uint64_t key_length = 0;  // elements per KV head
  std::uint64_t value_length = 0;
  std::uint64_t latent_length = 0;            // multi-head latent attention: elements a layer keeps per token; 0: none
  std::uint64_t sliding_window = 0;           // tokens; 0: none
  std::vector<bool> sliding_layers;           // which layers look at the window only
  std::uint64_t recurrent_elements = 0;       // float32 state of one recurrent layer and sequence
  std::uint64_t full_attention_interval = 0;  // hybrid models: every n-th layer has attention, the others a state
  friend bool operator==(const CacheShape&, const CacheShape&) = default;
};

// A token that templates and samplers know by its role. The text is the vocabulary's.
struct SpecialToken {
  std::optional<std::uint64_t> id;
  std::string text;
  friend bool operator==(const SpecialToken&, const SpecialToken&) = default;
};

struct TokenizerFacts {
  std::string model;  // "gpt2", "llama", "bert", …
  std::string pre;    // "qwen2", …
  std::uint64_t vocabulary = 0;
  SpecialToken bos, eos, eot, unknown, separator, padding, mask;
  // Nothing where the file does not say: the tokenizer's own habit then holds.
  std::optional<bool> add_bos, add_eos;
  // Texts of the control tokens, reserved ones left out: markers of turns, tools and channels are among them.
  std::vector<std::string> control_tokens;
  friend bool operator==(const TokenizerFacts&, const TokenizerFacts&) = default;
};

struct Facts {
  FileRole role = FileRole::kModel;
  std::string architecture;                  // "llama", "qwen3moe", "nomic-bert"; "clip" for projectors
  std::string name;                          // general.name
  std::string size_label;                    // general.size_label
  std::string description;                   // general.description
  std::string quantization;                  // from general.file_type, else the type of most tensor bytes
  std::uint64_t file_parameters = 0;         // of this file (a part of a split model has only its own)
  std::uint64_t file_expert_parameters = 0;  // those in routed experts
  std::uint64_t file_tensor_bytes = 0;
  std::uint64_t experts = 0;
  std::uint64_t experts_used = 0;
  std::uint64_t context_length = 0;  // trained; 0 where the file does not say
  std::uint64_t embedding_length = 0;
  std::optional<std::uint64_t> pooling;  // llama.cpp's numbers: 0 none, 1 mean, 2 cls, 3 last, 4 rank
  std::optional<bool> causal;
  std::uint64_t part = 0;        // split files: from 0
  std::uint64_t part_count = 0;  // 0 or 1: whole
  bool sees_images = false;      // projectors
  bool hears_sound = false;
  std::string chat_template;
  std::vector<std::pair<std::string, std::string>> named_templates;  // "tool_use", "rag"
  TokenizerFacts tokenizer;
  CacheShape cache;
  friend bool operator==(const Facts&, const Facts&) = default;
};

// Reads the metadata and the few vocabulary entries that are needed.
Result<Facts> read_facts(const ByteSource& source, const GgufLimits& limits = {});

json::Value to_json(const Facts& facts);
// Nothing where a member is missing or of another type: the file is then simply read again.
std::optional<Facts> facts_from_json(const json::Value& value);

}  // namespace atelier::models
