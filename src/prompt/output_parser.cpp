#include "prompt/output_parser.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "prompt/output/call_reader.h"
#include "prompt/output/events.h"
#include "prompt/output/parse_task.h"
#include "prompt/output/source.h"

namespace atelier::prompt {

using output::Marker;
using output::Match;
using output::Parse;
using output::Source;

namespace {

bool is_space(char byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

// The word after `label`; empty where the label is not there.
std::string word_after(std::string_view text, std::string_view label) {
  const std::size_t at = text.find(label);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + label.size());
  return std::string(text.substr(0, text.find_first_of(" <\n")));
}

constexpr std::size_t kMaxHeader = 1024;
constexpr std::string_view kEveryone = "all";

constexpr ToolFormat kNoFormat{};

}  // namespace

// The outermost coroutine walks through the answer: text until something means something, then that.
class OutputParser::Reader {
 public:
  explicit Reader(OutputFormat format)
      : format_(std::move(format)),
        tool_format_(format_.tool_format != nullptr ? *format_.tool_format : kNoFormat),
        source_(loop_),
        calls_(source_, events_, tool_format_, format_.tools, format_.control_tokens),
        in_reasoning_(format_.starts_in_reasoning && !format_.reasoning_end.empty()) {
    reasoning_start_ = marker(format_.reasoning_start);
    reasoning_end_ = marker(format_.reasoning_end);
    watch(Found::kReasoning, format_.reasoning_start);
    for (const std::string_view text : tool_format_.noise) watch(Found::kNoise, text);
    section_end_ = marker(tool_format_.section_end);
    if (format_.parse_tool_calls && tool_format_.layout == Layout::kInline) {
      watch(Found::kSection, tool_format_.section_begin);
      for (const std::string_view text : tool_format_.call_begin) watch(Found::kCall, text);
    }
    main_ = run();
    main_.start(loop_);
  }

  void feed(std::string_view text, bool is_control, std::vector<OutputEvent>& events) {
    if (text.empty()) return;
    const std::size_t before = source_.available();
    if (is_control) {
      source_.append_control(text);
    } else {
      source_.append_text(text);
    }
    if (source_.available() > before) go_on(events);
  }

  void feed_prompted(std::string_view text, std::vector<OutputEvent>& events) {
    std::size_t plain = 0;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t longest = 0;
      for (const std::string& token : format_.control_tokens) {
        if (token.size() > longest && text.substr(at).starts_with(token)) longest = token.size();
      }
      if (longest == 0) {
        ++at;
        continue;
      }
      feed(text.substr(plain, at - plain), false, events);
      feed(text.substr(at, longest), true, events);
      plain = at += longest;
    }
    feed(text.substr(plain), false, events);
  }

  void finish(bool complete, std::vector<OutputEvent>& events) {
    source_.end(complete);
    go_on(events);
  }

  bool in_reasoning() const { return in_reasoning_; }

 private:
  enum class Found : std::uint8_t { kEnd, kReasoning, kNoise, kSection, kCall, kBareCall };
  struct Watched {
    Found what;
    Marker marker;
  };

  Marker marker(std::string_view text) const { return Marker(text, format_.control_tokens); }
  void watch(Found what, std::string_view text) {
    if (!text.empty()) watched_.push_back({what, marker(text)});
  }

  void go_on(std::vector<OutputEvent>& events) {
    events_.collect_into(&events);
    if (std::exchange(started_, true)) {
      source_.wake();
    } else {
      loop_.run();
    }
    events_.collect_into(nullptr);
  }

  Parse<bool> run() {
    if (tool_format_.layout == Layout::kHarmony) {
      const bool done = co_await harmony();
      co_return done;
    }
    if (tool_format_.layout == Layout::kRouted) {
      const bool done = co_await routed();
      co_return done;
    }
    at_start_ = !format_.continues_message;
    if (in_reasoning_) co_await reasoning(true);
    while (true) {
      const Found found = co_await text();
      if (found == Found::kEnd) break;
      if (found == Found::kReasoning) {
        co_await reasoning(false);
      } else if (found != Found::kNoise) {
        co_await calls(found);
      }
    }
    end_of_message();
    co_return true;
  }

