// The events of one prediction that its reader has not taken yet, and the decision when the engine is to
// pause. Pure bookkeeping: no engine, no threads.
//
// Tokens that arrive while nobody reads are joined into one Delta (up to kJoinBytes), so a reader that fell
// behind catches up in few, large steps. Bytes are counted as they lie in memory: text, log probabilities and
// the structures that hold them.
#pragma once

#include <cstddef>
#include <deque>

#include "runtime/generation.h"

namespace atelier::runtime {

// Memory that the event takes in a queue.
std::size_t event_bytes(const Event& event);

class EventQueue {
 public:
  enum class Flow { kKeep, kPause, kResume };

  static constexpr std::size_t kJoinBytes = 16 * 1024;
  // An engine that does not heed Pause is broken: beyond this it is ended. (Pause takes effect after the
  // batch at hand, whose log probabilities may be several MiB.)
  static constexpr std::size_t kOverflowBytes = std::size_t{64} * 1024 * 1024;

  // kPause: above Generation::kPauseBytes, tell the engine. Said once until a kResume.
  Flow push(Event event);

  bool empty() const { return events_.empty(); }
  std::size_t bytes() const { return bytes_; }
  bool overflowed() const { return bytes_ > kOverflowBytes; }

  struct Popped {
    Event event;
    Flow flow = Flow::kKeep;  // kResume: below Generation::kResumeBytes again
  };
  // The queue must not be empty.
  Popped pop();

 private:
  bool join(Event& event);

  std::deque<Event> events_;
  std::size_t bytes_ = 0;
  std::size_t last_bytes_ = 0;  // of the newest event
  bool paused_ = false;
};

}  // namespace atelier::runtime
