// The output parser, with any text in any pieces: it ends, its events are in order, the arguments of calls are JSON,
// and cutting the text elsewhere gives the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tests/prompt/output_folding.h"

namespace {

using namespace atelier::prompt;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

// First byte: the format. Second: switches. Then the text; 0xFF begins and 0xFE ends a control token.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  const auto formats = tool_formats();
  static const atelier::json::Array kTools =
      *atelier::json::parse(
           R"([{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{
          "city":{"type":"string"},"days":{"type":"integer"}}}}}])")
           ->if_array();
  OutputFormat format;
  format.tool_format = &formats[data[0] % formats.size()];
  format.parse_tool_calls = (data[1] & 1) != 0;
  format.starts_in_reasoning = (data[1] & 2) != 0;
  format.separate_reasoning = (data[1] & 4) == 0;
  format.continues_message = (data[1] & 8) != 0;
  format.tools = kTools;
  const bool complete = (data[1] & 16) != 0;

  std::vector<OutputPiece> pieces;
  std::string text;
  bool control = false;
  const auto end_piece = [&](bool next) {
    if (!text.empty()) pieces.push_back({std::move(text), control});
    text.clear();
    control = next;
  };
  for (std::size_t i = 2; i < size; ++i) {
    if (data[i] == 0xFF) {
      end_piece(true);
    } else if (data[i] == 0xFE) {
      end_piece(false);
    } else {
      text += static_cast<char>(data[i]);
    }
  }
  end_piece(false);

  const FoldedAnswer whole = fold(parse_events(format, pieces, complete));
  require(whole.well_ordered);
  for (const FoldedCall& call : whole.calls) require(atelier::json::parse(call.arguments).has_value());
  require(fold(parse_events(format, cut(pieces, 1), complete)) == whole);
  require(fold(parse_events(format, cut(pieces, 3), complete)) == whole);
  return 0;
}