  // ---------------------------------------------------------------- message text

  // Whether the message may begin with a call that no marker announces.
  bool bare_call_may_begin(char byte) const {
    if (!format_.parse_tool_calls || !at_start_ || tool_format_.layout != Layout::kInline) return false;
    if (tool_format_.name.empty() || !tool_format_.call_begin[0].empty()) return false;
    switch (tool_format_.body) {
      case CallBody::kObjects: return byte == '{';
      case CallBody::kPython: return byte == '[';
      default: return !is_space(byte);
    }
  }

  // Passes text on until a marker, which is taken, or the end.
  Parse<Found> text() {
    while (true) {
      const int next = co_await source_.peek();
      if (next == Source::kEnd) co_return Found::kEnd;
      const std::string_view bytes = source_.rest();
      const std::size_t plain = plain_length(bytes);
      if (plain > 0) {
        message(bytes.substr(0, plain));
        source_.take(plain);
        continue;
      }
      bool partial = false;
      const Watched* found = match_watched(partial);
      if (found != nullptr) co_return found->what;
      if (partial) {
        co_await source_.more();
      } else if (source_.front_is_control()) {
        source_.take_control();  // a control token that means nothing here
      } else if (bare_call_may_begin(bytes.front())) {
        source_.begin_record();
        co_return Found::kBareCall;
      } else {
        message(bytes.substr(0, 1));
        source_.take(1);
      }
    }
  }

  // The bytes at the front among which nothing can begin.
  std::size_t plain_length(std::string_view bytes) const {
    std::size_t length = 0;
    for (; length < bytes.size(); ++length) {
      const char byte = bytes[length];
      if (byte == output::kControlBegin || bare_call_may_begin(byte)) break;
      if (std::ranges::any_of(watched_, [&](const Watched& w) { return w.marker.text().front() == byte; })) break;
      // Only whitespace leaves the message at its start.
      if (at_start_ && !is_space(byte)) return length + 1;
    }
    return length;
  }

  // The marker at the front, taken. Reasoning opens where the message begins, or by a control token.
  const Watched* match_watched(bool& partial) {
    partial = false;
    const Watched* longest = nullptr;
    std::size_t longest_length = 0;
    for (const Watched& watched : watched_) {
      if (watched.what == Found::kReasoning && !at_start_ && !source_.front_is_control()) continue;
      std::size_t length = 0;
      const Match match = source_.match(watched.marker, 0, length);
      if (match == Match::kPartial) partial = true;
      if (match == Match::kYes && length > longest_length) {
        longest = &watched;
        longest_length = length;
      }
    }
    if (partial) return nullptr;  // a longer marker may be coming
    if (longest == nullptr) return nullptr;
    if (longest->what == Found::kSection || longest->what == Found::kCall) source_.begin_record();
    source_.take(longest_length);
    return longest;
  }

  // Whitespace is held back: before a call it is dropped, and so it is after one and after reasoning.
  void message(std::string_view text) {
    std::size_t begin = 0;
    if (skip_space_) {
      while (begin < text.size() && is_space(text[begin])) ++begin;
      if (begin == text.size()) return;
      skip_space_ = false;
    }
    std::size_t end = text.size();
    if (format_.parse_tool_calls || at_start_) {
      while (end > begin && is_space(text[end - 1])) --end;
    }
    if (end > begin) {
      at_start_ = false;
      events_.message(std::exchange(held_space_, {}));
      events_.message(text.substr(begin, end - begin));
    }
    held_space_ += text.substr(end);
  }

  void end_of_message() { events_.message(std::exchange(held_space_, {})); }

  // ---------------------------------------------------------------- reasoning

