#include "cli/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <span>
#include <utility>

#include "base/utf8.h"

namespace atelier::cli {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kArchitectures = {{
    {"bert", "BERT"},
    {"clip", "CLIP"},
    {"command-r", "Command R"},
    {"deepseek2", "DeepSeek 2"},
    {"falcon", "Falcon"},
    {"gemma2", "Gemma 2"},
    {"gptneox", "GPT-NeoX"},
    {"llama", "Llama"},
    {"mistral", "Mistral"},
    {"nomic-bert", "Nomic BERT"},
    {"phi3", "Phi-3"},
    {"qwen2", "Qwen2"},
    {"stablelm", "StableLM"},
    {"starcoder", "StarCoder"},
}};

struct Range {
  char32_t first, last;
};

// Unicode 15, East Asian Width W and F, and emoji that terminals draw wide; merged into few ranges.
constexpr std::array<Range, 14> kWide = {{{0x1100, 0x115F},
                                          {0x2E80, 0x303E},
                                          {0x3041, 0x33FF},
                                          {0x3400, 0x4DBF},
                                          {0x4E00, 0x9FFF},
                                          {0xA000, 0xA4CF},
                                          {0xA960, 0xA97F},
                                          {0xAC00, 0xD7A3},
                                          {0xF900, 0xFAFF},
                                          {0xFE30, 0xFE6F},
                                          {0xFF00, 0xFF60},
                                          {0xFFE0, 0xFFE6},
                                          {0x1F300, 0x1FAFF},
                                          {0x20000, 0x3FFFD}}};
constexpr std::array<Range, 7> kNoWidth = {{{0x0300, 0x036F},
                                            {0x0591, 0x05BD},
                                            {0x200B, 0x200F},
                                            {0x20D0, 0x20FF},
                                            {0xFE00, 0xFE0F},
                                            {0xFE20, 0xFE2F},
                                            {0xE0100, 0xE01EF}}};

bool in_ranges(std::span<const Range> ranges, char32_t code_point) {
  return std::any_of(ranges.begin(), ranges.end(), [code_point](const Range& range) {
    return code_point >= range.first && code_point <= range.last;
  });
}

std::size_t width_of(char32_t code_point) {
  if (code_point < 0x20 || code_point == 0x7F || in_ranges(kNoWidth, code_point)) return 0;
  return in_ranges(kWide, code_point) ? 2 : 1;
}

// The length of the escape sequence (ECMA-48 CSI) that begins the text; 0 for none.
std::size_t escape_length(std::string_view text) {
  if (text.size() < 2 || text[0] != '\x1b' || text[1] != '[') return 0;
  std::size_t end = 2;
  while (end < text.size() && (text[end] < '@' || text[end] > '~')) ++end;
  return std::min(end + 1, text.size());
}

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  constexpr std::array<const char*, 5> kUnits = {"KB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  // 999,995 bytes would be written "1000.00 KB": the limit is where two decimals round up.
  while (value >= 999.995 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.2f} {}", value, kUnits[unit]);
}

std::string format_elapsed(std::chrono::duration<double> elapsed) {
  // Hundredths are rounded first, so that 59.999 s becomes "1m 0.00s" and not "60.00s".
  double seconds = std::max(0.0, elapsed.count());
  if (std::round(seconds * 100000) < 100000) return fmt::format("{:.2f}ms", seconds * 1000);
  auto hundredths = static_cast<std::int64_t>(std::llround(seconds * 100));
  std::int64_t minutes = hundredths / 6000;
  std::string rest = fmt::format("{}.{:02}s", hundredths % 6000 / 100, hundredths % 100);
  if (minutes == 0) return rest;
  if (minutes < 60) return fmt::format("{}m {}", minutes, rest);
  return fmt::format("{}h {}m {}", minutes / 60, minutes % 60, rest);
}

std::string format_short_time(std::chrono::seconds time) {
  std::int64_t seconds = std::max<std::int64_t>(0, time.count());
  if (seconds < 60) return fmt::format("{}s", seconds);
  std::int64_t minutes = seconds / 60;
  if (minutes < 60) return fmt::format("{}m", minutes);
  if (minutes % 60 == 0) return fmt::format("{}h", minutes / 60);
  return fmt::format("{}h {}m", minutes / 60, minutes % 60);
}

std::string format_count(std::int64_t count) {
  std::string digits = std::to_string(count < 0 ? -count : count);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return count < 0 ? "-" + digits : digits;
}

std::string_view pretty_architecture(std::string_view name) {
  for (const auto& [plain, pretty] : kArchitectures) {
    if (plain == name) return pretty;
  }
  return name;
}

std::string status_label(std::string_view status) {
  std::string label;
  for (char c : status) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      label += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
  }
  return label.empty() ? "IDLE" : label;
}

std::string status_word(std::string_view status) {
  std::string word;
  bool raise = false;
  for (char c : status) {
    if (!std::isalnum(static_cast<unsigned char>(c))) {
      raise = !word.empty();
      continue;
    }
    word += raise ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    raise = false;
  }
  return word.empty() ? "idle" : word;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (std::size_t escape = escape_length(text.substr(at))) {
      at += escape;
      continue;
    }
    utf8::Decoded next = utf8::decode(text, at);
    width += width_of(next.code_point);
    at += next.length;
  }
  return width;
}

std::string fit_width(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::size_t width = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t escape = escape_length(text.substr(at));
    if (escape == 0) {
      utf8::Decoded next = utf8::decode(text, at);
      if (width + width_of(next.code_point) > columns - 1) break;
      width += width_of(next.code_point);
      escape = next.length;
    }
    at += escape;
  }
  return std::string(text.substr(0, at)) + "…";
}

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    utf8::Decoded next = utf8::decode(text, at);
    bool control = next.code_point < 0x20 ? next.code_point != '\n' && next.code_point != '\t'
                                          : next.code_point >= 0x7F && next.code_point < 0xA0;
    if (!control) utf8::append(result, next.code_point);
    at += next.length;
  }
  return result;
}

}  // namespace atelier::cli
