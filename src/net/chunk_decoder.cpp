#include "net/chunk_decoder.h"

#include <algorithm>

#include "net/http_message.h"

namespace atelier::net {
namespace {

constexpr int kMaxDigits = 16;  // 64 bits

std::unexpected<Error> malformed(const char* what) {
  return fail(ErrorCode::kInvalidRequest, std::string("Malformed HTTP request: ") + what + ".");
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_text(char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f); }

bool is_token(char c) {
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kSymbols.find(c) != std::string_view::npos;
}

}  // namespace

Result<std::size_t> ChunkDecoder::decode(std::string_view input, std::string& body) {
  std::size_t at = 0;
  while (at < input.size() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - at));
      body.append(input, at, count);
      at += count;
      left_ -= count;
      if (left_ == 0) state_ = State::kDataCr;
      continue;
    }
    if (auto taken = take(input[at]); !taken) return std::unexpected(std::move(taken.error()));
    ++at;
  }
  return at;
}

// One byte that is not chunk data.
Result<void> ChunkDecoder::take(char c) {
  if (++line_bytes_ > kMaxLineBytes) return malformed("a chunk header or trailer that is too long");
  switch (state_) {
    case State::kSize: return take_size(c);
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeEnd;
      } else if (!is_text(c)) {
        return malformed("a control character in a chunk header");
      }
      return {};
    case State::kSizeEnd:
      if (c != '\n') return malformed("a CR without LF in a chunk header");
      return end_size();
    case State::kDataCr:
      if (c != '\r') return malformed("a chunk that does not end where its size says");
      state_ = State::kDataLf;
      return {};
    case State::kDataLf:
      if (c != '\n') return malformed("a chunk that does not end where its size says");
      state_ = State::kSize;
      digits_ = 0;
      line_bytes_ = 0;
      return {};
    case State::kTrailer:
      if (c == '\r') {
        state_ = State::kTrailerLf;
      } else if (!is_text(c)) {
        return malformed("a control character in the trailer");
      } else {
        trailer_.push_back(c);
      }
      return {};
    case State::kTrailerLf:
      if (c != '\n') return malformed("a CR without LF in the trailer");
      return end_trailer_line();
    case State::kData:
    case State::kDone: break;
  }
  return {};
}

Result<void> ChunkDecoder::take_size(char c) {
  const int digit = hex_digit(c);
  if (digit >= 0) {
    if (++digits_ > kMaxDigits) return malformed("a chunk size of too many digits");
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return {};
  }
  if (digits_ == 0 || (c != ';' && c != '\r')) return malformed("a chunk size that is not a hexadecimal number");
  state_ = c == ';' ? State::kExtension : State::kSizeEnd;
  return {};
}

Result<void> ChunkDecoder::end_size() {
  if (left_ > room_) return fail(ErrorCode::kBodyTooLarge, "The request's body is larger than the server accepts.");
  room_ -= left_;
  state_ = left_ > 0 ? State::kData : State::kTrailer;
  line_bytes_ = 0;
  return {};
}

Result<void> ChunkDecoder::end_trailer_line() {
  if (trailer_.empty()) {
    state_ = State::kDone;
    return {};
  }
  const std::string_view name = std::string_view(trailer_).substr(0, trailer_.find(':'));
  if (name.empty() || name.size() == trailer_.size() || !std::ranges::all_of(name, is_token)) {
    return malformed("a trailer line that is no field");
  }
  for (const std::string_view framing : {"content-length", "transfer-encoding", "host"}) {
    if (equal_ignoring_case(name, framing)) return malformed("a trailer field that belongs into the header");
  }
  trailer_.clear();
  state_ = State::kTrailer;
  return {};
}

}  // namespace atelier::net
