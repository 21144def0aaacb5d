#include "engine/vocabulary.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <exception>
#include <limits>

#include "engine/invariant.h"

namespace atelier::engine {

namespace {

std::vector<SpecialToken> special_tokens_of(const llama_vocab* vocab) {
  std::vector<SpecialToken> tokens;
  if (llama_vocab_type(vocab) == LLAMA_VOCAB_TYPE_NONE) return tokens;
  const std::int32_t size = llama_vocab_n_tokens(vocab);
  for (std::int32_t id = 0; id < size; ++id) {
    const auto attributes = static_cast<unsigned>(llama_vocab_get_attr(vocab, id));
    constexpr unsigned kSpecial = LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN | LLAMA_TOKEN_ATTR_USER_DEFINED;
    if ((attributes & kSpecial) == 0) continue;
    tokens.push_back({id, llama_vocab_get_text(vocab, id), (attributes & LLAMA_TOKEN_ATTR_LSTRIP) != 0,
                      (attributes & LLAMA_TOKEN_ATTR_RSTRIP) != 0});
  }
  return tokens;
}

// Marks behind a turn that are not always among the tokens that end an answer, and those of families whose templates
// write nothing behind a user's turn but the mark of the next one.
constexpr std::string_view kTurnMarks[] = {
    "<|im_end|>",      "<|eot_id|>",         "<|eom_id|>",       "<|eot|>",
    "<|end|>",         "<end_of_turn>",      "<turn|>",          "<|END_OF_TURN_TOKEN|>",
    "<|end_of_text|>", "<end_of_utterance>", "[/SYSTEM_PROMPT]", "[/INST]",
    "[/TOOL_RESULTS]", "<｜User｜>",         "<｜Assistant｜>",  "<|user|>",
    "<|assistant|>",   "<|observation|>",    "<|im_assistant|>", "<|im_user|>"};

}  // namespace

Vocabulary::Vocabulary(const llama_vocab* vocab) : vocab_(vocab), finder_(special_tokens_of(vocab)) {
  if (llama_vocab_type(vocab_) == LLAMA_VOCAB_TYPE_NONE) return;
  size_ = llama_vocab_n_tokens(vocab_);
  for (std::int32_t id = 0; id < size_; ++id) {
    if (llama_vocab_is_eog(vocab_, id)) end_tokens_.push_back(id);
    const auto attributes = static_cast<unsigned>(llama_vocab_get_attr(vocab_, id));
    const bool is_added = (attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_USER_DEFINED)) != 0;
    if (is_end(id) ||
        (is_added && std::ranges::find(kTurnMarks, llama_vocab_get_text(vocab_, id)) != std::end(kTurnMarks)))
      turn_marks_.push_back(id);
  }
  find_prefix_and_suffix();
}

// The library decides by kind of vocabulary and several flags what it puts around a text; asking it with a
// probe gives the answer without knowing the rules. Missing ids for flags that are set would be an assertion
// inside the library (a broken file), so those are looked at first.
void Vocabulary::find_prefix_and_suffix() {
  const bool word_piece = llama_vocab_type(vocab_) == LLAMA_VOCAB_TYPE_WPM;
  const bool wants_bos = llama_vocab_get_add_bos(vocab_) || word_piece;
  const bool wants_end = llama_vocab_get_add_eos(vocab_);
  if (wants_bos && llama_vocab_bos(vocab_) == LLAMA_TOKEN_NULL) return;
  if (wants_end && llama_vocab_eos(vocab_) == LLAMA_TOKEN_NULL) return;
  if ((word_piece || llama_vocab_get_add_sep(vocab_)) && llama_vocab_sep(vocab_) == LLAMA_TOKEN_NULL) return;
  const auto bare = run_tokenizer("a", false);
  const auto whole = run_tokenizer("a", true);
  if (!bare || !whole) return;
  const auto found = std::search(whole->begin(), whole->end(), bare->begin(), bare->end());
  if (bare->empty() || found == whole->end()) return;
  prefix_.assign(whole->begin(), found);
  suffix_.assign(found + static_cast<std::ptrdiff_t>(bare->size()), whole->end());
}

bool Vocabulary::is_end(std::int32_t token) const {
  return std::binary_search(end_tokens_.begin(), end_tokens_.end(), token);
}

bool Vocabulary::ends_turn(std::int32_t token) const {
  return std::binary_search(turn_marks_.begin(), turn_marks_.end(), token);
}

bool Vocabulary::ends_line(std::int32_t token) const { return contains(token) && bytes(token).ends_with('\n'); }

bool Vocabulary::is_control(std::int32_t token) const {
  ENGINE_INVARIANT(contains(token));
  constexpr unsigned kMarkers = LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN;
  return (static_cast<unsigned>(llama_vocab_get_attr(vocab_, token)) & kMarkers) != 0;
}

std::span<const std::int32_t> Vocabulary::suppressed() const {
  std::int32_t count = 0;
  const llama_token* tokens = llama_vocab_get_suppress_tokens(vocab_, &count);
  if (tokens == nullptr || count <= 0) return {};
  return {tokens, static_cast<std::size_t>(count)};
}

