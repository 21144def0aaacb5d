// Doubles against Python's own repr: prompts are rendered from these values, and templates were written for Python.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "base/json.h"

namespace atelier::json {
namespace {

constexpr std::uint64_t kCases = 1'000'000;

// SplitMix64 (Steele, Lea and Flood 2014), here and in the script below.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

// Every second double has few digits, as people write them; the others are any bits at all.
double next_double(std::uint64_t& state, std::uint64_t index) {
  const std::uint64_t bits = next_random(state);
  if (index % 2 == 0) return std::bit_cast<double>(bits);
  return static_cast<double>(bits % 1'000'000) / 1000.0;
}

constexpr const char* kScript = R"py(
import struct, sys
state, mask, out = 42, 2**64 - 1, []
for i in range(int(sys.argv[1])):
    state = (state + 0x9E3779B97F4A7C15) & mask
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    z ^= z >> 31
    out.append(repr(struct.unpack("<d", struct.pack("<Q", z))[0] if i % 2 == 0 else (z % 1000000) / 1000.0))
print("\n".join(out))
)py";

TEST(JsonBesidePython, AMillionDoublesAreWrittenAlikeAndReadBackExactly) {
  const std::string command = "python3 -c '" + std::string(kScript) + "' " + std::to_string(kCases);
  const std::unique_ptr<FILE, int (*)(FILE*)> python(popen(command.c_str(), "r"), &pclose);
  ASSERT_NE(python, nullptr);
  std::uint64_t state = 42;
  char line[64];
  for (std::uint64_t i = 0; i < kCases; ++i) {
    ASSERT_NE(std::fgets(line, sizeof(line), python.get()), nullptr) << "Python ended after " << i << " lines";
    std::string expected(line);
    expected.pop_back();
    const double value = next_double(state, i);
    ASSERT_EQ(python_repr(value), expected);
    if (!std::isfinite(value)) continue;
    const auto read_back = parse(expected);
    ASSERT_TRUE(read_back) << expected;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(*read_back->number()), std::bit_cast<std::uint64_t>(value)) << expected;
  }
}

}  // namespace
}  // namespace atelier::json
