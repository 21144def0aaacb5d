// Reads tool calls in the five ways that families write them (CallBody), as one coroutine each over the
// model's output. What calls are is decided here; where they begin, by the reader of the whole answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "prompt/output/events.h"
#include "prompt/output/literal_reader.h"
#include "prompt/output/parse_task.h"
#include "prompt/output/source.h"
#include "prompt/tools/parameter_types.h"
#include "prompt/tools/tool_format.h"

namespace atelier::prompt::output {

class CallReader {
 public:
  CallReader(Source& source, Events& events, const ToolFormat& format, const json::Array& tools,
             const std::vector<std::string>& control_tokens);

  // What stands between call_begin and call_end, and call_end itself. False where it is no call; a call that
  // had begun is then still open (open()). `must_be_offered`: only names of the request's tools are calls.
  Parse<bool> body(bool must_be_offered);
  // Arguments alone, for layouts that say the name elsewhere: a JSON object, or nothing at all.
  Parse<bool> named_arguments(std::string_view name);

  bool open() const { return open_; }
  void close_failed(std::string text);

  // ---- steps that the reader of the answer takes too
  Parse<bool> skip_space(std::string_view also = {});
  // True and taken where the marker is next; waits where it may be.
  Parse<bool> accept(const Marker& marker);
  // The text before the first of two markers, which is taken; false where neither comes within kMaxName bytes.
  Parse<bool> name_until(std::string& name, const Marker& first, const Marker* second, bool& was_second,
                         bool only_offered = false);

 private:
  struct Object;  // what a JSON object has said so far about its call

  Parse<bool> objects();
  Parse<bool> object();
  Parse<bool> object_member(Object& seen);
  Parse<bool> object_arguments(Object& seen);
  Parse<bool> named();
  Parse<bool> parameters();
  Parse<bool> parameter(std::string_view tool, bool first);
  Parse<bool> text_parameter();
  Parse<bool> python();
  Parse<bool> python_call();
  Parse<bool> python_arguments(std::string_view tool);
  Parse<bool> keyword_follows();
  Parse<bool> braced();
  Parse<bool> identifier(std::string& name);

  // One value; its JSON goes to the open call, or to `held` where there is one.
  Parse<bool> value(Notation notation, std::string* held);
  Parse<bool> skip_value();
  Parse<bool> json_string(std::string& text, std::size_t limit);

  bool start(std::string name, std::string id);
  void end();

  static constexpr std::size_t kMaxName = 256;
  static constexpr std::size_t kMaxKey = 256;

  Source& source_;
  Events& events_;
  const ToolFormat& format_;
  ToolDefinitions tools_;
  Marker call_end_, name_prefix_, name_end_, arguments_end_, id_begin_;
  Marker parameter_begin_, parameter_name_end_, value_begin_, parameter_end_, string_delimiter_;
  bool must_be_offered_ = false;
  bool open_ = false;
  bool is_no_call_ = false;  // the call is the family's way of calling nothing: it is read and not reported
};

}  // namespace atelier::prompt::output
