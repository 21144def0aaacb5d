// A model's vocabulary: prompts to token ids with provenance, token ids to bytes.
//
// Immutable after construction; the library's tokenizer may be called from several threads at once, so any
// thread may use this. The llama_vocab belongs to its model, which must live longer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/special_tokens.h"

struct llama_vocab;

namespace atelier::engine {

// One stretch of a prompt; refers to memory of the caller.
struct PromptPart {
  std::string_view text;
  // Whether text that spells a special token is that token. Content of users and tools is never trusted.
  bool is_template = true;
  // Token ids instead of text where not empty. They are taken as they are.
  std::span<const std::int32_t> tokens;
};

struct TokenizeOptions {
  // What the vocabulary puts before a text (BOS, CLS), unless the prompt begins with it already.
  bool add_prefix = false;
  // What it puts behind one (EOS, SEP), unless the prompt ends with it already: for embeddings, never for
  // prompts that are to be continued.
  bool add_suffix = false;
};

class Vocabulary {
 public:
  explicit Vocabulary(const llama_vocab* vocab);

  const llama_vocab* library_vocab() const { return vocab_; }
  std::int32_t size() const { return size_; }
  bool contains(std::int32_t token) const { return token >= 0 && token < size_; }

  // The tokens that end an answer; sorted.
  const std::vector<std::int32_t>& end_tokens() const { return end_tokens_; }
  bool is_end(std::int32_t token) const;
  // Whether a turn of a conversation ends with this token, in prompts too; or the next one begins with it, where a
  // family of templates has marks for that alone.
  bool ends_turn(std::int32_t token) const;
  // Whether its text ends with a line break.
  bool ends_line(std::int32_t token) const;
  // Control and unknown tokens: their text is a marker, not something that the model said.
  bool is_control(std::int32_t token) const;
  // Tokens that the model's maker says must never be sampled.
  std::span<const std::int32_t> suppressed() const;

  // The bytes of one token, markers rendered; perhaps a part of a character.
  std::string bytes(std::int32_t token) const;

  std::span<const std::int32_t> prefix() const { return prefix_; }
  std::span<const std::int32_t> suffix() const { return suffix_; }

  // Special tokens are recognised in template text alone. Between two of them (and between token parts) the
  // text is tokenised in one piece, across the borders of parts. Added tokens that are ordinary words of the
  // vocabulary (user-defined ones) are recognised in content too, as the library does with any text.
  // Fails with kInvalidRequest for an id outside the vocabulary, kNotImplemented for a model without one.
  Result<std::vector<std::int32_t>> tokenize(std::span<const PromptPart> parts, TokenizeOptions options) const;

  // The text of a token sequence as the library joins it (a leading space of SentencePiece dropped).
  Result<std::string> detokenize(std::span<const std::int32_t> tokens, bool render_control) const;

 private:
  // Appends the ids of one stretch without special tokens.
  Result<void> append_text(std::string_view text, std::vector<std::int32_t>& out) const;
  Result<std::vector<std::int32_t>> run_tokenizer(std::string_view text, bool add_special) const;
  void find_prefix_and_suffix();

  const llama_vocab* vocab_;
  std::int32_t size_ = 0;
  SpecialTokenFinder finder_;
  std::vector<std::int32_t> end_tokens_;
  std::vector<std::int32_t> turn_marks_;  // sorted
  std::vector<std::int32_t> prefix_;
  std::vector<std::int32_t> suffix_;
};

}  // namespace atelier::engine