  // Streams text up to one of the markers, which is taken; its place in the list, or -1 at the end.
  template <std::size_t kCount, class Emit>
  Parse<int> text_until(const std::array<const Marker*, kCount> ends, Emit emit) {
    while (true) {
      const int next = co_await source_.peek();
      if (next == Source::kEnd) co_return -1;
      bool partial = false;
      for (std::size_t i = 0; i < kCount; ++i) {
        if (ends[i]->empty()) continue;
        std::size_t length = 0;
        const Match match = source_.match(*ends[i], 0, length);
        if (match == Match::kYes) {
          source_.take(length);
          co_return static_cast<int>(i);
        }
        partial = partial || match == Match::kPartial;
      }
      if (partial) {
        co_await source_.more();
        continue;
      }
      if (next == Source::kControl) {
        if (ends_reasoning_with_call()) co_return -1;
        source_.take_control();
        continue;
      }
      const std::string_view bytes = source_.rest();
      std::size_t length = 1;
      while (length < bytes.size() && bytes[length] != output::kControlBegin &&
             std::ranges::none_of(
                 ends, [&](const Marker* end) { return !end->empty() && end->text().front() == bytes[length]; })) {
        ++length;
      }
      emit(bytes.substr(0, length));
      source_.take(length);
    }
  }

  // Some models call a tool without closing their reasoning first. A control token says so for certain.
  bool ends_reasoning_with_call() const {
    if (!in_reasoning_) return false;
    return std::ranges::any_of(watched_, [&](const Watched& watched) {
      std::size_t length = 0;
      return (watched.what == Found::kSection || watched.what == Found::kCall) &&
             source_.match(watched.marker, 0, length) == Match::kYes;
    });
  }

  void reasoning_text(std::string_view text) {
    if (!format_.separate_reasoning) {
      events_.message(text);
      return;
    }
    std::size_t begin = 0;
    if (!reasoning_begun_) {
      while (begin < text.size() && is_space(text[begin])) ++begin;
    }
    std::size_t end = text.size();
    while (end > begin && is_space(text[end - 1])) --end;
    if (end > begin) {
      reasoning_begun_ = true;
      events_.reasoning(std::exchange(held_space_, {}));
      events_.reasoning(text.substr(begin, end - begin));
    }
    if (reasoning_begun_) held_space_ += text.substr(end);
  }

  Parse<bool> reasoning(bool opened_by_prompt) {
    in_reasoning_ = true;
    reasoning_begun_ = false;
    held_space_.clear();
    if (!format_.separate_reasoning) {
      events_.message(format_.reasoning_start);
      if (opened_by_prompt) events_.message("\n");
    }
    const std::array<const Marker*, 1> ends{&reasoning_end_};
    const auto emit = [this](std::string_view text) { reasoning_text(text); };
    const int end = co_await text_until(ends, emit);
    in_reasoning_ = false;
    held_space_.clear();
    if (!format_.separate_reasoning) {
      if (end == 0) events_.message(format_.reasoning_end);
    } else {
      skip_space_ = true;
    }
    at_start_ = true;
    co_return true;
  }

  // ---------------------------------------------------------------- calls

  void not_a_call() {
    std::string text = std::exchange(held_space_, {}) + source_.end_record();
    if (calls_.open()) {
      calls_.close_failed(std::move(text));
    } else {
      events_.message(text);
    }
    at_start_ = false;
    skip_space_ = false;
  }

  Parse<bool> accept_call_begin() {
    for (const Watched& watched : watched_) {
      if (watched.what != Found::kCall) continue;
      const bool begun = co_await calls_.accept(watched.marker);
      if (begun) co_return true;
    }
    co_return false;
  }

