// Turns the tokens of one answer into pieces that may be sent: characters are completed, and text that may
// begin a stop string is held back until that is decided.
//
// Every token gives one piece, in order. A character spread over several tokens lies in the piece of the last
// one; bytes that can no longer become a character turn into U+FFFD (a piece more where nothing follows them
// but a marker or the end; it has the id of the token that left them). Control tokens are pieces of their own
// kind: stop strings are looked for in the other text, joined across them. After a stop string nothing of it,
// and no piece behind its beginning, is ever given out.
//
// Pure; one instance belongs to one answer (decode thread).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/log_probabilities.h"
#include "engine/stop_matcher.h"

namespace atelier::engine {

// Completes UTF-8 across tokens.
class CharacterCompleter {
 public:
  // Whole characters that are ready after these bytes.
  std::string add(std::string_view bytes);
  // What is left, as U+FFFD.
  std::string finish();

 private:
  std::string pending_;  // the beginning of one character: at most 3 bytes
};

struct AnswerPiece {
  std::string text;  // complete UTF-8
  bool is_control = false;
  std::int32_t token = 0;
  std::string token_bytes;  // where log probabilities were asked for
  std::optional<TokenLogProbabilities> logprobs;
};

class AnswerText {
 public:
  explicit AnswerText(std::vector<std::string> stop_strings) : matcher_(std::move(stop_strings)) {}

  // `piece.text` is set here from `bytes`, the token's own. Nothing may be added after a stop string.
  void add(AnswerPiece piece, std::string_view bytes);
  // The answer is over without a stop string: what was held back may go.
  void finish();
  // The pieces that may leave now.
  std::vector<AnswerPiece> take();

  const std::optional<std::string>& stop_string() const { return stop_string_; }

 private:
  struct Held {
    AnswerPiece piece;
    std::size_t end;  // position behind its text among all text that is not control
  };
  void append(AnswerPiece piece);
  void append_remainder();
  void cut_at(std::size_t position);

  StopMatcher matcher_;
  CharacterCompleter completer_;
  std::deque<Held> held_;
  std::int32_t last_token_ = 0;
  std::size_t releasable_ = 0;  // positions up to here may leave
  std::optional<std::string> stop_string_;
};

}  // namespace atelier::engine