std::string Vocabulary::bytes(std::int32_t token) const {
  ENGINE_INVARIANT(contains(token));
  std::string out(64, '\0');
  std::int32_t n = llama_token_to_piece(vocab_, token, out.data(), static_cast<std::int32_t>(out.size()), 0, true);
  if (n < 0) {
    out.resize(static_cast<std::size_t>(-n));
    n = llama_token_to_piece(vocab_, token, out.data(), static_cast<std::int32_t>(out.size()), 0, true);
  }
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

Result<std::vector<std::int32_t>> Vocabulary::run_tokenizer(std::string_view text, bool add_special) const {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) / 2) {
    return fail(ErrorCode::kInvalidRequest, fmt::format("A text of {} bytes is too long to be tokenised", text.size()));
  }
  const auto length = static_cast<std::int32_t>(text.size());
  // Most texts need a token for every three or four bytes; where this does not do, the library says how many.
  std::vector<std::int32_t> ids(text.size() / 2 + 16);
  try {
    std::int32_t n = llama_tokenize(vocab_, text.data(), length, ids.data(), static_cast<std::int32_t>(ids.size()),
                                    add_special, false);
    if (n < 0 && n != std::numeric_limits<std::int32_t>::min()) {
      ids.resize(static_cast<std::size_t>(-n));
      n = llama_tokenize(vocab_, text.data(), length, ids.data(), static_cast<std::int32_t>(ids.size()), add_special,
                         false);
    }
    if (n < 0) return fail(ErrorCode::kInvalidRequest, "The inference library could not tokenise the text");
    ids.resize(static_cast<std::size_t>(n));
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInvalidRequest, fmt::format("The text could not be tokenised: {}", e.what()));
  }
  return ids;
}

Result<void> Vocabulary::append_text(std::string_view text, std::vector<std::int32_t>& out) const {
  auto ids = run_tokenizer(text, false);
  if (!ids) return std::unexpected(ids.error());
  out.insert(out.end(), ids->begin(), ids->end());
  return {};
}

Result<std::vector<std::int32_t>> Vocabulary::tokenize(std::span<const PromptPart> parts,
                                                       TokenizeOptions options) const {
  if (size_ == 0) return fail(ErrorCode::kNotImplemented, "This model has no vocabulary, so it takes no text");
  std::vector<std::int32_t> ids;
  std::string text;
  std::vector<TextRange> trusted;
  const auto flush = [&]() -> Result<void> {
    for (const PromptCut& cut : finder_.cut(text, trusted)) {
      if (cut.token != PromptCut::kText) {
        ids.push_back(cut.token);
      } else if (auto done = append_text(std::string_view(text).substr(cut.begin, cut.end - cut.begin), ids); !done) {
        return done;
      }
    }
    text.clear();
    trusted.clear();
    return {};
  };
  for (const PromptPart& part : parts) {
    if (part.tokens.empty()) {
      if (part.is_template && !part.text.empty()) trusted.push_back({text.size(), text.size() + part.text.size()});
      text += part.text;
      continue;
    }
    for (const std::int32_t token : part.tokens) {
      if (!contains(token)) {
        return fail(ErrorCode::kInvalidRequest,
                    fmt::format("Token {} is outside the vocabulary (0 to {})", token, size_ - 1), "tokens");
      }
    }
    if (auto done = flush(); !done) return std::unexpected(done.error());
    ids.insert(ids.end(), part.tokens.begin(), part.tokens.end());
  }
  if (auto done = flush(); !done) return std::unexpected(done.error());

  // Borders are put by hand, not by `add_special` of the first stretch: that would also put the suffix there,
  // and a second BOS where the template wrote one.
  if (options.add_prefix && !prefix_.empty() && (ids.empty() || ids.front() != prefix_.front())) {
    ids.insert(ids.begin(), prefix_.begin(), prefix_.end());
  }
  if (options.add_suffix && !suffix_.empty() && (ids.empty() || ids.back() != suffix_.back())) {
    ids.insert(ids.end(), suffix_.begin(), suffix_.end());
  }
  return ids;
}

Result<std::string> Vocabulary::detokenize(std::span<const std::int32_t> tokens, bool render_control) const {
  if (size_ == 0) return fail(ErrorCode::kNotImplemented, "This model has no vocabulary, so it has no text");
  for (const std::int32_t token : tokens) {
    if (!contains(token)) {
      return fail(ErrorCode::kInvalidRequest,
                  fmt::format("Token {} is outside the vocabulary (0 to {})", token, size_ - 1), "ids");
    }
  }
  if (tokens.empty()) return std::string();
  std::string text(tokens.size() * 8 + 64, '\0');
  const auto count = static_cast<std::int32_t>(tokens.size());
  std::int32_t n = llama_detokenize(vocab_, tokens.data(), count, text.data(), static_cast<std::int32_t>(text.size()),
                                    false, render_control);
  if (n < 0) {
    text.resize(static_cast<std::size_t>(-n));
    n = llama_detokenize(vocab_, tokens.data(), count, text.data(), static_cast<std::int32_t>(text.size()), false,
                         render_control);
  }
  if (n < 0) return fail(ErrorCode::kInternal, "The inference library could not turn the tokens into text");
  text.resize(static_cast<std::size_t>(n));
  return text;
}

}  // namespace atelier::engine
