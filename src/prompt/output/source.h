// What a model has written and the parser has not taken yet.
//
// Text is kept as bytes. A control token stands among them as 0xFF, its text, 0xFE: neither byte occurs in
// UTF-8, so text that spells a control token can always be told from the token itself.
#pragma once

#include <coroutine>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "prompt/output/parse_task.h"

namespace atelier::prompt::output {

inline constexpr char kControlBegin = '\xFF';
inline constexpr char kControlEnd = '\xFE';

// A text that means something: <tool_call>, [TOOL_CALLS], <|channel|>. Where the vocabulary has a part of it
// as a control token, that part is recognised in the token alone, never in text that spells it.
class Marker {
 public:
  Marker() = default;
  Marker(std::string_view text, const std::vector<std::string>& control_tokens);
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  // The byte at this offset belongs to a control token.
  bool is_control(std::size_t offset) const { return control_[offset]; }

 private:
  std::string text_;
  std::vector<bool> control_;
};

enum class Match { kNo, kPartial, kYes };  // kPartial: what is there fits, and more may come

class Source {
 public:
  explicit Source(ParseLoop& loop) : loop_(loop) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // ------------------------------------------------ for the one who feeds
  void append_text(std::string_view text);
  void append_control(std::string_view token);
  void end(bool complete);
  void wake();  // lets the coroutine that waits go on, after something was appended or the end came

  // ------------------------------------------------ for the coroutines
  static constexpr int kEnd = -1;
  static constexpr int kControl = -2;

  struct Peek {
    Source& source;
    bool await_ready() const { return source.available() > 0 || source.ended_; }
    void await_suspend(std::coroutine_handle<> handle) const { source.waiting_ = handle; }
    // The next byte of text as 0 to 253, kControl where a control token is next, or kEnd.
    int await_resume() const;
  };
  Peek peek() { return Peek{*this}; }

  // Waits until there is more than now, or the end.
  struct More {
    Source& source;
    bool await_ready() const { return source.ended_; }
    void await_suspend(std::coroutine_handle<> handle) const { source.waiting_ = handle; }
    void await_resume() const {}
  };
  More more() { return More{*this}; }

  bool ended() const { return ended_; }
  // The model itself ended its answer there; it was not cut off.
  bool complete() const { return complete_; }
  std::size_t available() const { return bytes_.size() - position_; }
  // Everything that is there, in the encoding above.
  std::string_view rest() const { return std::string_view(bytes_).substr(position_); }
  // `length` is set where the marker matches: how many bytes of rest(), from `offset` on, it takes.
  Match match(const Marker& marker, std::size_t offset, std::size_t& length) const;

  void take(std::size_t count);
  // A control token at the front is taken whole.
  void take_control();
  bool front_is_control() const { return available() > 0 && bytes_[position_] == kControlBegin; }
  std::string_view front_control() const;

  // What is taken from here on is also kept, control tokens left out, to be given back as text.
  void begin_record() {
    record_.clear();
    recording_ = true;
  }
  std::string end_record();

 private:
  void finish_text();

  ParseLoop& loop_;
  std::string bytes_;
  std::string unfinished_;  // the beginning of a character
  std::size_t position_ = 0;
  bool ended_ = false;
  bool complete_ = false;
  bool recording_ = false;
  std::string record_;
  std::coroutine_handle<> waiting_;
};

}  // namespace atelier::prompt::output
