// The form of Facts in the catalog's cache file. One visitor names the members for both directions, so
// that they cannot drift apart.
#include "base/json.h"
#include "models/facts.h"

namespace atelier::models {
namespace {

// Writes members to an object.
class Writer {
 public:
  void operator()(const char* name, const std::string& value) { object_.append(name, value); }
  void operator()(const char* name, const std::uint64_t& value) { object_.append(name, value); }
  void operator()(const char* name, const bool& value) { object_.append(name, value); }
  void operator()(const char* name, const std::optional<std::uint64_t>& value) { object_.append(name, value); }
  void operator()(const char* name, const std::optional<bool>& value) { object_.append(name, value); }
  template <class T>
  void operator()(const char* name, const std::vector<T>& values) {
    json::Array list;
    for (const T& value : values) list.emplace_back(value);
    object_.append(name, std::move(list));
  }
  void operator()(const char* name, const std::vector<std::string>& values) {
    json::Array list;
    for (const std::string& value : values) list.emplace_back(value);
    object_.append(name, std::move(list));
  }
  void operator()(const char* name, const std::vector<std::pair<std::string, std::string>>& values) {
    json::Array list;
    for (const auto& [first, second] : values) list.emplace_back(json::Array{first, second});
    object_.append(name, std::move(list));
  }
  json::Value take() { return std::move(object_); }

 private:
  json::Object object_;
};

// Reads them back; `good` becomes false at the first that is missing or of another type.
class Reader {
 public:
  explicit Reader(const json::Value& value) : value_(value) {}
  bool good = true;

  void operator()(const char* name, std::string& value) {
    const json::Value* member = value_.find(name);
    const std::string* text = member == nullptr ? nullptr : member->if_string();
    if (text == nullptr)
      good = false;
    else
      value = *text;
  }
  void operator()(const char* name, std::uint64_t& value) {
    std::optional<std::uint64_t> read;
    (*this)(name, read);
    if (!read)
      good = false;
    else
      value = *read;
  }
  void operator()(const char* name, bool& value) {
    std::optional<bool> read;
    (*this)(name, read);
    if (!read)
      good = false;
    else
      value = *read;
  }
  void operator()(const char* name, std::optional<std::uint64_t>& value) {
    const json::Value* member = value_.find(name);
    if (member == nullptr) good = false;
    if (member == nullptr || member->is_null()) return;
    value = unsigned_of(*member);
    if (!value) good = false;
  }
  void operator()(const char* name, std::optional<bool>& value) {
    const json::Value* member = value_.find(name);
    if (member == nullptr) good = false;
    if (member == nullptr || member->is_null()) return;
    if (const bool* truth = member->if_bool())
      value = *truth;
    else
      good = false;
  }
  void operator()(const char* name, std::vector<std::uint32_t>& values) {
    for (const json::Value& element : list(name)) {
      const auto number = unsigned_of(element);
      if (!number || *number > 0xffffffff) good = false;
      values.push_back(static_cast<std::uint32_t>(number.value_or(0)));
    }
  }
  void operator()(const char* name, std::vector<bool>& values) {
    for (const json::Value& element : list(name)) {
      if (element.if_bool() == nullptr) good = false;
      values.push_back(element.if_bool() != nullptr && *element.if_bool());
    }
  }
  void operator()(const char* name, std::vector<std::string>& values) {
    for (const json::Value& element : list(name)) {
      if (element.if_string() == nullptr) good = false;
      values.push_back(element.if_string() == nullptr ? std::string() : *element.if_string());
    }
  }
  void operator()(const char* name, std::vector<std::pair<std::string, std::string>>& values) {
    for (const json::Value& element : list(name)) {
      const json::Array* pair = element.if_array();
      if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_string()) {
        good = false;
        return;
      }
      values.emplace_back(*(*pair)[0].if_string(), *(*pair)[1].if_string());
    }
  }

