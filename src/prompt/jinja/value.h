// The values that templates compute with: Python's, as far as templates can see them.
//
// A Value is 16 bytes: a kind, and a number or a counted pointer. Counts are not atomic: the values of one
// rendering stay on its thread. The constants of a parsed template, which many renderings share, are
// immortal: their counts are never touched and their caches are filled when they are made.
//
// Lists, tuples and dictionaries do not change once they are made (the environment that templates are
// written for is Jinja's immutable sandbox), so no value but a namespace can contain itself.
//
// Provenance. Text carries it in runs (TextObject); every other value has one bit, which says what the text
// of a number or the brackets of a list become. The rule everywhere: text that came from content, or was
// computed from it in a way that cannot be followed, is content; content never becomes template text.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "prompt/jinja/error.h"
#include "prompt/provenance.h"

namespace atelier::prompt::jinja {

enum class Kind : std::uint8_t {
  kMissing,    // no value at all: an unset variable, an argument that was not given. Templates never see it
  kUndefined,  // Jinja's Undefined
  kNone,
  kBool,
  kInt,  // 64 bits; arithmetic beyond them is an error
  kFloat,
  kBigInt,  // an integer literal beyond 64 bits, as its digits: printed and compared, not computed with
  kText,
  kList,
  kTuple,
  kDict,
  kDictView,  // what .keys(), .values() and .items() give
  kRange,
  kIterator,  // what map, select, reverse, … give: elements that can be taken once
  kNamespace,
  kMacro,
  kFunction,  // range, namespace, raise_exception, …
  kMethod,    // a method with its object: text.strip
  kLoop,      // the variable `loop`
  kCycler,
  kJoiner,
  kActivation,  // never in a Value: the variables of a running macro
};

struct Object {
  static constexpr std::uint32_t kImmortal = 0xFFFFFFFF;
  explicit Object(Kind object_kind) : kind(object_kind) {}
  // Memory of objects that are gone is kept for the next ones of their size (object_memory.cpp).
  static void* operator new(std::size_t bytes);
  static void operator delete(void* memory, std::size_t bytes);
  std::uint32_t references = 0;
  Kind kind;
};

void destroy(Object* object);

inline void retain(Object* object) {
  if (object->references != Object::kImmortal) ++object->references;
}
inline void release(Object* object) {
  if (object->references != Object::kImmortal && --object->references == 0) destroy(object);
}

// A counted pointer to one kind of object.
template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) {
    if (object_ != nullptr) retain(object_);
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr) release(object_);
  }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  T* detach() { return std::exchange(object_, nullptr); }

 private:
  T* object_ = nullptr;
};

struct TextObject;
struct SequenceObject;
struct DictObject;

class Value {
 public:
  Value() = default;
  static Value none(Provenance provenance = Provenance::kTemplate) { return Value(Kind::kNone, provenance); }
  static Value boolean(bool value, Provenance provenance = Provenance::kTemplate) {
    Value result(Kind::kBool, provenance);
    result.boolean_ = value;
    return result;
  }
  static Value integer(std::int64_t value, Provenance provenance = Provenance::kTemplate) {
    Value result(Kind::kInt, provenance);
    result.integer_ = value;
    return result;
  }
  static Value real(double value, Provenance provenance = Provenance::kTemplate) {
    Value result(Kind::kFloat, provenance);
    result.real_ = value;
    return result;
  }
  static Value text(std::string bytes, Provenance provenance);
  static Value template_text(std::string bytes) { return text(std::move(bytes), Provenance::kTemplate); }
  static Value list(std::vector<Value> items, Provenance provenance = Provenance::kTemplate);
  static Value tuple(std::vector<Value> items, Provenance provenance = Provenance::kTemplate);
  static Value big_integer(std::string digits, Provenance provenance);
  // Takes a share of the object, whose kind becomes the value's.
  static Value of(Object* object, Provenance provenance = Provenance::kTemplate) {
    Value result(object->kind, provenance);
    result.object_ = object;
    result.counted_ = true;
    retain(object);
    return result;
  }
  // 'NAME' is undefined.
  static Value undefined(Value name);
  // "TYPE has no attribute NAME".
  static Value undefined_member(const Value& owner, Value name);
  static Value undefined_because(std::string reason);

