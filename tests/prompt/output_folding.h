// One answer of a model, fed to the parser in pieces of any kind, and what comes out of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "prompt/output_parser.h"

namespace atelier::prompt {

struct FoldedCall {
  std::string name, arguments, id;
  friend bool operator==(const FoldedCall&, const FoldedCall&) = default;
};
// What a client that does not stream is given.
struct FoldedAnswer {
  std::string message, reasoning;
  std::vector<FoldedCall> calls;
  bool well_ordered = true;  // calls were numbered from 0, begun before they ended, and did not interleave
  friend bool operator==(const FoldedAnswer&, const FoldedAnswer&) = default;
};

inline FoldedAnswer fold(const std::vector<OutputEvent>& events) {
  FoldedAnswer answer;
  std::size_t next = 0;
  bool open = false;
  FoldedCall call;
  for (const OutputEvent& event : events) {
    if (const auto* text = std::get_if<MessageText>(&event)) {
      answer.message += text->text;
      answer.well_ordered = answer.well_ordered && !open;
    } else if (const auto* thought = std::get_if<ReasoningText>(&event)) {
      answer.reasoning += thought->text;
      answer.well_ordered = answer.well_ordered && !open;
    } else if (const auto* start = std::get_if<ToolCallStart>(&event)) {
      answer.well_ordered = answer.well_ordered && !open && start->index == next;
      open = true;
      call = {start->name, "", start->id};
    } else if (const auto* part = std::get_if<ToolCallArguments>(&event)) {
      answer.well_ordered = answer.well_ordered && open && part->index == next;
      call.arguments += part->json;
    } else if (const auto* end = std::get_if<ToolCallEnd>(&event)) {
      answer.well_ordered = answer.well_ordered && open && end->index == next++;
      open = false;
      answer.calls.push_back(call);
    } else if (const auto* failed = std::get_if<ToolCallFailed>(&event)) {
      answer.well_ordered = answer.well_ordered && open && failed->index == next++;
      open = false;
      answer.message += failed->text;
    }
  }
  answer.well_ordered = answer.well_ordered && !open;
  return answer;
}

struct OutputPiece {
  std::string text;
  bool is_control = false;
};

// The text as an engine gives it where the vocabulary has these control tokens.
inline std::vector<OutputPiece> tokenised(std::string_view text, const std::vector<std::string>& control_tokens) {
  std::vector<OutputPiece> pieces;
  std::string plain;
  while (!text.empty()) {
    std::string_view token;
    for (const std::string& candidate : control_tokens) {
      if (text.starts_with(candidate) && candidate.size() > token.size()) token = candidate;
    }
    if (token.empty()) {
      plain += text.front();
      text.remove_prefix(1);
      continue;
    }
    if (!plain.empty()) pieces.push_back({plain, false});
    plain.clear();
    pieces.push_back({std::string(token), true});
    text.remove_prefix(token.size());
  }
  if (!plain.empty()) pieces.push_back({plain, false});
  return pieces;
}

inline std::vector<OutputEvent> parse_events(const OutputFormat& format, const std::vector<OutputPiece>& pieces,
                                             bool complete = true) {
  OutputParser parser(format);
  std::vector<OutputEvent> events;
  for (const OutputPiece& piece : pieces) parser.feed(piece.text, piece.is_control, events);
  parser.finish(complete, events);
  return events;
}

inline FoldedAnswer parse(const OutputFormat& format, std::string_view text, bool complete = true) {
  return fold(parse_events(format, {{std::string(text), false}}, complete));
}

// The same pieces with every text cut after `size` bytes again and again.
inline std::vector<OutputPiece> cut(const std::vector<OutputPiece>& pieces, std::size_t size) {
  std::vector<OutputPiece> result;
  for (const OutputPiece& piece : pieces) {
    if (piece.is_control) {
      result.push_back(piece);
      continue;
    }
    for (std::size_t at = 0; at < piece.text.size(); at += size) {
      result.push_back({piece.text.substr(at, size), false});
    }
  }
  return result;
}

// The same pieces with one cut more, after so many bytes of text.
inline std::vector<OutputPiece> cut_at(const std::vector<OutputPiece>& pieces, std::size_t offset) {
  std::vector<OutputPiece> result;
  for (const OutputPiece& piece : pieces) {
    if (piece.is_control || offset >= piece.text.size()) {
      if (!piece.is_control) offset -= piece.text.size();
      result.push_back(piece);
      continue;
    }
    result.push_back({piece.text.substr(0, offset), false});
    result.push_back({piece.text.substr(offset), false});
    offset = std::string::npos / 2;
  }
  return result;
}

}  // namespace atelier::prompt
