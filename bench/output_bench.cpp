// How much the output parser takes of a token: a call with a long argument in each tool format, and plain text, fed in
// pieces of four bytes, about a token. An engine makes some thousand tokens a second at most.
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "prompt/output_parser.h"

namespace atelier::prompt {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPieceBytes = 4;

// The sample with a city of some kilobytes.
std::string long_answer(const ToolFormat& format) {
  std::string city;
  while (city.size() < 8000) city += "Llanfairpwllgwyngyll, a < b > c; ";
  std::string text(format.sample);
  text.replace(text.rfind("Paris"), 5, city);
  return text;
}

// Nanoseconds a piece, the fastest of several runs.
double measure(const OutputFormat& format, const std::string& text) {
  double best = 1e18;
  for (int run = 0; run < 20; ++run) {
    const auto begin = Clock::now();
    OutputParser parser(format);
    std::vector<OutputEvent> events;
    std::size_t pieces = 0;
    for (std::size_t at = 0; at < text.size(); at += kPieceBytes, ++pieces) {
      events.clear();
      parser.feed(std::string_view(text).substr(at, kPieceBytes), false, events);
    }
    parser.finish(true, events);
    const double took = std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
    best = std::min(best, took / static_cast<double>(pieces));
  }
  return best;
}

int run() {
  OutputFormat format;
  format.parse_tool_calls = true;
  format.tools = *json::parse(R"([{"type":"function","function":{"name":"get_weather","parameters":{"type":"object",
      "properties":{"city":{"type":"string"}}}}}])")
                      ->if_array();
  std::printf("%-20s %14s\n", "format", "ns per token");
  for (const ToolFormat& each : tool_formats()) {
    format.tool_format = &each;
    std::printf("%-20s %14.0f\n", std::string(each.name).c_str(), measure(format, long_answer(each)));
  }
  format.tool_format = find_tool_format("hermes");
  std::string text;
  while (text.size() < 8000) text += "Plain words, a < b, and nothing else. ";
  std::printf("%-20s %14.0f\n", "plain text", measure(format, text));
  return 0;
}

}  // namespace
}  // namespace atelier::prompt

int main() { return atelier::prompt::run(); }
