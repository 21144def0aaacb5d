#include "base/utf8.h"

namespace atelier::utf8 {

Decoded decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return {lead, 1, true, false};

  std::size_t length = 0;
  char32_t value = 0;
  // The second byte's range shuts out over-long forms, surrogates and values above U+10FFFF (RFC 3629 §4).
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    value = lead & 0x1F;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    value = lead & 0x0F;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    value = lead & 0x07;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {};
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (at + i >= text.size()) return {0xFFFD, i, false, true};
    const unsigned char next = byte(at + i);
    if (next < low || next > high) return {0xFFFD, i, false, false};
    value = (value << 6) | (next & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {value, length, true, false};
}

void append(std::string& out, char32_t code_point) {
  const auto put = [&](unsigned value) { out += static_cast<char>(value); };
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) code_point = 0xFFFD;
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

bool is_valid(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const Decoded decoded = decode(text, i);
    if (!decoded.valid) return false;
    i += decoded.length;
  }
  return true;
}

std::size_t complete_prefix(std::string_view text) {
  // A sequence is at most four bytes, so only the last three can begin an unfinished one.
  const std::size_t from = text.size() < 3 ? 0 : text.size() - 3;
  for (std::size_t i = from; i < text.size(); ++i) {
    const Decoded decoded = decode(text, i);
    if (decoded.incomplete && i + decoded.length == text.size()) return i;
  }
  return text.size();
}

std::string repair(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Decoded decoded = decode(text, i);
    if (decoded.valid) {
      out.append(text, i, decoded.length);
    } else {
      append(out, 0xFFFD);
    }
    i += decoded.length;
  }
  return out;
}

std::size_t count(std::string_view text) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < text.size(); ++n) i += decode(text, i).length;
  return n;
}

}  // namespace atelier::utf8
