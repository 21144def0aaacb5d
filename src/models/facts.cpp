#include "models/facts.h"

#include <fmt/core.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/utf8.h"
#include "models/file_name.h"

namespace atelier::models {
namespace {

constexpr std::uint64_t kMaxLayers = 4'096;

std::string text_of(const Gguf& file, std::string_view key) {
  const std::string* text = file.string(key);
  return text == nullptr ? std::string() : utf8::repair(*text);
}

// Values below the architecture's name: "llama.block_count".
class Hyperparameters {
 public:
  Hyperparameters(const Gguf& file, std::string_view architecture) : file_(file), prefix_(architecture) {
    prefix_ += '.';
  }

  std::uint64_t number(std::string_view name, std::uint64_t otherwise = 0) const {
    return file_.unsigned_integer(key(name)).value_or(otherwise);
  }
  bool has(std::string_view name) const { return file_.find(key(name)) != nullptr; }
  std::optional<bool> boolean(std::string_view name) const { return file_.boolean(key(name)); }

  // A number for all layers, or a list with one for each.
  std::vector<std::uint32_t> per_layer(std::string_view name) const {
    const auto small = [](double value) { return static_cast<std::uint32_t>(value >= 0 && value <= 1e9 ? value : 0); };
    if (const auto one = file_.unsigned_integer(key(name))) return {small(static_cast<double>(*one))};
    std::vector<std::uint32_t> all;
    const GgufArray* list = file_.array(key(name));
    if (list == nullptr || !list->kept) return all;
    for (const double value : list->numbers) all.push_back(small(value));
    return all;
  }