  // All calls that follow one another. What announced the first has been taken and is on record.
  Parse<bool> calls(Found found) {
    const bool bare = found == Found::kBareCall;
    const bool marked = !tool_format_.call_begin[0].empty();
    if (found == Found::kSection && marked) {
      co_await calls_.skip_space();
      const bool begun = co_await accept_call_begin();
      if (!begun) {
        not_a_call();
        co_return false;
      }
    }
    while (true) {
      const bool is_call = co_await calls_.body(bare);
      if (!is_call) {
        not_a_call();
        co_return false;
      }
      held_space_.clear();
      source_.begin_record();
      const char* separators = bare || found == Found::kSection ? ",;" : "";
      co_await calls_.skip_space(separators);
      if (found == Found::kSection) {
        const bool ended = co_await calls_.accept(section_end_);
        if (ended) break;
      }
      bool another = false;
      if (marked) {
        another = co_await accept_call_begin();
      } else {
        const int next = co_await source_.peek();
        another = tool_format_.body == CallBody::kObjects && next == '{';
      }
      if (!another) break;
    }
    source_.end_record();
    skip_space_ = true;
    at_start_ = false;
    co_return true;
  }

  // ---------------------------------------------------------------- messages to somebody

  // https://cookbook.openai.com/articles/openai-harmony. The prompt ends with <|start|>assistant, or inside a
  // message that is continued.
  Parse<bool> harmony() {
    bool in_body = format_.continues_message;
    while (true) {
      std::string header;
      if (!in_body) {
        const bool has_body = co_await harmony_header(header);
        if (!has_body) break;
      }
      in_body = false;
      const bool more = co_await harmony_body(header);
      if (!more) break;
    }
    end_of_message();
    co_return true;
  }

  // Everything up to <|message|>, control tokens as their text. False at the end of the answer.
  Parse<bool> harmony_header(std::string& header) {
    while (header.size() < kMaxHeader) {
      const bool body = co_await calls_.accept(harmony_message_);
      if (body) co_return true;
      const int byte = co_await source_.peek();
      if (byte == Source::kEnd) {
        // An answer without any header is a message.
        if (header.find("<|") == std::string::npos) events_.message(header);
        co_return false;
      }
      if (byte == Source::kControl) {
        header += source_.front_control();
        source_.take_control();
      } else {
        header += static_cast<char>(byte);
        source_.take(1);
      }
    }
    events_.message(header);
    header.clear();
    co_return true;
  }

  // False where the answer ends with it.
  Parse<bool> harmony_body(const std::string& header) {
    const std::string recipient = word_after(header, "to=");
    const std::string channel = word_after(header, "<|channel|>");
    constexpr std::string_view kFunctions = "functions.";
    if (recipient.starts_with(kFunctions) && format_.parse_tool_calls) {
      source_.begin_record();
      const std::string_view name = std::string_view(recipient).substr(kFunctions.size());
      const bool is_call = co_await calls_.named_arguments(name);
      if (!is_call) {
        not_a_call();
      } else {
        source_.end_record();
        held_space_.clear();
        message_gap_ = false;
        skip_space_ = true;  // nothing stands between the arguments and the end of the message
      }
    }
    in_reasoning_ = channel == "analysis" || (!recipient.empty() && !recipient.starts_with(kFunctions));
    reasoning_begun_ = false;
    const auto emit = [this](std::string_view text) {
      if (in_reasoning_) {
        begin_part(reasoning_gap_, [this](std::string_view gap) { events_.reasoning(gap); });
        events_.reasoning(text);
      } else {
        if (!skip_space_) begin_part(message_gap_, [this](std::string_view gap) { events_.message(gap); });
        message(text);
      }
    };
    const std::array<const Marker*, 4> ends{&harmony_end_, &harmony_start_, &harmony_call_, &harmony_return_};
    part_begun_ = false;
    const int end = co_await text_until(ends, emit);
    if (part_begun_) (in_reasoning_ ? reasoning_gap_ : message_gap_) = true;
    in_reasoning_ = false;
    end_of_message();
    skip_space_ = false;
    co_return end >= 0;
  }

  // A blank line between two messages of one kind.
  template <class Emit>
  void begin_part(bool gap, Emit emit) {
    if (!std::exchange(part_begun_, true) && gap) emit("\n\n");
  }