  Value(const Value& other)
      : kind_(other.kind_),
        provenance_(other.provenance_),
        counted_(other.counted_),
        detail_(other.detail_),
        integer_(other.integer_) {
    if (counted_) retain(object_);
  }
  Value(Value&& other) noexcept
      : kind_(other.kind_),
        provenance_(other.provenance_),
        counted_(other.counted_),
        detail_(other.detail_),
        integer_(other.integer_) {
    other.counted_ = false;
    other.kind_ = Kind::kMissing;
  }
  Value& operator=(const Value& other) {
    if (this != &other) {
      Value copy(other);
      swap(copy);
    }
    return *this;
  }
  Value& operator=(Value&& other) noexcept {
    if (this != &other) {
      Value moved(std::move(other));
      swap(moved);
    }
    return *this;
  }
  ~Value() {
    if (counted_) release(object_);
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_missing() const { return kind_ == Kind::kMissing; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_text() const { return kind_ == Kind::kText; }
  bool is_dict() const { return kind_ == Kind::kDict; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  // A bool is an int, as in Python.
  bool is_integral() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const { return is_integral() || kind_ == Kind::kFloat; }

  // Each only where the kind says so.
  bool as_bool() const { return boolean_; }
  std::int64_t as_int() const { return kind_ == Kind::kBool ? static_cast<std::int64_t>(boolean_) : integer_; }
  double as_real() const { return kind_ == Kind::kFloat ? real_ : static_cast<double>(as_int()); }
  // Any number as a double, big integers too.
  double approximate() const;
  TextObject& as_text() const;
  SequenceObject& as_sequence() const;
  DictObject& as_dict() const;
  template <class T>
  T& as() const {
    return *static_cast<T*>(object_);
  }
  Object* object() const { return counted_ ? object_ : nullptr; }

  // Text that the filters `safe` and `escape` have marked, Python's Markup: other text that is added to it is
  // escaped for HTML. The mark belongs to the value, not to the bytes, and new text has none.
  bool is_markup() const { return kind_ == Kind::kText && detail_ == kMarkup; }
  Value as_markup() const {
    Value result(*this);
    result.detail_ = kMarkup;
    return result;
  }
  Value without_markup() const {
    Value result(*this);
    if (result.is_text()) result.detail_ = 0;
    return result;
  }

  // Of scalars and of the structure of containers. Text has its own, in runs.
  Provenance provenance() const { return provenance_; }
  void set_provenance(Provenance provenance) { provenance_ = provenance; }

  // Why an undefined value is undefined, as an error says it.
  std::string undefined_message() const;

  void swap(Value& other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(provenance_, other.provenance_);
    std::swap(counted_, other.counted_);
    std::swap(detail_, other.detail_);
    std::swap(integer_, other.integer_);
  }

 private:
  static constexpr std::uint8_t kMarkup = 1;
  Value(Kind kind, Provenance provenance) : kind_(kind), provenance_(provenance) {}

  Kind kind_ = Kind::kMissing;
  Provenance provenance_ = Provenance::kTemplate;
  bool counted_ = false;
  std::uint8_t detail_ = 0;  // undefined: 0 a variable, 1 a reason, else 2 + the owner's kind; text: kMarkup or 0
  union {
    std::int64_t integer_ = 0;
    bool boolean_;
    double real_;
    Object* object_;
  };
};
static_assert(sizeof(Value) == 16);

// ---- Text

struct Run {
  std::uint32_t end;  // bytes from the beginning of the text
  Provenance provenance;
};

// UTF-8 with its provenance. Bytes that are not UTF-8 count as one character each and are kept.
struct TextObject : Object {
  TextObject(std::string text, Provenance all) : Object(Kind::kText), bytes(std::move(text)), provenance(all) {}

  std::string bytes;
  Provenance provenance;                   // of all of it, where there are no runs
  std::unique_ptr<std::vector<Run>> runs;  // only where the text is mixed; the last one ends at the end

  std::string_view view() const { return bytes; }
  // In code points.
  std::size_t length() const;
  bool is_ascii() const { return length() == bytes.size(); }
  // Where the code point begins; the end for an index at or beyond the length.
  std::size_t offset_of(std::size_t index) const;
  // The provenance of everything together.
  Provenance overall() const { return runs ? Provenance::kContent : provenance; }
  Provenance at(std::size_t byte) const;
  void forget_length() { length_ = kUnknown; }

 private:
  static constexpr std::size_t kUnknown = ~std::size_t{0};
  mutable std::size_t length_ = kUnknown;
};

// Copies and comparisons of the short texts that templates are made of: two overlapping words in place of a call.
namespace short_text {

struct Pair {
  std::uint64_t words[2];
};

template <class Part>
void copy_ends(char* to, const char* from, std::size_t count) {
  Part first;
  Part last;
  std::memcpy(&first, from, sizeof(Part));
  std::memcpy(&last, from + count - sizeof(Part), sizeof(Part));
  std::memcpy(to, &first, sizeof(Part));
  std::memcpy(to + count - sizeof(Part), &last, sizeof(Part));
}

template <class Part>
bool same_ends(const char* a, const char* b, std::size_t count) {
  Part parts[4];
  std::memcpy(&parts[0], a, sizeof(Part));
  std::memcpy(&parts[1], b, sizeof(Part));
  std::memcpy(&parts[2], a + count - sizeof(Part), sizeof(Part));
  std::memcpy(&parts[3], b + count - sizeof(Part), sizeof(Part));
  return parts[0] == parts[1] && parts[2] == parts[3];
}

}  // namespace short_text

inline void copy_bytes(char* to, const char* from, std::size_t count) {
  if (count > 32) {
    std::memcpy(to, from, count);
  } else if (count > 16) {
    short_text::copy_ends<short_text::Pair>(to, from, count);
  } else if (count >= 8) {
    short_text::copy_ends<std::uint64_t>(to, from, count);
  } else if (count >= 4) {
    short_text::copy_ends<std::uint32_t>(to, from, count);
  } else if (count >= 2) {
    short_text::copy_ends<std::uint16_t>(to, from, count);
  } else if (count == 1) {
    *to = *from;
  }
}

inline bool same_bytes(std::string_view a, std::string_view b) {
  const std::size_t count = a.size();
  if (count != b.size()) return false;
  if (count > 16) return std::memcmp(a.data(), b.data(), count) == 0;
  const char* first = a.data();
  const char* second = b.data();
  if (count >= 8) return short_text::same_ends<std::uint64_t>(first, second, count);
  if (count >= 4) return short_text::same_ends<std::uint32_t>(first, second, count);
  if (count >= 2) return short_text::same_ends<std::uint16_t>(first, second, count);
  return count == 0 || a[0] == b[0];
}

// Builds text piece by piece; throws where it grows beyond the output limit.
class TextBuilder {
 public:
  TextBuilder() : limit_(output_limit()) {}
  TextBuilder(const TextBuilder&) = delete;
  TextBuilder& operator=(const TextBuilder&) = delete;

  void append(std::string_view bytes, Provenance provenance) {
    if (bytes.empty()) return;
    copy_bytes(room(bytes.size()), bytes.data(), bytes.size());
    note(bytes.size(), provenance);
  }
  void append(const TextObject& text) {
    if (text.runs) {
      append_runs(text, 0, text.bytes.size());
    } else {
      append(text.bytes, text.provenance);
    }
  }
  void append_slice(const TextObject& text, std::size_t begin, std::size_t end) {
    if (text.runs) {
      append_runs(text, begin, end);
    } else if (begin < end) {
      append(std::string_view(text.bytes).substr(begin, end - begin), text.provenance);
    }
  }
  void append(char character, Provenance provenance) {
    *room(1) = character;
    note(1, provenance);
  }
  void append_repeated(std::string_view bytes, std::int64_t times, Provenance provenance);
  void append_code_point(char32_t code_point, Provenance provenance);
  // Space for that many more bytes at least, of which the caller writes the first `count` and calls
  // note(count, …), count > 0, before anything else. Nothing is lost if it does not.
  char* room(std::size_t count) {
    if (count > capacity_ - size_) grow(count);
    return buffer_.data() + size_;
  }
  // So many bytes were written to room(); they have this provenance.
  void note(std::size_t count, Provenance provenance) {
    if (provenance != last_) {
      if (size_ > 0) end_run();
      last_ = provenance;
    }
    size_ += count;
  }
  // For what is expected: the builder grows beyond it as it has to.
  void reserve(std::size_t bytes, std::size_t runs);
  std::size_t size() const { return size_; }
  std::size_t run_count() const { return runs_.size(); }
  std::string_view view() const { return std::string_view(buffer_).substr(0, size_); }
  bool empty() const { return size_ == 0; }
  // The provenance of everything so far together.
  Provenance overall() const;
  Value take();
  // What was appended since the text had that size, which is then its size again.
  Value take_from(std::size_t begin);
  // As above, for the end of a rendering.
  std::pair<std::string, std::vector<Run>> take_runs();

  // Bytes that a text may have.
  static std::uint64_t output_limit() {
    const Budget* budget = Budget::current();
    return budget != nullptr ? budget->limits().output_bytes : 0x7FFFFFFF;
  }

 private:
  void append_runs(const TextObject& text, std::size_t begin, std::size_t end);
  void grow(std::size_t count);
  void end_run() {
    if (runs_.capacity() == 0) runs_.reserve(8);
    runs_.push_back(Run{static_cast<std::uint32_t>(size_), last_});
  }
  std::string take_bytes();
  [[noreturn]] static void fail_size();
  void finish_runs();

  std::string buffer_;  // as long as there is room; the text is its first size_ bytes
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;                 // buffer_.size(), never above the limit
  std::vector<Run> runs_;                    // all but the last, which goes on to the end
  Provenance last_ = Provenance::kTemplate;  // the last one's
  std::uint64_t limit_;
};

Value slice_text(const TextObject& text, std::size_t begin, std::size_t end);
// left + right; grows left in place where nobody else holds it.
Value concatenate(Value left, const Value& right);
inline TextObject& Value::as_text() const { return *static_cast<TextObject*>(object_); }
inline std::string_view text_view(const Value& value) { return value.as_text().bytes; }

// ---- Containers

struct SequenceObject : Object {
  SequenceObject(Kind list_or_tuple, std::vector<Value> elements);
  std::vector<Value> items;
  int depth = 1;
  bool grouped = false;  // the pairs of groupby, whose members also have names
};

// One bit for a key, by its length and ends: what a dictionary's keys do not have together is not among them.
inline std::uint64_t key_mark(std::string_view key) {
  if (key.empty()) return 1;
  const auto first = static_cast<unsigned char>(key.front());
  const auto last = static_cast<unsigned char>(key.back());
  return std::uint64_t{1} << ((first * 7u + last * 3u + key.size() * 5u) & 63u);
}

// The name of a member as a template has it. The place is only where to look first, so threads may share it.
struct MemberName {
  MemberName() = default;
  explicit MemberName(std::string_view name) : bytes(name), mark(key_mark(name)) {}
  MemberName(const MemberName& other) : bytes(other.bytes), mark(other.mark) {}
  MemberName& operator=(const MemberName& other) {
    bytes = other.bytes;
    mark = other.mark;
    return *this;
  }
  std::string_view bytes;  // of a constant of the template
  std::uint64_t mark = 0;
  mutable std::atomic<std::uint32_t> place{0};
};

struct DictObject : Object {
  DictObject();
  ~DictObject();
  std::vector<std::pair<Value, Value>> items;  // in order of insertion
  int depth = 1;

  const Value* find(const Value& key) const;  // throws where the key cannot be hashed
  const Value* find(std::string_view key) const;
  // For a name that a template has: looks first where the name was the last time.
  const Value* find(const MemberName& name) const;
  // Replaces in place or appends.
  void set(Value key, Value value);
  // For keys known to be new.
  void append(Value key, Value value);
  // Makes what looking up would make, so that threads may look up together.
  void prepare() const;

 private:
  struct Index;
  const Index& index() const;
  // Where the key is; the number of items where it is not there.
  std::size_t search(std::string_view key) const;
  mutable std::unique_ptr<Index> index_;
  std::uint64_t key_marks_ = 0;  // the marks of all keys that are text
};

inline const Value* DictObject::find(const MemberName& name) const {
  if ((key_marks_ & name.mark) == 0) return nullptr;
  const std::size_t place = name.place.load(std::memory_order_relaxed);
  if (place < items.size()) {
    const auto& [key, value] = items[place];
    if (key.is_text() && same_bytes(key.as_text().bytes, name.bytes)) return &value;
  }
  const std::size_t found = search(name.bytes);
  if (found == items.size()) return nullptr;
  name.place.store(static_cast<std::uint32_t>(found), std::memory_order_relaxed);
  return &items[found].second;
}

inline SequenceObject& Value::as_sequence() const { return *static_cast<SequenceObject*>(object_); }
inline DictObject& Value::as_dict() const { return *static_cast<DictObject*>(object_); }

struct DictViewObject : Object {
  enum class Part : std::uint8_t { kKeys, kValues, kItems };
  DictViewObject(Value dictionary, Part what) : Object(Kind::kDictView), dict(std::move(dictionary)), part(what) {}
  Value dict;
  Part part;
};

struct RangeObject : Object {
  RangeObject(std::int64_t first, std::int64_t last, std::int64_t by)
      : Object(Kind::kRange), start(first), stop(last), step(by) {}
  std::int64_t start, stop, step;
  std::int64_t length() const;
};

// Elements computed ahead. Where computing one failed, that failure is thrown when it is reached, as by a
// Python generator.
struct IteratorObject : Object {
  explicit IteratorObject(std::vector<Value> elements) : Object(Kind::kIterator), items(std::move(elements)) {}
  std::vector<Value> items;
  std::size_t position = 0;
  std::unique_ptr<TemplateException> failure;
};

struct NamespaceObject : Object {
  NamespaceObject() : Object(Kind::kNamespace) {}
  DictObject attributes;
};

struct CyclerObject : Object {
  CyclerObject() : Object(Kind::kCycler) {}
  std::vector<Value> items;
  std::size_t position = 0;
};

struct JoinerObject : Object {
  explicit JoinerObject(Value text) : Object(Kind::kJoiner), separator(std::move(text)) {}
  Value separator;
  bool used = false;
};

// Goes over the elements of any iterable value.
class ValueIterator {
 public:
  // Throws where the value cannot be iterated over.
  explicit ValueIterator(Value source);
  static bool possible(const Value& value);
  // False at the end.
  bool next(Value& element);
  // How many there are in all; negative where only taking them would tell.
  std::int64_t size() const;

 private:
  Value source_;
  std::size_t position_ = 0;
};

std::vector<Value> elements_of(const Value& iterable);

// ---- What every kind of value can do (values.cpp)

bool truth(const Value& value);
bool equal(const Value& a, const Value& b);
// Of two texts.
inline bool equal_texts(const Value& a, const Value& b) {
  const std::string_view left = text_view(a);
  charge_bytes(left.size());
  return same_bytes(left, text_view(b));
}
// a < b; throws where Python has no order between them.
bool less(const Value& a, const Value& b);
// Whether Python would say `is`.
bool same(const Value& a, const Value& b);
std::size_t hash_of(const Value& value);
bool hashable(const Value& value);
// "str", "dict", …: Python's names.
std::string_view type_name(const Value& value);
// len(); throws where there is none.
std::int64_t length_of(const Value& value);
bool has_length(const Value& value);
bool is_callable(const Value& value);
// The provenance of everything inside.
Provenance overall_provenance(const Value& value);

}  // namespace atelier::prompt::jinja
