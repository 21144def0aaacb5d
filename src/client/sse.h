// Server-sent events, read as a stream: WHATWG HTML, section 9.2.6 "Interpreting an event stream".
//
// Bytes may be cut anywhere (inside a line end, a field name, a UTF-8 sequence): the events are the same for
// every cut. `id` and `retry` are read over, because nothing here reconnects. One thread at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace atelier::client {

struct SseEvent {
  std::string name;  // the `event` field; empty where the stream gives none (a client treats it as "message")
  std::string data;  // the `data` lines, joined by line feeds
};

class SseParser {
 public:
  // An event (or a single line) longer than this is refused: a peer cannot make memory grow without end.
  static constexpr std::size_t kMaxEventBytes = 64 * 1024 * 1024;

  using Sink = std::function<void(const SseEvent&)>;

  explicit SseParser(std::size_t max_event_bytes = kMaxEventBytes) : max_event_bytes_(max_event_bytes) {}

  // Calls `sink` for every event that these bytes complete. After an error the parser is of no further use.
  // An event that the stream does not finish with an empty line is dropped, as the standard says.
  Result<void> feed(std::string_view bytes, const Sink& sink);

 private:
  void end_line(const Sink& sink);

  std::size_t max_event_bytes_;
  std::string line_;
  SseEvent event_;
  bool has_data_ = false;
  bool after_carriage_return_ = false;  // a line feed that follows belongs to the same line end
  bool first_line_ = true;              // may begin with a byte order mark
};

}  // namespace atelier::client
