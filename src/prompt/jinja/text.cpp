// Text with provenance runs. Nearly all text is of one provenance and has no runs at all; where there are
// runs, neighbours differ, they cover the text without gaps, and none is empty.
#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "prompt/jinja/value.h"

namespace atelier::prompt::jinja {
namespace {

bool all_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Appends a run, or lengthens the last one.
void add_run(std::vector<Run>& runs, std::size_t end, Provenance provenance) {
  if (!runs.empty() && runs.back().provenance == provenance) {
    runs.back().end = static_cast<std::uint32_t>(end);
  } else {
    runs.push_back(Run{static_cast<std::uint32_t>(end), provenance});
  }
}

// Calls use(begin, end, provenance) for the runs of text[begin, end).
template <class Use>
void for_runs(const TextObject& text, std::size_t begin, std::size_t end, Use use) {
  if (begin >= end) return;
  if (!text.runs) {
    use(begin, end, text.provenance);
    return;
  }
  auto run = std::upper_bound(text.runs->begin(), text.runs->end(), begin,
                              [](std::size_t at, const Run& r) { return at < r.end; });
  for (std::size_t at = begin; at < end && run != text.runs->end(); ++run) {
    const std::size_t stop = std::min<std::size_t>(run->end, end);
    use(at, stop, run->provenance);
    at = stop;
  }
}

[[noreturn]] void fail_text_size() {
  raise(ErrorKind::kBudget,
        "the template makes a text of more than " + std::to_string(TextBuilder::output_limit()) + " bytes");
}

}  // namespace

std::size_t TextObject::length() const {
  if (length_ == kUnknown) length_ = all_ascii(bytes) ? bytes.size() : utf8::count(bytes);
  return length_;
}

std::size_t TextObject::offset_of(std::size_t index) const {
  if (index >= length()) return bytes.size();
  if (is_ascii()) return index;
  std::size_t at = 0;
  for (; index > 0; --index) at += utf8::decode(bytes, at).length;
  return at;
}

Provenance TextObject::at(std::size_t byte) const {
  if (!runs) return provenance;
  const auto run = std::upper_bound(runs->begin(), runs->end(), byte,
                                    [](std::size_t position, const Run& r) { return position < r.end; });
  return run == runs->end() ? runs->back().provenance : run->provenance;
}

void TextBuilder::fail_size() { fail_text_size(); }

void TextBuilder::append_runs(const TextObject& text, std::size_t begin, std::size_t end) {
  for_runs(text, begin, end, [&](std::size_t from, std::size_t to, Provenance provenance) {
    append(std::string_view(text.bytes).substr(from, to - from), provenance);
  });
}

void TextBuilder::grow(std::size_t count) {
  if (count > limit_ - size_) fail_size();
  constexpr std::size_t kSmallest = 96;
  const std::size_t wanted = std::max({size_ + count, 2 * capacity_, kSmallest});
  reserve(static_cast<std::size_t>(std::min<std::uint64_t>(wanted, limit_)), 0);
}

void TextBuilder::reserve(std::size_t bytes, std::size_t runs) {
  if (runs > 0) runs_.reserve(runs);
  if (bytes <= capacity_ || bytes > limit_) return;
  buffer_.resize_and_overwrite(bytes, [](char*, std::size_t size) { return size; });
  capacity_ = bytes;
}

void TextBuilder::finish_runs() {
  if (size_ > 0) runs_.push_back(Run{static_cast<std::uint32_t>(size_), last_});
}

void TextBuilder::append_repeated(std::string_view bytes, std::int64_t times, Provenance provenance) {
  if (times <= 0 || bytes.empty()) return;
  if (static_cast<std::uint64_t>(times) > output_limit() / bytes.size()) fail_size();
  const std::size_t total = bytes.size() * static_cast<std::size_t>(times);
  char* to = room(total);
  for (std::int64_t i = 0; i < times; ++i, to += bytes.size()) std::memcpy(to, bytes.data(), bytes.size());
  note(total, provenance);
}

void TextBuilder::append_code_point(char32_t code_point, Provenance provenance) {
  std::string bytes;
  utf8::append(bytes, code_point);
  append(bytes, provenance);
}

Provenance TextBuilder::overall() const {
  if (!runs_.empty()) return Provenance::kContent;
  return empty() ? Provenance::kTemplate : last_;
}

Value TextBuilder::take() {
  charge_allocation(size_ + sizeof(TextObject));
  charge_bytes(size_);
  const bool mixed_runs = !runs_.empty();
  if (mixed_runs) finish_runs();
  const Provenance provenance = empty() ? Provenance::kTemplate : last_;
  auto text = std::make_unique<TextObject>(take_bytes(), provenance);
  if (mixed_runs) text->runs = std::make_unique<std::vector<Run>>(std::exchange(runs_, {}));
  last_ = Provenance::kTemplate;
  return Value::of(text.release());
}

std::string TextBuilder::take_bytes() {
  const std::size_t size = std::exchange(size_, 0);
  constexpr std::size_t kShort = 15;  // what a string holds without memory of its own: the buffer stays ours then
  if (size <= kShort) return std::string(buffer_.data(), size);
  capacity_ = 0;
  buffer_.resize(size);
  return std::exchange(buffer_, {});
}

Value TextBuilder::take_from(std::size_t begin) {
  TextBuilder tail;
  std::size_t at = begin;
  for (auto run = std::upper_bound(runs_.begin(), runs_.end(), begin,
                                   [](std::size_t position, const Run& r) { return position < r.end; });
       run != runs_.end(); ++run) {
    tail.append(view().substr(at, run->end - at), run->provenance);
    at = run->end;
  }
  tail.append(view().substr(at), last_);
  while (!runs_.empty() && runs_.back().end >= begin) {
    last_ = runs_.back().provenance;
    runs_.pop_back();
  }
  size_ = begin;
  return tail.take();
}

std::pair<std::string, std::vector<Run>> TextBuilder::take_runs() {
  finish_runs();
  return {take_bytes(), std::exchange(runs_, {})};
}

Value Value::text(std::string bytes, Provenance provenance) {
  if (bytes.size() > TextBuilder::output_limit()) fail_text_size();
  charge_allocation(bytes.size() + sizeof(TextObject));
  charge_bytes(bytes.size());
  return Value::of(std::make_unique<TextObject>(std::move(bytes), provenance).release());
}

Value slice_text(const TextObject& text, std::size_t begin, std::size_t end) {
  if (begin > end) begin = end;
  // All of it is the same text.
  if (begin == 0 && end == text.bytes.size()) return Value::of(const_cast<TextObject*>(&text));
  if (!text.runs) return Value::text(text.bytes.substr(begin, end - begin), text.provenance);
  TextBuilder builder;
  builder.append_slice(text, begin, end);
  return builder.take();
}

Value concatenate(Value left, const Value& right) {
  TextObject& a = left.as_text();
  const TextObject& b = right.as_text();
  if (b.bytes.empty()) return left;
  if (a.bytes.empty()) return right;
  const bool uniform = !a.runs && !b.runs && a.provenance == b.provenance;
  if (a.references != 1 || &a == &b) {
    if (uniform) {
      std::string bytes;
      bytes.reserve(a.bytes.size() + b.bytes.size() + 32);  // more is often added to the end
      bytes.append(a.bytes).append(b.bytes);
      return Value::text(std::move(bytes), a.provenance);
    }
    TextBuilder builder;
    builder.append(a);
    builder.append(b);
    return builder.take();
  }
  // Only this expression holds the left text: it grows where it is.
  if (a.bytes.size() + b.bytes.size() > TextBuilder::output_limit()) fail_text_size();
  charge_allocation(b.bytes.size());
  charge_bytes(b.bytes.size());
  const std::size_t begin = a.bytes.size();
  if (!uniform) {
    if (!a.runs) {
      a.runs = std::make_unique<std::vector<Run>>();
      a.runs->push_back(Run{static_cast<std::uint32_t>(begin), a.provenance});
    }
    for_runs(b, 0, b.bytes.size(),
             [&](std::size_t, std::size_t to, Provenance provenance) { add_run(*a.runs, begin + to, provenance); });
  }
  a.bytes.append(b.bytes);
  a.forget_length();
  return left;
}

}  // namespace atelier::prompt::jinja
