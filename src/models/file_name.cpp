#include "models/file_name.h"

#include <fmt/core.h>
#include <algorithm>
#include <array>
#include <cmath>

namespace atelier::models {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool is_separator(char c) { return c == '-' || c == '.' || c == '_' || c == ' '; }

// "_K_M", "_0", "_K_XL", "_0_4_4": what may follow the digit of a quantization.
bool are_suffixes(std::string_view text) {
  constexpr std::array<std::string_view, 17> kSuffixes = {"0", "1",  "2",  "4",   "8",   "K",  "S",   "M", "L",
                                                          "P", "XS", "XL", "XXS", "XXL", "NL", "MOE", "KM"};
  for (int count = 0; !text.empty(); ++count) {
    if (count == 3 || text.front() != '_') return false;
    const std::size_t end = std::min(text.find('_', 1), text.size());
    if (std::find(kSuffixes.begin(), kSuffixes.end(), text.substr(1, end - 1)) == kSuffixes.end()) return false;
    text.remove_prefix(end);
  }
  return true;
}

// Takes "-00001-of-00003" off the end; true where it was there.
bool take_part_number(std::string_view& stem, std::uint32_t& part, std::uint32_t& count) {
  constexpr std::size_t kLength = 15;
  if (stem.size() <= kLength) return false;
  const std::string_view tail = stem.substr(stem.size() - kLength);
  if (tail[0] != '-' || lower_case(tail.substr(6, 4)) != "-of-") return false;
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (char c : tail.substr(at, 5)) {
      if (!is_digit(c)) return std::uint32_t{0};
      value = value * 10 + static_cast<std::uint32_t>(c - '0');
    }
    return value;
  };
  part = number(1);
  count = number(10);
  if (part == 0 || part > count) {
    part = count = 0;
    return false;
  }
  stem.remove_suffix(kLength);
  return true;
}

// "8B", "1.5B", "A4B", "135M": digits with at most one point, then B or M. (K is a context length in names.)
bool is_size_word(std::string_view word, bool active) {
  if (active) {
    if (word.empty() || upper(word.front()) != 'A') return false;
    word.remove_prefix(1);
  }
  if (word.size() < 2 || word.size() > 7) return false;
  const char unit = upper(word.back());
  if (unit != 'B' && unit != 'M') return false;
  word.remove_suffix(1);
  return is_digit(word.front()) && is_digit(word.back()) && std::count(word.begin(), word.end(), '.') <= 1 &&
         std::all_of(word.begin(), word.end(), [](char c) { return is_digit(c) || c == '.'; });
}

std::string rounded(double value, double unit, char letter) {
  const double scaled = value / unit;
  std::string text = scaled < 9.95 ? fmt::format("{:.1f}", scaled) : fmt::format("{:.0f}", scaled);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text + letter;
}

std::string short_number(std::uint64_t count) {
  const auto value = static_cast<double>(count);
  if (value >= 999.5e9) return rounded(value, 1e12, 'T');
  if (value >= 999.5e6) return rounded(value, 1e9, 'B');
  if (value >= 999.5e3) return rounded(value, 1e6, 'M');
  if (value >= 1e3) return rounded(value, 1e3, 'K');
  return fmt::format("{}", count);
}

}  // namespace

std::string lower_case(std::string_view ascii) {
  std::string out(ascii);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::string upper_case(std::string_view ascii) {
  std::string out(ascii);
  std::transform(out.begin(), out.end(), out.begin(), upper);
  return out;
}

bool is_quantization_name(std::string_view text) {
  if (text.size() > 16) return false;
  const std::string name = upper_case(text);
  std::string_view rest = name;
  if (rest.starts_with("UD-")) rest.remove_prefix(3);
  for (const std::string_view whole : {"F16", "F32", "F64", "FP16", "FP32", "BF16", "MXFP4", "MXFP4_MOE", "NVFP4"}) {
    if (rest == whole) return true;
  }
  for (const std::string_view family : {"IQ", "TQ", "Q"}) {
    if (!rest.starts_with(family)) continue;
    rest.remove_prefix(family.size());
    return !rest.empty() && rest.front() >= '1' && rest.front() <= '8' && are_suffixes(rest.substr(1));
  }
  return false;
}

int nominal_bits(std::string_view quantization) {
  const std::string name = upper_case(quantization);
  const std::size_t digit = name.find_first_of("0123456789");
  if (digit == std::string::npos || !is_quantization_name(quantization)) return 0;
  int bits = 0;
  for (std::size_t i = digit; i < name.size() && is_digit(name[i]); ++i) bits = bits * 10 + (name[i] - '0');
  return bits;
}

FileName parse_file_name(std::string_view name) {
  FileName parts;
  constexpr std::string_view kExtension = ".gguf";
  std::string_view stem = name;
  if (name.size() > kExtension.size() && lower_case(name.substr(name.size() - kExtension.size())) == kExtension) {
    parts.is_gguf = true;
    stem.remove_suffix(kExtension.size());
  }
  take_part_number(stem, parts.part, parts.part_count);
  parts.stem = std::string(stem);
  parts.base = parts.stem;
  parts.projector = lower_case(stem).find("mmproj") != std::string::npos;
  // The longest ending that is a quantization, so that "q4_k_m" is not taken for "m".
  for (std::size_t at = 0; at < stem.size(); ++at) {
    const bool begins = at == 0 || is_separator(stem[at - 1]);
    if (!begins || !is_quantization_name(stem.substr(at))) continue;
    parts.quantization = upper_case(stem.substr(at));
    if (parts.quantization.starts_with("UD-")) parts.quantization.erase(0, 3);
    if (parts.quantization.starts_with("FP")) parts.quantization.erase(1, 1);
    if (at > 0) parts.base = std::string(stem.substr(0, at - 1));
    break;
  }
  return parts;
}

std::string size_in_name(std::string_view name) {
  std::string found;
  std::size_t at = 0;
  while (at < name.size()) {
    std::size_t end = at;
    // A point belongs to the word where a digit follows it ("1.5B").
    while (end < name.size() &&
           (!is_separator(name[end]) || (name[end] == '.' && end + 1 < name.size() && is_digit(name[end + 1])))) {
      ++end;
    }
    const std::string_view word = name.substr(at, end - at);
    if (found.empty() && is_size_word(word, false)) {
      found = upper_case(word);
    } else if (!found.empty()) {
      return is_size_word(word, true) ? found + "-" + upper_case(word) : found;
    }
    at = end + 1;
  }
  return found;
}

std::string size_of_parameters(std::uint64_t parameters, std::uint64_t active) {
  if (parameters == 0) return {};
  std::string text = short_number(parameters);
  if (active > 0 && active < parameters) text += "-A" + short_number(active);
  return text;
}

}  // namespace atelier::models
