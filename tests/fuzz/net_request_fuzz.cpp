// Whole requests: HeaderScanner and RequestParser. The oracle is the parser itself, fed in other pieces: how bytes are
// split into segments must not change the verdict, the body, or where the next request begins.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/request_parser.h"

namespace {

using namespace atelier;

enum class Verdict { kIncomplete, kRefused, kComplete };

struct Outcome {
  Verdict verdict = Verdict::kIncomplete;
  std::string method;
  std::string target;
  std::string body;
  std::size_t used = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

void require(bool truth) {
  if (!truth) std::abort();
}

Outcome refused() {
  Outcome outcome;
  outcome.verdict = Verdict::kRefused;
  return outcome;
}

constexpr net::ParserLimits kLimits{.header_count = 16, .body_bytes = 4096};

// As a connection does it, with `step` bytes arriving at a time.
Outcome run(std::string_view bytes, std::size_t step) {
  net::HeaderScanner scanner(2048);
  net::RequestParser parser(kLimits);
  net::RequestHead head;
  Outcome outcome;
  std::string pending;
  bool in_body = false;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    pending.append(bytes.substr(at, step));
    if (!in_body) {
      const auto length = scanner.scan(pending);
      if (!length) return refused();
      if (!*length) continue;
      if (!parser.parse_head(pending.substr(0, **length), head)) return refused();
      if (head.content_length.value_or(0) > kLimits.body_bytes) return refused();
      outcome.method = head.method;
      outcome.target = head.target;
      outcome.used = **length;
      pending.erase(0, **length);
      in_body = true;
    }
    const auto taken = parser.parse_body(pending, outcome.body);
    if (!taken) return refused();
    pending.erase(0, *taken);
    outcome.used += *taken;
    require(outcome.body.size() <= kLimits.body_bytes);
    if (parser.done()) {
      outcome.verdict = Verdict::kComplete;
      return outcome;
    }
  }
  return Outcome{};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Outcome whole = run(bytes, size);
  require(run(bytes, 1) == whole);
  require(run(bytes, 7) == whole);
  return 0;
}
