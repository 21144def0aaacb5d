// Frames of the engine protocol (proto/engine.proto): a length of 4 bytes, little endian, then that many
// bytes of one serialised message. Pure: no sockets here, both sides of the socket use it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace google::protobuf {
class MessageLite;
}

namespace atelier::wire {

inline constexpr std::uint32_t kProtocolVersion = 1;
// The descriptor on which an engine finds its socket.
inline constexpr int kEngineSocketFd = 3;
inline constexpr std::size_t kMaxFrameBytes = std::size_t{64} * 1024 * 1024;
inline constexpr std::size_t kFrameHeaderBytes = 4;

// Appends the message as one frame. Fails with kInvalidRequest where it is larger than a frame may be;
// `out` is then as it was.
Result<void> append_frame(std::string& out, const google::protobuf::MessageLite& message);

// Cuts a byte stream into frames. Memory is bounded by one frame and what is fed at a time.
class FrameReader {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }

  // The next whole frame's payload, nothing where more bytes are needed, or kCorrupt where the length is
  // impossible: the connection must then be closed. The view is valid until the next call of feed or next.
  Result<std::optional<std::string_view>> next();

  // True between frames: end of file here is an orderly end.
  bool at_boundary() const { return consumed_ == buffer_.size(); }

 private:
  std::string buffer_;
  std::size_t consumed_ = 0;
};

// Parses one payload; kCorrupt where it is not a message of that type.
Result<void> parse_payload(std::string_view payload, google::protobuf::MessageLite& message);

}  // namespace atelier::wire