  // The prompt ends with the marker before the recipient's name, so the answer may begin with the name.
  Parse<bool> routed() {
    const Marker begin = marker(tool_format_.call_begin[0]);
    const Marker name_end = marker(tool_format_.name_end);
    std::array<Marker, 3> noise;
    for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = marker(tool_format_.noise[i]);
    if (format_.continues_message) {
      const bool more = co_await routed_text(begin, noise);
      if (!more) co_return true;
    }
    while (true) {
      source_.begin_record();
      for (const Marker& unused : noise) co_await calls_.accept(unused);
      co_await calls_.accept(begin);
      std::string recipient;
      bool ignored = false;
      const bool has_name = co_await calls_.name_until(recipient, name_end, nullptr, ignored);
      const bool to_everyone = has_name && recipient == kEveryone;
      if (has_name && !to_everyone && format_.parse_tool_calls) {
        const bool is_call = co_await calls_.named_arguments(recipient);
        if (is_call) {
          source_.end_record();
          held_space_.clear();
          skip_space_ = true;
        } else {
          not_a_call();
        }
      } else {
        const std::string text = source_.end_record();
        if (!to_everyone) events_.message(text);
      }
      const bool more = co_await routed_text(begin, noise);
      if (!more) co_return true;
      skip_space_ = false;
    }
  }

  Parse<bool> routed_text(const Marker& begin, const std::array<Marker, 3>& noise) {
    const auto emit = [this](std::string_view text) { message(text); };
    const std::array<const Marker*, 4> ends{&begin, &noise[0], &noise[1], &noise[2]};
    while (true) {
      const int end = co_await text_until(ends, emit);
      if (end <= 0) {
        if (end < 0) end_of_message();
        held_space_.clear();
        co_return end == 0;
      }
    }
  }

  OutputFormat format_;
  const ToolFormat& tool_format_;
  output::ParseLoop loop_;
  Source source_;
  output::Events events_;
  output::CallReader calls_;

  std::vector<Watched> watched_;
  Marker reasoning_start_, reasoning_end_, section_end_;
  Marker harmony_message_ = marker("<|message|>"), harmony_start_ = marker("<|start|>"),
         harmony_end_ = marker("<|end|>"), harmony_call_ = marker("<|call|>"), harmony_return_ = marker("<|return|>");

  bool started_ = false;
  bool at_start_ = true;  // nothing but whitespace and reasoning has come
  bool skip_space_ = false;
  std::string held_space_;
  bool in_reasoning_ = false;
  bool reasoning_begun_ = false;
  bool reasoning_gap_ = false, message_gap_ = false;  // a part came before, and the next is another
  bool part_begun_ = false;

  Parse<bool> main_;  // last: it refers to the others
};

OutputParser::OutputParser(OutputFormat format) : reader_(std::make_unique<Reader>(std::move(format))) {}
OutputParser::~OutputParser() = default;
OutputParser::OutputParser(OutputParser&&) noexcept = default;
OutputParser& OutputParser::operator=(OutputParser&&) noexcept = default;

void OutputParser::feed(std::string_view text, bool is_control, std::vector<OutputEvent>& events) {
  reader_->feed(text, is_control, events);
}
void OutputParser::feed_prompted(std::string_view text, std::vector<OutputEvent>& events) {
  reader_->feed_prompted(text, events);
}
void OutputParser::finish(bool complete, std::vector<OutputEvent>& events) { reader_->finish(complete, events); }
bool OutputParser::in_reasoning() const { return reader_->in_reasoning(); }

std::vector<std::string> call_openings(const ToolFormat& format) {
  if (format.layout == Layout::kHarmony) return {"<|channel|>commentary to="};
  std::vector<std::string> openings;
  if (!format.section_begin.empty()) openings.emplace_back(format.section_begin);
  for (const std::string_view text : format.call_begin) {
    if (!text.empty()) openings.emplace_back(text);
  }
  return openings;
}

}  // namespace atelier::prompt
