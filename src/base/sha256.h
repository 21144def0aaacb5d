// SHA-256 (FIPS 180-4), computed by OpenSSL. Not for concurrent use; two objects know nothing of each other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace atelier {

using Sha256Digest = std::array<std::uint8_t, 32>;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  // Of all that was added; the object begins anew.
  Sha256Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256Digest sha256(std::span<const std::byte> bytes);

// 64 small hexadecimal digits, and back; false where the text is something else.
std::string to_hex(const Sha256Digest& digest);
bool from_hex(std::string_view text, Sha256Digest& digest);

}  // namespace atelier
