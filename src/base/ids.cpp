#include "base/ids.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace atelier::ids {
namespace {

constexpr std::string_view kLowerAlphanumeric = "0123456789abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kAlphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kDigits = "0123456789";

}  // namespace

void random_bytes(std::span<unsigned char> out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got > 0) {
      out = out.subspan(static_cast<std::size_t>(got));
    } else if (got < 0 && errno != EINTR) {
      // A kernel without random numbers: tokens that can be guessed would be worse than no server.
      std::abort();
    }
  }
}

std::string random_text(std::size_t length, std::string_view alphabet) {
  // Bytes at or above the largest multiple of the alphabet's size would favour its first characters.
  const std::size_t even = 256 - 256 % alphabet.size();
  std::string result;
  result.reserve(length);
  std::array<unsigned char, 64> bytes;
  while (result.size() < length) {
    random_bytes(bytes);
    for (const unsigned char byte : bytes) {
      if (byte < even && result.size() < length) result += alphabet[byte % alphabet.size()];
    }
  }
  return result;
}

std::string random_hex(std::size_t digits) { return random_text(digits, kHex); }
std::string random_alphanumeric(std::size_t length) { return random_text(length, kAlphanumeric); }
std::string random_lower_alphanumeric(std::size_t length) { return random_text(length, kLowerAlphanumeric); }

std::string chat_completion() { return "chatcmpl-" + random_lower_alphanumeric(21); }
std::string text_completion() { return "cmpl-" + random_lower_alphanumeric(21); }
std::string response() { return "resp_" + random_hex(48); }
std::string response_item(std::string_view prefix) { return std::string(prefix) + random_hex(48); }
std::string chat_tool_call() { return random_text(1, kDigits.substr(1)) + random_text(8, kDigits); }
std::string response_call() { return "call_" + random_alphanumeric(24); }
std::string anthropic_message() { return "msg_" + random_alphanumeric(24); }
std::string anthropic_tool_use() { return "toolu_" + random_alphanumeric(24); }
std::string download_job() { return "job_" + random_hex(10); }
std::string api_token() { return "sk-lm-" + random_alphanumeric(8) + ":" + random_alphanumeric(20); }
std::string request() { return "req_" + random_hex(24); }

}  // namespace atelier::ids
