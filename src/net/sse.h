// Server-sent events (the WHATWG HTML standard, "Server-sent events"): frames as text, ready for
// Exchange::write. Pure functions.
//
// JSON is always one data line: a serialiser that writes on one line escapes line breaks inside strings. Text
// that does hold a CR or LF is still framed right: each of its lines becomes a data line of the same event.
#pragma once

#include <string>
#include <string_view>

namespace atelier::net::sse {

inline constexpr std::string_view kContentType = "text/event-stream";
// Keeps proxies and clients from giving up; clients ignore it.
inline constexpr std::string_view kKeepAlive = ": keep-alive\n\n";
// The end of an OpenAI stream.
inline constexpr std::string_view kDone = "data: [DONE]\n\n";

// "data: DATA\n\n"
std::string data(std::string_view data);
// "event: NAME\ndata: DATA\n\n"; line breaks in the name are dropped.
std::string event(std::string_view name, std::string_view data);
// ": TEXT\n\n"
std::string comment(std::string_view text);

// The same, appended: for callers that put several frames into one write.
void append_data(std::string& out, std::string_view data);
void append_event(std::string& out, std::string_view name, std::string_view data);

}  // namespace atelier::net::sse
