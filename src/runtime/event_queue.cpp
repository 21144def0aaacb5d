#include "runtime/event_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace atelier::runtime {
namespace {

// A string's memory beyond its own object: nothing while it fits inside.
std::size_t heap_bytes(const std::string& text) {
  return text.capacity() > std::string().capacity() ? text.capacity() + 1 : 0;
}

std::size_t piece_bytes(const Piece& piece) {
  std::size_t bytes = sizeof(Piece) + heap_bytes(piece.text) + heap_bytes(piece.token_bytes);
  for (const TokenLogprob& candidate : piece.top) bytes += sizeof(TokenLogprob) + heap_bytes(candidate.bytes);
  return bytes;
}

std::size_t pieces_bytes(const std::vector<Piece>& pieces) {
  std::size_t bytes = 0;
  for (const Piece& piece : pieces) bytes += piece_bytes(piece);
  return bytes;
}

}  // namespace

std::size_t event_bytes(const Event& event) {
  std::size_t bytes = sizeof(Event);
  if (const Delta* delta = std::get_if<Delta>(&event)) bytes += pieces_bytes(delta->pieces);
  if (const Done* done = std::get_if<Done>(&event)) bytes += heap_bytes(done->stop_string);
  if (const Error* error = std::get_if<Error>(&event)) bytes += heap_bytes(error->message) + heap_bytes(error->param);
  return bytes;
}

// Adds the event to the newest one where they make one event to the reader.
bool EventQueue::join(Event& event) {
  if (events_.empty()) return false;
  if (PromptProgress* progress = std::get_if<PromptProgress>(&events_.back());
      progress != nullptr && std::holds_alternative<PromptProgress>(event)) {
    *progress = std::get<PromptProgress>(event);
    return true;
  }
  Delta* newest = std::get_if<Delta>(&events_.back());
  Delta* added = std::get_if<Delta>(&event);
  if (newest == nullptr || added == nullptr || newest->of_prompt != added->of_prompt || last_bytes_ >= kJoinBytes) {
    return false;
  }
  const std::size_t bytes = pieces_bytes(added->pieces);
  newest->pieces.insert(newest->pieces.end(), std::make_move_iterator(added->pieces.begin()),
                        std::make_move_iterator(added->pieces.end()));
  bytes_ += bytes;
  last_bytes_ += bytes;
  return true;
}

EventQueue::Flow EventQueue::push(Event event) {
  if (!join(event)) {
    last_bytes_ = event_bytes(event);
    bytes_ += last_bytes_;
    events_.push_back(std::move(event));
  }
  if (paused_ || bytes_ <= Generation::kPauseBytes) return Flow::kKeep;
  paused_ = true;
  return Flow::kPause;
}

EventQueue::Popped EventQueue::pop() {
  Popped popped{std::move(events_.front()), Flow::kKeep};
  events_.pop_front();
  if (events_.empty()) {
    bytes_ = 0;
    last_bytes_ = 0;
  } else {
    bytes_ -= std::min(bytes_, event_bytes(popped.event));
  }
  if (paused_ && bytes_ < Generation::kResumeBytes) {
    paused_ = false;
    popped.flow = Flow::kResume;
  }
  return popped;
}

}  // namespace atelier::runtime