 private:
  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  const Gguf& file_;
  std::string prefix_;
};

std::uint64_t largest(const std::vector<std::uint32_t>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

// Which layers have a sliding window: the file's own list, its period, or the period that the
// architecture is known for (llama.cpp sets these in code for files that do not say). A period of n means
// that the last layer of each n looks at everything.
std::vector<bool> sliding_layers(const Hyperparameters& parameters, std::string_view architecture,
                                 std::uint64_t layers) {
  if (layers > kMaxLayers) return {};
  std::vector<bool> sliding;
  const auto pattern = parameters.per_layer("attention.sliding_window_pattern");
  if (pattern.size() > 1) {
    for (const auto value : pattern) sliding.push_back(value != 0);
    sliding.resize(static_cast<std::size_t>(layers), false);
    return sliding;
  }
  std::uint64_t period = pattern.empty() ? 0 : pattern.front();
  if (period == 0) {
    struct Known {
      std::string_view architecture;
      std::uint64_t period;
    };
    for (const Known& known : {Known{"gemma2", 2}, Known{"gemma3", 6}, Known{"gemma3n", 5}, Known{"gpt-oss", 2},
                               Known{"cohere2", 4}, Known{"exaone4", 4}, Known{"olmo2", 4}}) {
      if (known.architecture == architecture) period = known.period;
    }
  }
  if (period < 2) return {};
  for (std::uint64_t layer = 0; layer < layers; ++layer) sliding.push_back(layer % period + 1 < period);
  return sliding;
}

CacheShape cache_shape(const Hyperparameters& parameters, std::string_view architecture) {
  CacheShape shape;
  shape.layers = std::min(parameters.number("block_count"), kMaxLayers);
  shape.embedding_length = parameters.number("embedding_length");
  shape.feed_forward_length = largest(parameters.per_layer("feed_forward_length"));
  const auto heads = parameters.per_layer("attention.head_count");
  shape.heads = largest(heads);
  shape.kv_heads = parameters.per_layer("attention.head_count_kv");
  if (shape.kv_heads.empty()) shape.kv_heads = heads;
  if (shape.kv_heads.size() > shape.layers) shape.kv_heads.resize(static_cast<std::size_t>(shape.layers));
  const std::uint64_t head_length = shape.heads == 0 ? 0 : shape.embedding_length / shape.heads;
  shape.key_length = parameters.number("attention.key_length", head_length);
  shape.value_length = parameters.number("attention.value_length", head_length);
  if (const auto rank = parameters.number("attention.kv_lora_rank"); rank > 0) {
    // DeepSeek 2: the compressed key and value, and the part of the key that carries the position.
    if (parameters.has("attention.key_length_mla")) {
      shape.latent_length = rank + parameters.number("rope.dimension_count");
    }
  }
  shape.sliding_window = parameters.number("attention.sliding_window");
  if (shape.sliding_window > 0) shape.sliding_layers = sliding_layers(parameters, architecture, shape.layers);
  // Mamba: the convolution's tail and the state.
  const std::uint64_t inner = std::min<std::uint64_t>(parameters.number("ssm.inner_size"), 1 << 24);
  const std::uint64_t state = std::min<std::uint64_t>(parameters.number("ssm.state_size"), 1 << 16);
  const std::uint64_t kernel = std::min<std::uint64_t>(parameters.number("ssm.conv_kernel"), 1 << 10);
  const std::uint64_t groups = std::min<std::uint64_t>(parameters.number("ssm.group_count"), 1 << 16);
  shape.recurrent_elements = inner * state + (kernel > 0 ? kernel - 1 : 0) * (inner + 2 * groups * state);
  shape.full_attention_interval = parameters.number("full_attention_interval");
  return shape;
}

FileRole role_of(const Gguf& file, std::string_view architecture) {
  const std::string type = text_of(file, "general.type");
  if (architecture == "clip" || type == "mmproj" || type == "projector" || type == "clip-vision") {
    return FileRole::kProjector;
  }
  if (!type.empty() && type != "model") return FileRole::kOther;  // adapter, imatrix, controlvector
  if (architecture == "controlvector" || architecture == "imatrix") return FileRole::kOther;
  return FileRole::kModel;
}

void read_templates(const Gguf& file, Facts& facts) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  for (const auto& [key, value] : file.pairs()) {
    if (!key.starts_with(kKey)) continue;
    const auto* text = std::get_if<std::string>(&value.data);
    if (text == nullptr) continue;
    if (key.size() == kKey.size()) {
      facts.chat_template = utf8::repair(*text);
    } else if (key[kKey.size()] == '.') {
      facts.named_templates.emplace_back(utf8::repair(key.substr(kKey.size() + 1)), utf8::repair(*text));
    }
  }
}

// llama.cpp's number for control tokens in tokenizer.ggml.token_type.
constexpr std::int32_t kControlToken = 3;
// Vocabularies reserve hundreds of control tokens for later; those are no markers of anything.
constexpr std::size_t kMaxControlTokens = 512;

bool is_reserved(std::string_view text) {
  for (const std::string_view word : {"reserved", "unused", "extra_id", "placeholder"}) {
    if (text.find(word) != std::string_view::npos) return true;
  }
  return false;
}

Result<std::vector<std::uint64_t>> control_token_ids(const ByteSource& source, const GgufArray& types) {
  std::vector<std::uint64_t> ids;
  if (types.element_type != GgufType::kInt32 && types.element_type != GgufType::kUint32) return ids;
  std::vector<char> chunk(std::size_t{64} * 1024);
  for (std::uint64_t at = 0; at < types.count * sizeof(std::int32_t); at += chunk.size()) {
    const std::uint64_t size = std::min<std::uint64_t>(chunk.size(), types.count * sizeof(std::int32_t) - at);
    const auto read = source.read_at(types.offset + at, chunk.data(), size);
    if (!read) return std::unexpected(read.error());
    for (std::uint64_t i = 0; i + sizeof(std::int32_t) <= *read; i += sizeof(std::int32_t)) {
      std::int32_t type = 0;
      std::memcpy(&type, chunk.data() + i, sizeof(type));
      if (type == kControlToken) ids.push_back((at + i) / sizeof(std::int32_t));
    }
  }
  return ids;
}

Result<void> read_control_tokens(const ByteSource& source, const Gguf& file, const GgufArray& vocabulary,
                                 const GgufLimits& limits, TokenizerFacts& tokenizer) {
  const GgufArray* types = file.array("tokenizer.ggml.token_type");
  if (types == nullptr || types->count != vocabulary.count) return {};
  const auto ids = control_token_ids(source, *types);
  if (!ids) return std::unexpected(ids.error());
  const auto texts = string_elements(source, vocabulary, *ids, limits);
  if (!texts) return std::unexpected(texts.error());
  for (const std::string& text : *texts) {
    if (text.empty() || is_reserved(text) || tokenizer.control_tokens.size() >= kMaxControlTokens) continue;
    tokenizer.control_tokens.push_back(utf8::repair(text));
  }
  return {};
}

Result<void> read_tokenizer(const ByteSource& source, const Gguf& file, const GgufLimits& limits,
                            TokenizerFacts& tokenizer) {
  tokenizer.model = text_of(file, "tokenizer.ggml.model");
  tokenizer.pre = text_of(file, "tokenizer.ggml.pre");
  tokenizer.add_bos = file.boolean("tokenizer.ggml.add_bos_token");
  tokenizer.add_eos = file.boolean("tokenizer.ggml.add_eos_token");
  struct Role {
    std::string_view key;
    SpecialToken TokenizerFacts::* token;
  };
  constexpr std::array<Role, 7> kRoles = {{{"bos", &TokenizerFacts::bos},
                                           {"eos", &TokenizerFacts::eos},
                                           {"eot", &TokenizerFacts::eot},
                                           {"unknown", &TokenizerFacts::unknown},
                                           {"seperator", &TokenizerFacts::separator},  // so spelled in the format
                                           {"padding", &TokenizerFacts::padding},
                                           {"mask", &TokenizerFacts::mask}}};
  std::vector<std::uint64_t> ids;
  std::vector<SpecialToken*> tokens;
  for (const Role& role : kRoles) {
    const auto id = file.unsigned_integer(fmt::format("tokenizer.ggml.{}_token_id", role.key));
    if (!id || *id > 0x7fffffff) continue;  // 4294967295 is an absent one
    SpecialToken& token = tokenizer.*role.token;
    token.id = id;
    ids.push_back(*id);
    tokens.push_back(&token);
  }
  const GgufArray* vocabulary = file.array("tokenizer.ggml.tokens");
  if (vocabulary == nullptr) return {};
  tokenizer.vocabulary = vocabulary->count;
  const auto texts = string_elements(source, *vocabulary, ids, limits);
  if (!texts) return std::unexpected(texts.error());
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i]->text = utf8::repair((*texts)[i]);
  return read_control_tokens(source, file, *vocabulary, limits, tokenizer);
}

void count_parameters(const Gguf& file, Facts& facts) {
  facts.file_parameters = file.parameter_count();
  facts.file_tensor_bytes = file.tensor_bytes();
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name.find("_exps.") != std::string::npos) facts.file_expert_parameters += tensor.elements;
  }
}

}  // namespace

