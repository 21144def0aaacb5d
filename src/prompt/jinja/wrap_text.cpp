// The filter wordwrap: Python's textwrap, with the settings that Jinja gives it. A line is cut into chunks (white space,
// words, parts of hyphenated words, dashes), and as many of them as fit make a line of the result.
#include <algorithm>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "prompt/jinja/builtins.h"
#include "prompt/jinja/unicode.h"

namespace atelier::prompt::jinja {
namespace {

// Code points from begin to end.
struct Chunk {
  std::size_t begin, end;
  std::size_t length() const { return end - begin; }
};

// textwrap knows the white space of ASCII only.
bool is_space(char32_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
// \w of Python's re.
bool is_word(char32_t c) { return c == '_' || unicode::is_alnum(c); }
bool is_letter(char32_t c) { return is_word(c) && !unicode::is_decimal(c); }
bool before_dash(char32_t c) {
  return is_word(c) || (c < 0x80 && std::string_view("!\"'&.,?").find(static_cast<char>(c)) != std::string_view::npos);
}

class LineWrapper {
 public:
  LineWrapper(const TextObject& line, const WrapOptions& options) : line_(line), options_(options) {
    for (std::size_t at = 0; at < line.bytes.size();) {
      const utf8::Decoded decoded = utf8::decode(line.bytes, at);
      points_.push_back(decoded.code_point);
      offsets_.push_back(at);
      at += decoded.length;
    }
    offsets_.push_back(line.bytes.size());
    charge_steps(points_.size());
    charge_allocation(points_.size() * (sizeof(char32_t) + sizeof(std::size_t)));
  }

  void run(std::vector<Value>& out) {
    std::vector<Chunk> chunks = split();
    std::size_t next = 0;
    bool first_line = true;
    while (next < chunks.size()) {
      if (!first_line && is_blank(chunks[next])) ++next;
      std::vector<Chunk> line;
      std::size_t used = 0;
      while (next < chunks.size() && used + chunks[next].length() <= options_.width) {
        used += chunks[next].length();
        line.push_back(chunks[next++]);
      }
      if (next < chunks.size() && chunks[next].length() > options_.width) {
        if (options_.break_long_words) {
          const std::size_t cut = chunks[next].begin + part_that_fits(chunks[next], options_.width - used);
          line.push_back({chunks[next].begin, cut});
          chunks[next].begin = cut;
        } else if (line.empty()) {
          line.push_back(chunks[next++]);
        }
      }
      if (!line.empty() && is_blank(line.back())) line.pop_back();
      if (line.empty()) continue;
      out.push_back(slice_text(line_, offsets_[line.front().begin], offsets_[line.back().end]));
      first_line = false;
    }
  }

 private:
  bool has(std::size_t at, bool (*is)(char32_t)) const { return at < points_.size() && is(points_[at]); }
  bool has(std::size_t at, char32_t c) const { return at < points_.size() && points_[at] == c; }
  bool is_blank(const Chunk& chunk) const {
    return std::all_of(points_.begin() + static_cast<std::ptrdiff_t>(chunk.begin),
                       points_.begin() + static_cast<std::ptrdiff_t>(chunk.end), unicode::is_space);
  }

  // A break after the last hyphen that fits, where something other than hyphens stands before it.
  std::size_t part_that_fits(const Chunk& chunk, std::size_t room) const {
    if (!options_.hyphens_in_long_words || chunk.length() <= room) return std::min(room, chunk.length());
    std::size_t hyphen = room;
    while (hyphen > 0 && points_[chunk.begin + hyphen - 1] != '-') --hyphen;
    if (hyphen <= 1) return room;
    const auto begin = points_.begin() + static_cast<std::ptrdiff_t>(chunk.begin);
    const bool only_hyphens =
        std::all_of(begin, begin + static_cast<std::ptrdiff_t>(hyphen - 1), [](char32_t c) { return c == '-'; });
    return only_hyphens ? room : hyphen;
  }

  // "--" or longer, between words.
  std::size_t end_of_dash(std::size_t at) const {
    if (at == 0 || !before_dash(points_[at - 1])) return at;
    std::size_t end = at;
    while (has(end, U'-')) ++end;
    return end - at >= 2 && has(end, is_word) ? end : at;
  }

  // Whether a hyphenated word may be broken after its hyphen, here.
  bool breaks_after_hyphen(std::size_t hyphen) const {
    if (hyphen < 2 || !is_letter(points_[hyphen - 1])) return false;
    const bool before =
        is_letter(points_[hyphen - 2]) || (points_[hyphen - 2] == '-' && hyphen >= 3 && is_letter(points_[hyphen - 3]));
    if (!before || !has(hyphen + 1, is_letter)) return false;
    return has(hyphen + 2, is_letter) || (has(hyphen + 2, U'-') && has(hyphen + 3, is_letter));
  }

  std::size_t end_of_word(std::size_t begin) const {
    for (std::size_t at = begin + 1;; ++at) {
      if (at >= points_.size() || is_space(points_[at])) return at;
      if (points_[at] != '-') continue;
      if (breaks_after_hyphen(at)) return at + 1;
      if (end_of_dash(at) > at) return at;
    }
  }

  std::vector<Chunk> split() const {
    std::vector<Chunk> chunks;
    for (std::size_t at = 0; at < points_.size();) {
      std::size_t end = at;
      const bool space = is_space(points_[at]);
      if (space || !options_.break_on_hyphens) {
        while (end < points_.size() && is_space(points_[end]) == space) ++end;
      } else {
        end = end_of_dash(at);
        if (end == at) end = end_of_word(at);
      }
      chunks.push_back({at, end});
      at = end;
    }
    charge_allocation(chunks.size() * sizeof(Chunk));
    return chunks;
  }

  const TextObject& line_;
  const WrapOptions& options_;
  std::vector<char32_t> points_;
  std::vector<std::size_t> offsets_;  // of each, and the end
};

}  // namespace

void wrap_line(const TextObject& line, const WrapOptions& options, std::vector<Value>& out) {
  LineWrapper(line, options).run(out);
}

}  // namespace atelier::prompt::jinja
