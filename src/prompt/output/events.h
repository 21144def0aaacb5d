// Collects what the parser finds, parts of one kind joined.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "prompt/output_parser.h"

namespace atelier::prompt::output {

class Events {
 public:
  void collect_into(std::vector<OutputEvent>* events) { events_ = events; }

  void message(std::string_view text) {
    if (!text.empty()) last<MessageText>().text += text;
  }
  void reasoning(std::string_view text) {
    if (!text.empty()) last<ReasoningText>().text += text;
  }
  void call_start(std::string name, std::string id) {
    events_->emplace_back(ToolCallStart{next_index_, std::move(name), std::move(id)});
  }
  void call_arguments(std::string_view json) {
    if (json.empty()) return;
    ToolCallArguments& arguments = last<ToolCallArguments>();
    arguments.index = next_index_;
    arguments.json += json;
  }
  void call_end() { events_->emplace_back(ToolCallEnd{next_index_++}); }
  void call_failed(std::string text) { events_->emplace_back(ToolCallFailed{next_index_++, std::move(text)}); }

 private:
  template <class Event>
  Event& last() {
    if (events_->empty() || !std::holds_alternative<Event>(events_->back())) events_->emplace_back(Event());
    return std::get<Event>(events_->back());
  }

  std::vector<OutputEvent>* events_ = nullptr;
  std::size_t next_index_ = 0;
};

}  // namespace atelier::prompt::output
