#include "wire/framing.h"

#include <fmt/format.h>
#include <google/protobuf/message_lite.h>

namespace atelier::wire {

Result<void> append_frame(std::string& out, const google::protobuf::MessageLite& message) {
  const std::size_t size = message.ByteSizeLong();
  if (size > kMaxFrameBytes) {
    return fail(
        ErrorCode::kInvalidRequest,
        fmt::format("A message of {} bytes does not fit a frame of the engine protocol (at most {}); send less at "
                    "once",
                    size, kMaxFrameBytes));
  }
  const std::size_t start = out.size();
  for (std::size_t i = 0; i < kFrameHeaderBytes; ++i) out += static_cast<char>((size >> (8 * i)) & 0xFF);
  if (!message.AppendToString(&out)) {
    out.resize(start);
    return fail(ErrorCode::kInternal, "A message of the engine protocol could not be serialised");
  }
  return {};
}

Result<std::optional<std::string_view>> FrameReader::next() {
  const std::size_t available = buffer_.size() - consumed_;
  std::size_t size = 0;
  if (available >= kFrameHeaderBytes) {
    for (std::size_t i = 0; i < kFrameHeaderBytes; ++i) {
      size |= static_cast<std::size_t>(static_cast<unsigned char>(buffer_[consumed_ + i])) << (8 * i);
    }
    if (size > kMaxFrameBytes) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("A frame announces {} bytes; at most {} are allowed", size, kMaxFrameBytes));
    }
    if (available >= kFrameHeaderBytes + size) {
      const std::string_view payload(buffer_.data() + consumed_ + kFrameHeaderBytes, size);
      consumed_ += kFrameHeaderBytes + size;
      return payload;
    }
  }
  // Nothing whole is left: what was handed out before may go now.
  buffer_.erase(0, consumed_);
  consumed_ = 0;
  return std::nullopt;
}

Result<void> parse_payload(std::string_view payload, google::protobuf::MessageLite& message) {
  if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("A frame of {} bytes is not a message of type {}", payload.size(), message.GetTypeName()));
  }
  return {};
}

}  // namespace atelier::wire
