// One value as models write it in tool calls, read byte by byte and given on as JSON while it comes.
//
// JSON keeps the model's own spelling, whitespace included, with two mistakes mended that models make and
// that every JSON parser refuses: control characters inside strings (a newline in code) and backslashes that
// escape nothing (\d in a regular expression). Python literals and braced values are rewritten as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace atelier::prompt::output {

enum class Notation : std::uint8_t {
  kJson,
  kPython,  // 'text', True, None, (1, 2), {'key': 1}
  kBraced,  // {key:value,…} with bare keys and strings between two delimiters (Gemma)
};

class LiteralReader {
 public:
  enum class Step : std::uint8_t {
    kMore,
    kDone,        // the value ended with this byte
    kDoneBefore,  // the value had ended before this byte, which belongs to what follows
    kBad,         // no value of this notation; nothing may be fed any more
  };
  // Fed in the place of a byte where the string delimiter of braced values stands.
  static constexpr int kDelimiter = -3;

  explicit LiteralReader(Notation notation) : notation_(notation) {}

  // Appends to `out` what is certain. `byte` is 0 to 255 or kDelimiter.
  Step feed(int byte, std::string& out);

 private:
  enum class State : std::uint8_t {
    kValue,
    kValueOrEnd,
    kKey,
    kKeyOrEnd,
    kColon,
    kAfterValue,
    kString,
    kEscape,
    kDigits,
    kBareKey,
    kScalar,
  };

  Step feed_value(int byte, std::string& out);
  Step feed_key(int byte, std::string& out);
  Step feed_after_value(int byte, std::string& out);
  Step feed_string(int byte, std::string& out);
  Step feed_escape(int byte, std::string& out);
  Step feed_python_escape(int byte, std::string& out);
  Step feed_digits(int byte, std::string& out);
  Step feed_scalar(int byte, std::string& out);
  Step open(char bracket, std::string& out);
  Step close(char bracket, std::string& out);
  Step open_string(int quote, bool key, std::string& out);
  Step close_string(std::string& out);
  Step value_ended();
  bool write_scalar(std::string& out);
  void write_comma(std::string& out);
  bool is_json() const { return notation_ == Notation::kJson; }

  static constexpr std::size_t kMaxDepth = 128;
  static constexpr std::size_t kMaxScalar = 512;

  Notation notation_;
  State state_ = State::kValue;
  std::string open_;  // '{' or '[' for each value that is open
  int quote_ = 0;     // what ends the string
  bool in_key_ = false;
  bool owes_comma_ = false;  // one was read, and another element must follow before it is written
  std::string scalar_;
  int digits_left_ = 0;
  std::uint32_t code_ = 0;
};

// The text as a JSON string without its quotes: for text that is passed on piece by piece.
void append_escaped(std::string& out, std::string_view text);

}  // namespace atelier::prompt::output