Result<Facts> read_facts(const ByteSource& source, const GgufLimits& limits) {
  const auto file = Gguf::read(source, limits);
  if (!file) return std::unexpected(file.error());
  Facts facts;
  facts.architecture = text_of(*file, "general.architecture");
  facts.name = text_of(*file, "general.name");
  facts.size_label = text_of(*file, "general.size_label");
  facts.description = text_of(*file, "general.description");
  facts.role = role_of(*file, facts.architecture);
  facts.part = file->unsigned_integer("split.no").value_or(0);
  facts.part_count = file->unsigned_integer("split.count").value_or(0);
  count_parameters(*file, facts);

  if (const auto type = file->unsigned_integer("general.file_type")) facts.quantization = file_type_name(*type);
  if (const auto type = file->dominant_type(); facts.quantization.empty() && type) {
    facts.quantization = tensor_type_name(*type);
  }
  facts.sees_images = file->boolean("clip.has_vision_encoder").value_or(false);
  facts.hears_sound = file->boolean("clip.has_audio_encoder").value_or(false);

  const Hyperparameters parameters(*file, facts.architecture);
  facts.experts = parameters.number("expert_count");
  facts.experts_used = parameters.number("expert_used_count");
  facts.context_length = parameters.number("context_length");
  facts.embedding_length = parameters.number("embedding_length");
  if (parameters.has("pooling_type")) facts.pooling = parameters.number("pooling_type");
  facts.causal = parameters.boolean("attention.causal");
  facts.cache = cache_shape(parameters, facts.architecture);
  read_templates(*file, facts);
  if (auto done = read_tokenizer(source, *file, limits, facts.tokenizer); !done) return std::unexpected(done.error());
  if (facts.tokenizer.vocabulary == 0) facts.tokenizer.vocabulary = parameters.number("vocab_size");
  return facts;
}

}  // namespace atelier::models