 private:
  static std::optional<std::uint64_t> unsigned_of(const json::Value& value) {
    if (const auto* number = std::get_if<std::uint64_t>(&value.data())) return *number;
    const auto number = value.integer();
    return number && *number >= 0 ? std::optional<std::uint64_t>(static_cast<std::uint64_t>(*number)) : std::nullopt;
  }
  const json::Array& list(const char* name) {
    static const json::Array kNone;
    const json::Value* member = value_.find(name);
    const json::Array* found = member == nullptr ? nullptr : member->if_array();
    if (found == nullptr) good = false;
    return found == nullptr ? kNone : *found;
  }
  const json::Value& value_;
};

template <class Visitor, class Token>
void visit_token(Visitor& visitor, const char* id, const char* text, Token& token) {
  visitor(id, token.id);
  visitor(text, token.text);
}

template <class Visitor, class F>
void visit_members(Visitor& visitor, F& facts) {
  visitor("architecture", facts.architecture);
  visitor("name", facts.name);
  visitor("size_label", facts.size_label);
  visitor("description", facts.description);
  visitor("quantization", facts.quantization);
  visitor("parameters", facts.file_parameters);
  visitor("expert_parameters", facts.file_expert_parameters);
  visitor("tensor_bytes", facts.file_tensor_bytes);
  visitor("experts", facts.experts);
  visitor("experts_used", facts.experts_used);
  visitor("context_length", facts.context_length);
  visitor("embedding_length", facts.embedding_length);
  visitor("pooling", facts.pooling);
  visitor("causal", facts.causal);
  visitor("part", facts.part);
  visitor("part_count", facts.part_count);
  visitor("sees_images", facts.sees_images);
  visitor("hears_sound", facts.hears_sound);
  visitor("chat_template", facts.chat_template);
  visitor("named_templates", facts.named_templates);
  auto& tokenizer = facts.tokenizer;
  visitor("tokenizer", tokenizer.model);
  visitor("pre_tokenizer", tokenizer.pre);
  visitor("vocabulary", tokenizer.vocabulary);
  visitor("add_bos", tokenizer.add_bos);
  visitor("add_eos", tokenizer.add_eos);
  visitor("control_tokens", tokenizer.control_tokens);
  visit_token(visitor, "bos_id", "bos", tokenizer.bos);
  visit_token(visitor, "eos_id", "eos", tokenizer.eos);
  visit_token(visitor, "eot_id", "eot", tokenizer.eot);
  visit_token(visitor, "unknown_id", "unknown", tokenizer.unknown);
  visit_token(visitor, "separator_id", "separator", tokenizer.separator);
  visit_token(visitor, "padding_id", "padding", tokenizer.padding);
  visit_token(visitor, "mask_id", "mask", tokenizer.mask);
  auto& cache = facts.cache;
  visitor("layers", cache.layers);
  visitor("cache_embedding_length", cache.embedding_length);
  visitor("feed_forward_length", cache.feed_forward_length);
  visitor("heads", cache.heads);
  visitor("kv_heads", cache.kv_heads);
  visitor("key_length", cache.key_length);
  visitor("value_length", cache.value_length);
  visitor("latent_length", cache.latent_length);
  visitor("sliding_window", cache.sliding_window);
  visitor("sliding_layers", cache.sliding_layers);
  visitor("recurrent_elements", cache.recurrent_elements);
  visitor("full_attention_interval", cache.full_attention_interval);
}

}  // namespace

json::Value to_json(const Facts& facts) {
  Writer writer;
  writer("role", static_cast<std::uint64_t>(facts.role));
  visit_members(writer, facts);
  return writer.take();
}

std::optional<Facts> facts_from_json(const json::Value& value) {
  Facts facts;
  Reader reader(value);
  std::uint64_t role = 0;
  reader("role", role);
  visit_members(reader, facts);
  if (!reader.good || role > static_cast<std::uint64_t>(FileRole::kOther)) return std::nullopt;
  facts.role = static_cast<FileRole>(role);
  return facts;
}

}  // namespace atelier::models
