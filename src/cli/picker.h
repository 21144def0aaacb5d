// Choosing one of several names in a terminal: type to filter, arrows to move, Enter to accept, Ctrl+C to give up.
// Picker is the state and how it looks, without any terminal; pick() runs one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace atelier::cli {

enum class Key { kText, kEnter, kUp, kDown, kPageUp, kPageDown, kHome, kEnd, kBackspace, kClear, kCancel, kOther };

struct KeyPress {
  Key key = Key::kOther;
  std::string text;  // for kText: one UTF-8 character
};

// Reads key presses out of the bytes that a terminal in raw mode sends. Sequences may be cut anywhere; a lone escape
// character is only known as the Escape key when nothing followed it, which flush() says.
class KeyReader {
 public:
  std::vector<KeyPress> feed(std::string_view bytes);
  std::vector<KeyPress> flush();
  bool pending() const { return !pending_.empty(); }

 private:
  std::string pending_;
};

class Picker {
 public:
  // `names` are matched; `notes` (the same number, or none) stand behind them, dim.
  Picker(std::string title, std::vector<std::string> names, std::vector<std::string> notes = {});

  enum class Outcome { kOpen, kChosen, kCancelled };
  Outcome press(const KeyPress& press);

  // The index of the name under the cursor; nothing where the filter leaves none.
  std::optional<std::size_t> current() const;

  // At most `rows` lines of at most `columns` columns.
  std::vector<std::string> render(std::size_t columns, std::size_t rows, bool colour) const;

 private:
  void filter();
  void move(std::ptrdiff_t by);

  std::string title_;
  std::vector<std::string> names_;
  std::vector<std::string> notes_;
  std::string query_;
  std::vector<std::size_t> shown_;  // indices, best rank first
  std::size_t cursor_ = 0;
};

// The index chosen, or nothing where it was given up (Ctrl+C, Escape, end of input). `input` must be a terminal; it is
// put into raw mode and back. Draws on the terminal behind `output`.
std::optional<std::size_t> pick(Picker& picker, int input, int output, bool colour);

}  // namespace atelier::cli
