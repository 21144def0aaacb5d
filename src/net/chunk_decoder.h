// The chunked coding of request bodies (RFC 9112 section 7.1), decoded byte by byte, so that how the bytes are split
// into segments cannot matter. Written here because Beast 1.81's decoder accepts more than the grammar and asserts on
// some splits. Pure: bytes in, bytes out.
//
// Accepted is exactly the grammar without white space around the size: sizes of up to 16 hexadecimal digits, extensions
// (skipped), trailer fields (checked, then dropped; ones that would frame the message are refused). Every line ends
// with CR LF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace atelier::net {

class ChunkDecoder {
 public:
  explicit ChunkDecoder(std::uint64_t body_limit) : room_(body_limit) {}

  // Takes bytes from the front of `input`, appends decoded ones to `body`, gives how many it took: all of them, unless
  // the body's end came first. kInvalidRequest, or kBodyTooLarge as soon as a chunk's size says so.
  Result<std::size_t> decode(std::string_view input, std::string& body);
  bool done() const { return state_ == State::kDone; }

  // One chunk's size and extensions together, and the whole trailer section.
  static constexpr std::size_t kMaxLineBytes = 16 * 1024;

 private:
  enum class State { kSize, kExtension, kSizeEnd, kData, kDataCr, kDataLf, kTrailer, kTrailerLf, kDone };

  Result<void> take(char c);
  Result<void> take_size(char c);
  Result<void> end_size();
  Result<void> end_trailer_line();

  State state_ = State::kSize;
  std::uint64_t room_;      // what the body may still grow by
  std::uint64_t left_ = 0;  // of the current chunk's data
  int digits_ = 0;
  std::size_t line_bytes_ = 0;
  std::string trailer_;  // the current line of the trailer section
};

}  // namespace atelier::net
