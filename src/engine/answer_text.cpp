#include "engine/answer_text.h"

#include <utility>

#include "base/utf8.h"
#include "engine/invariant.h"

namespace atelier::engine {

std::string CharacterCompleter::add(std::string_view bytes) {
  pending_ += bytes;
  const std::size_t ready = utf8::complete_prefix(pending_);
  std::string text = utf8::repair(std::string_view(pending_).substr(0, ready));
  pending_.erase(0, ready);
  return text;
}

std::string CharacterCompleter::finish() { return utf8::repair(std::exchange(pending_, {})); }

void AnswerText::add(AnswerPiece piece, std::string_view bytes) {
  ENGINE_INVARIANT(!stop_string_);
  if (piece.is_control) {
    // A marker ends an unfinished character: it can no longer be completed.
    append_remainder();
    if (stop_string_) return;
    piece.text = utf8::repair(bytes);
  } else {
    piece.text = completer_.add(bytes);
  }
  last_token_ = piece.token;
  append(std::move(piece));
}

void AnswerText::append(AnswerPiece piece) {
  if (piece.is_control) {
    held_.push_back({std::move(piece), matcher_.fed()});
    releasable_ = matcher_.fed() - matcher_.undecided();
    return;
  }
  const std::size_t begin = matcher_.fed();
  const auto match = matcher_.feed(piece.text);
  const std::size_t end = begin + piece.text.size();
  held_.push_back({std::move(piece), end});
  if (!match) {
    releasable_ = end - matcher_.undecided();
    return;
  }
  stop_string_ = matcher_.pattern(match->pattern);
  cut_at(match->begin);
  releasable_ = match->begin;
}

// Drops everything from this position on.
void AnswerText::cut_at(std::size_t position) {
  while (!held_.empty() && held_.back().end > position) {
    Held& last = held_.back();
    const std::size_t begin = last.end - (last.piece.is_control ? 0 : last.piece.text.size());
    if (begin < position) {
      last.piece.text.resize(position - begin);
      last.end = position;
      return;
    }
    held_.pop_back();
  }
}

void AnswerText::append_remainder() {
  std::string rest = completer_.finish();
  if (rest.empty()) return;
  AnswerPiece remainder;
  remainder.token = last_token_;
  remainder.text = std::move(rest);
  append(std::move(remainder));
}

void AnswerText::finish() {
  if (stop_string_) return;
  append_remainder();
  if (!stop_string_) releasable_ = matcher_.fed();
}

std::vector<AnswerPiece> AnswerText::take() {
  std::vector<AnswerPiece> pieces;
  while (!held_.empty() && held_.front().end <= releasable_) {
    pieces.push_back(std::move(held_.front().piece));
    held_.pop_front();
  }
  return pieces;
}

}  // namespace atelier::engine
