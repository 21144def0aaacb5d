#include "models/gguf.h"

#include <fmt/core.h>
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "base/utf8.h"
#include "models/gguf_types.h"

namespace atelier::models {
namespace {

static_assert(std::endian::native == std::endian::little || std::endian::native == std::endian::big);

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr std::size_t kMaxDimensions = 4;
constexpr std::uint64_t kMaxTensorName = 63;  // ggml keeps 64 bytes with the closing zero
constexpr std::uint64_t kMaxAlignment = 1 << 20;

// Bytes of a name as they may appear in a message.
std::string shown(std::string_view text) {
  std::string safe = utf8::repair(text.substr(0, 80));
  for (char& c : safe) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  if (text.size() > 80) safe += "...";
  return safe;
}

template <class T>
T from_little_endian(const char* bytes) {
  std::array<unsigned char, sizeof(T)> raw;
  std::memcpy(raw.data(), bytes, sizeof(T));
  if constexpr (std::endian::native == std::endian::big) std::reverse(raw.begin(), raw.end());
  return std::bit_cast<T>(raw);
}

// Bytes of a fixed-size value type; 0 for strings, arrays and unknown numbers.
std::uint64_t size_of(GgufType type) {
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kInt8:
    case GgufType::kBool: return 1;
    case GgufType::kUint16:
    case GgufType::kInt16: return 2;
    case GgufType::kUint32:
    case GgufType::kInt32:
    case GgufType::kFloat32: return 4;
    case GgufType::kUint64:
    case GgufType::kInt64:
    case GgufType::kFloat64: return 8;
    case GgufType::kString:
    case GgufType::kArray: return 0;
  }
  return 0;
}

double number_of(const GgufValue& value) {
  if (const auto* u = std::get_if<std::uint64_t>(&value.data)) return static_cast<double>(*u);
  if (const auto* i = std::get_if<std::int64_t>(&value.data)) return static_cast<double>(*i);
  if (const auto* b = std::get_if<bool>(&value.data)) return *b ? 1 : 0;
  if (const auto* d = std::get_if<double>(&value.data)) return *d;
  return 0;
}

// Reads forward through a buffer. The first failure stays: later reads fail too, so that callers may check
// once after several reads.
class Cursor {
 public:
  Cursor(const ByteSource& source, std::uint64_t at, std::uint64_t most) : source_(source), at_(at), most_(most) {}

  std::uint64_t at() const { return at_; }
  std::uint64_t left() const { return source_.size() - std::min(at_, source_.size()); }
  bool failed() const { return error_.has_value(); }
  std::unexpected<Error> failure() const { return std::unexpected(*error_); }

  void fail_at(std::uint64_t offset, std::string message) {
    if (!error_) error_ = Error{ErrorCode::kCorrupt, fmt::format("{} (at byte {})", message, offset), {}};
  }

  // `what` is what the bytes should have been, for the message.
  bool bytes(char* out, std::uint64_t size, std::string_view what) {
    if (!may_read(size, what)) return false;
    while (size > 0) {
      if (at_ < buffer_at_ || at_ >= buffer_at_ + buffer_.size()) {
        if (!refill()) return false;
      }
      const auto offset = static_cast<std::size_t>(at_ - buffer_at_);
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(size, buffer_.size() - offset));
      std::memcpy(out, buffer_.data() + offset, count);
      out += count;
      at_ += count;
      size -= count;
    }
    return true;
  }

  template <class T>
  T value(std::string_view what) {
    std::array<char, sizeof(T)> raw{};
    return bytes(raw.data(), raw.size(), what) ? from_little_endian<T>(raw.data()) : T{};
  }

  bool skip(std::uint64_t size, std::string_view what) {
    if (!may_read(size, what)) return false;
    at_ += size;
    return true;
  }

  std::string text(std::uint64_t limit, std::string_view what) {
    const std::uint64_t begin = at_;
    const auto length = value<std::uint64_t>(what);
    if (failed()) return {};
    if (length > limit) {
      fail_at(begin, fmt::format("{} has a length of {}, more than the {} that are allowed", what, length, limit));
      return {};
    }
    if (length > left()) {
      skip(length, what);  // fails, with the message
      return {};
    }
    std::string out(static_cast<std::size_t>(length), '\0');
    bytes(out.data(), length, what);
    return out;
  }

 private:
  bool may_read(std::uint64_t size, std::string_view what) {
    if (failed()) return false;
    if (size > left()) {
      fail_at(at_, fmt::format("the file ends inside {}: {} bytes expected, {} left; it is truncated or damaged, "
                               "download it again",
                               what, size, left()));
    } else if (at_ + size > most_) {
      fail_at(at_, fmt::format("{} lies beyond the first {} bytes, where the metadata must end", what, most_));
    }
    return !failed();
  }

  bool refill() {
    buffer_.resize(kBufferBytes);
    const auto got = source_.read_at(at_, buffer_.data(), buffer_.size());
    if (!got || *got == 0) {
      buffer_.clear();
      if (got) {
        fail_at(at_, "the file became shorter while it was read");
      } else {
        error_ = got.error();
      }
      return false;
    }
    buffer_.resize(*got);
    buffer_at_ = at_;
    return true;
  }

  const ByteSource& source_;
  std::uint64_t at_;
  std::uint64_t most_;  // offset that no read may pass
  std::vector<char> buffer_;
  std::uint64_t buffer_at_ = 0;
  std::optional<Error> error_;
};

// The value of a fixed-size type.
GgufValue scalar(Cursor& in, GgufType type, std::string_view what) {
  GgufValue value{type, std::uint64_t{0}};
  switch (type) {
    case GgufType::kUint8: value.data = std::uint64_t{in.value<std::uint8_t>(what)}; break;
    case GgufType::kUint16: value.data = std::uint64_t{in.value<std::uint16_t>(what)}; break;
    case GgufType::kUint32: value.data = std::uint64_t{in.value<std::uint32_t>(what)}; break;
    case GgufType::kUint64: value.data = in.value<std::uint64_t>(what); break;
    case GgufType::kInt8: value.data = std::int64_t{in.value<std::int8_t>(what)}; break;
    case GgufType::kInt16: value.data = std::int64_t{in.value<std::int16_t>(what)}; break;
    case GgufType::kInt32: value.data = std::int64_t{in.value<std::int32_t>(what)}; break;
    case GgufType::kInt64: value.data = in.value<std::int64_t>(what); break;
    case GgufType::kFloat32: value.data = static_cast<double>(in.value<float>(what)); break;
    case GgufType::kFloat64: value.data = in.value<double>(what); break;
    case GgufType::kBool: value.data = in.value<std::uint8_t>(what) != 0; break;
    case GgufType::kString:
    case GgufType::kArray: break;
  }
  return value;
}

}  // namespace

class GgufParser {
 public:
  GgufParser(const ByteSource& source, const GgufLimits& limits)
      : source_(source), limits_(limits), in_(source, 0, limits.metadata_bytes), kept_left_(limits.kept_bytes) {}

  Result<Gguf> run() {
    if (!header() || !pairs() || !tensors() || !data_section()) return in_.failure();
    return std::move(out_);
  }

 private:
  bool header();
  bool pairs();
  bool tensors();
  bool tensor(std::set<std::string, std::less<>>& names);
  bool data_section();
  GgufValue value(const std::string& key);
  GgufValue array(const std::string& key);
  void keep_elements(GgufArray& array, const std::string& what);
  // A string that is kept, charged to the budget.
  std::string kept_text(const std::string& what, std::uint64_t most);

  const ByteSource& source_;
  const GgufLimits& limits_;
  Cursor in_;
  Gguf out_;
  std::uint64_t kept_left_;
  std::uint64_t pair_total_ = 0;
  std::uint64_t tensor_total_ = 0;
  std::uint64_t next_offset_ = 0;  // where the next tensor's data must begin
};

bool GgufParser::header() {
  if (source_.size() == 0) {
    in_.fail_at(0, "the file is empty: 'GGUF' expected; download it again");
    return false;
  }
  std::array<char, 4> magic{};
  if (!in_.bytes(magic.data(), magic.size(), "the magic number 'GGUF'")) return false;
  if (std::string_view(magic.data(), 4) != "GGUF") {
    in_.fail_at(0, fmt::format("this is not a GGUF file: 'GGUF' expected, {:02x} {:02x} {:02x} {:02x} found",
                               static_cast<unsigned char>(magic[0]), static_cast<unsigned char>(magic[1]),
                               static_cast<unsigned char>(magic[2]), static_cast<unsigned char>(magic[3])));
    return false;
  }
  out_.version_ = in_.value<std::uint32_t>("the version");
  if (in_.failed()) return false;
  if (out_.version_ != 0 && (out_.version_ & 0xffff) == 0) {
    in_.fail_at(4,
                "the file is big endian, and only little-endian files are read; convert it with llama.cpp's "
                "gguf_convert_endian.py");
    return false;
  }
  if (out_.version_ != 2 && out_.version_ != 3) {
    in_.fail_at(4, fmt::format("GGUF version 2 or 3 expected, {} found{}", out_.version_,
                               out_.version_ == 1 ? "; convert the model again with a current llama.cpp" : ""));
    return false;
  }
  tensor_total_ = in_.value<std::uint64_t>("the number of tensors");
  pair_total_ = in_.value<std::uint64_t>("the number of metadata pairs");
  if (in_.failed()) return false;
  if (tensor_total_ > limits_.tensors) {
    in_.fail_at(8, fmt::format("{} tensors announced, at most {} expected", tensor_total_, limits_.tensors));
  } else if (pair_total_ > limits_.pairs) {
    in_.fail_at(16, fmt::format("{} metadata pairs announced, at most {} expected", pair_total_, limits_.pairs));
  }
  return !in_.failed();
}

bool GgufParser::pairs() {
  for (std::uint64_t i = 0; i < pair_total_; ++i) {
    const std::uint64_t begin = in_.at();
    std::string key = kept_text(fmt::format("metadata key {} of {}", i + 1, pair_total_), limits_.key_bytes);
    if (!in_.failed() && key.empty()) in_.fail_at(begin, fmt::format("metadata key {} is empty", i + 1));
    if (in_.failed()) return false;
    GgufValue found = value(key);
    if (in_.failed()) return false;
    out_.pairs_.emplace_back(std::move(key), std::move(found));
  }
  auto& order = out_.by_key_;
  order.resize(out_.pairs_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return out_.pairs_[a].first < out_.pairs_[b].first; });
  const auto twice = std::adjacent_find(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return out_.pairs_[a].first == out_.pairs_[b].first;
  });
  if (twice != order.end()) {
    in_.fail_at(24, fmt::format("the metadata key '{}' is there twice", shown(out_.pairs_[*twice].first)));
    return false;
  }
  if (const GgufValue* alignment = out_.find("general.alignment")) {
    const auto* number = std::get_if<std::uint64_t>(&alignment->data);
    if (number == nullptr || alignment->type != GgufType::kUint32 || !std::has_single_bit(*number) ||
        *number > kMaxAlignment) {
      in_.fail_at(in_.at(), "general.alignment must be a power of two as a 32-bit number");
      return false;
    }
    out_.alignment_ = *number;
  }
  return true;
}

std::string GgufParser::kept_text(const std::string& what, std::uint64_t most) {
  std::string text = in_.text(std::min(most, kept_left_), what);
  kept_left_ -= std::min<std::uint64_t>(kept_left_, text.size());
  return text;
}

GgufValue GgufParser::value(const std::string& key) {
  const std::uint64_t begin = in_.at();
  const auto number = in_.value<std::uint32_t>("the type of '" + shown(key) + "'");
  if (in_.failed()) return {};
  if (number > static_cast<std::uint32_t>(GgufType::kFloat64)) {
    in_.fail_at(begin, fmt::format("'{}' has the unknown type {}; 0 to 12 expected", shown(key), number));
    return {};
  }
  const auto type = static_cast<GgufType>(number);
  const std::string what = "'" + shown(key) + "'";
  if (type == GgufType::kString) return {type, kept_text(what, limits_.string_bytes)};
  if (type == GgufType::kArray) return array(key);
  return scalar(in_, type, what);
}

GgufValue GgufParser::array(const std::string& key) {
  const std::string what = "'" + shown(key) + "'";
  const std::uint64_t begin = in_.at();
  const auto number = in_.value<std::uint32_t>("the element type of " + what);
  GgufArray array;
  array.count = in_.value<std::uint64_t>("the element count of " + what);
  array.offset = in_.at();
  if (in_.failed()) return {};
  if (number > static_cast<std::uint32_t>(GgufType::kFloat64) ||
      number == static_cast<std::uint32_t>(GgufType::kArray)) {
    in_.fail_at(begin, fmt::format("the array {} has elements of type {}; a number, boolean or string type expected",
                                   what, number));
    return {};
  }
  array.element_type = static_cast<GgufType>(number);
  const bool strings = array.element_type == GgufType::kString;
  const std::uint64_t least = strings ? 8 : size_of(array.element_type);
  if (array.count > limits_.array_elements) {
    in_.fail_at(begin + 4, fmt::format("the array {} announces {} elements, at most {} expected", what, array.count,
                                       limits_.array_elements));
    return {};
  }
  // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): every type that is left has a size.
  if (array.count > in_.left() / least) {
    in_.fail_at(begin + 4, fmt::format("the array {} announces {} elements, and the file ends before them; it is "
                                       "truncated or damaged, download it again",
                                       what, array.count));
    return {};
  }
  const std::uint64_t held = array.count * (strings ? sizeof(std::string) : sizeof(double));
  if (array.count <= limits_.kept_elements && held <= kept_left_) {
    kept_left_ -= held;
    keep_elements(array, what);
  } else if (strings) {
    const std::string element = "an element of " + what;
    for (std::uint64_t i = 0; i < array.count && !in_.failed(); ++i) {
      in_.skip(in_.value<std::uint64_t>(element), element);
    }
  } else {
    in_.skip(array.count * least, what);
  }
  array.bytes = in_.at() - array.offset;
  return {GgufType::kArray, std::move(array)};
}

void GgufParser::keep_elements(GgufArray& array, const std::string& what) {
  array.kept = true;
  for (std::uint64_t i = 0; i < array.count && !in_.failed(); ++i) {
    if (array.element_type == GgufType::kString) {
      array.strings.push_back(kept_text(what, limits_.string_bytes));
    } else {
      array.numbers.push_back(number_of(scalar(in_, array.element_type, what)));
    }
  }
}

bool GgufParser::tensors() {
  std::set<std::string, std::less<>> names;
  for (std::uint64_t i = 0; i < tensor_total_; ++i) {
    if (!tensor(names)) return false;
  }
  return true;
}

bool GgufParser::tensor(std::set<std::string, std::less<>>& names) {
  const std::uint64_t begin = in_.at();
  GgufTensor tensor;
  tensor.name =
      in_.text(kMaxTensorName, fmt::format("the name of tensor {} of {}", out_.tensors_.size() + 1, tensor_total_));
  const std::string what = "tensor '" + shown(tensor.name) + "'";
  const auto rank = in_.value<std::uint32_t>(what);
  if (in_.failed()) return false;
  if (rank > kMaxDimensions) {
    in_.fail_at(begin, fmt::format("{} has {} dimensions, at most {} expected", what, rank, kMaxDimensions));
    return false;
  }
  tensor.elements = 1;
  for (std::uint32_t i = 0; i < rank; ++i) {
    const auto extent = in_.value<std::uint64_t>(what);
    if (in_.failed()) return false;
    // Signed 64 bits in ggml, and the product of all of them too.
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (extent > kMost || (extent > 0 && tensor.elements > kMost / extent)) {
      in_.fail_at(begin, what + " has more elements than 63 bits can count");
      return false;
    }
    tensor.elements *= extent;
    tensor.dimensions.push_back(extent);
  }
  tensor.type = in_.value<std::uint32_t>(what);
  tensor.offset = in_.value<std::uint64_t>(what);
  if (in_.failed()) return false;
  const TensorType* type = tensor_type(tensor.type);
  if (type == nullptr) {
    in_.fail_at(begin, fmt::format("{} has the type {}, which this version does not know", what, tensor.type));
    return false;
  }
  const std::uint64_t row = tensor.dimensions.empty() ? 1 : tensor.dimensions.front();
  if (row % type->block_elements != 0) {
    in_.fail_at(begin, fmt::format("{} has rows of {} elements, a multiple of {} expected for {}", what, row,
                                   type->block_elements, type->name));
    return false;
  }
  const std::uint64_t blocks = tensor.elements / type->block_elements;
  if (blocks > source_.size() / type->block_bytes) {
    in_.fail_at(begin, fmt::format("{} has {} blocks of {} bytes, more than the file's {} bytes; it is truncated or "
                                   "damaged, download it again",
                                   what, blocks, type->block_bytes, source_.size()));
    return false;
  }
  tensor.bytes = blocks * type->block_bytes;
  // Tensors lie one after the other in the order of their descriptions, each at a multiple of the alignment.
  if (tensor.offset != next_offset_) {
    in_.fail_at(begin, fmt::format("the data of {} begins at {}, {} expected", what, tensor.offset, next_offset_));
    return false;
  }
  // At most 131,072 tensors of at most the file's size: this does not wrap for any file that can be.
  next_offset_ += (tensor.bytes + out_.alignment_ - 1) / out_.alignment_ * out_.alignment_;
  if (!names.insert(tensor.name).second) {
    in_.fail_at(begin, what + " is there twice");
    return false;
  }
  out_.tensors_.push_back(std::move(tensor));
  return true;
}

// The data begins at the next multiple of the alignment, and every tensor must lie inside the file.
bool GgufParser::data_section() {
  const std::uint64_t end = in_.at();
  const std::uint64_t padding = (out_.alignment_ - end % out_.alignment_) % out_.alignment_;
  out_.data_offset_ = end + padding;
  for (const GgufTensor& tensor : out_.tensors_) {
    const std::uint64_t size = source_.size();
    if (out_.data_offset_ > size || tensor.offset > size - out_.data_offset_ ||
        tensor.bytes > size - out_.data_offset_ - tensor.offset) {
      in_.fail_at(size, fmt::format("the file ends before the data of tensor '{}' ({} bytes from {} on); it is "
                                    "truncated, download it again",
                                    shown(tensor.name), tensor.bytes,
                                    out_.data_offset_ + std::min(tensor.offset, ~out_.data_offset_)));
      return false;
    }
  }
  return true;
}

Result<std::size_t> MemorySource::read_at(std::uint64_t offset, char* data, std::size_t size) const {
  if (offset >= bytes_.size()) return 0;
  return bytes_.copy(data, size, static_cast<std::size_t>(offset));
}

std::string_view to_string(GgufType type) {
  constexpr std::array<std::string_view, 13> kNames = {"uint8",  "int8",    "uint16", "int16",  "uint32",
                                                       "int32",  "float32", "bool",   "string", "array",
                                                       "uint64", "int64",   "float64"};
  const auto index = static_cast<std::size_t>(type);
  return index < kNames.size() ? kNames[index] : std::string_view("unknown");
}

Result<Gguf> Gguf::read(const ByteSource& source, const GgufLimits& limits) { return GgufParser(source, limits).run(); }

const GgufValue* Gguf::find(std::string_view key) const {
  const auto at =
      std::lower_bound(by_key_.begin(), by_key_.end(), key,
                       [&](std::size_t index, std::string_view wanted) { return pairs_[index].first < wanted; });
  if (at == by_key_.end() || pairs_[*at].first != key) return nullptr;
  return &pairs_[*at].second;
}

std::optional<std::uint64_t> Gguf::unsigned_integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<std::uint64_t>(&value->data)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&value->data); number != nullptr && *number >= 0) {
    return static_cast<std::uint64_t>(*number);
  }
  return std::nullopt;
}

std::optional<double> Gguf::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr || value->type == GgufType::kString || value->type == GgufType::kArray ||
      value->type == GgufType::kBool) {
    return std::nullopt;
  }
  return number_of(*value);
}

std::optional<bool> Gguf::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  const bool* found = value == nullptr ? nullptr : std::get_if<bool>(&value->data);
  return found == nullptr ? std::nullopt : std::optional<bool>(*found);
}

const std::string* Gguf::string(std::string_view key) const {
  const GgufValue* value = find(key);
  return value == nullptr ? nullptr : std::get_if<std::string>(&value->data);
}

const GgufArray* Gguf::array(std::string_view key) const {
  const GgufValue* value = find(key);
  return value == nullptr ? nullptr : std::get_if<GgufArray>(&value->data);
}

std::uint64_t Gguf::parameter_count() const {
  // A type has at least an eighth of a byte an element, and all elements lie in the file: no overflow.
  std::uint64_t total = 0;
  for (const GgufTensor& tensor : tensors_) total += tensor.elements;
  return total;
}

std::uint64_t Gguf::tensor_bytes() const {
  std::uint64_t total = 0;
  for (const GgufTensor& tensor : tensors_) total += tensor.bytes;
  return total;
}

std::optional<std::uint32_t> Gguf::dominant_type() const {
  const bool has_matrix = std::any_of(tensors_.begin(), tensors_.end(),
                                      [](const GgufTensor& tensor) { return tensor.dimensions.size() > 1; });
  std::map<std::uint32_t, std::uint64_t> bytes;
  for (const GgufTensor& tensor : tensors_) {
    if (!has_matrix || tensor.dimensions.size() > 1) bytes[tensor.type] += tensor.bytes;
  }
  const auto most =
      std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == bytes.end() ? std::nullopt : std::optional<std::uint32_t>(most->first);
}

Result<std::vector<std::string>> string_elements(const ByteSource& source, const GgufArray& array,
                                                 std::span<const std::uint64_t> indexes, const GgufLimits& limits) {
  std::vector<std::string> found(indexes.size());
  if (array.element_type != GgufType::kString) return found;
  if (array.kept) {
    for (std::size_t i = 0; i < indexes.size(); ++i) {
      if (indexes[i] < array.strings.size()) found[i] = array.strings[static_cast<std::size_t>(indexes[i])];
    }
    return found;
  }
  std::multimap<std::uint64_t, std::size_t> wanted;
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    if (indexes[i] < array.count) wanted.emplace(indexes[i], i);
  }
  Cursor in(source, array.offset, limits.metadata_bytes);
  std::uint64_t at = 0;
  for (auto next = wanted.begin(); next != wanted.end();) {
    for (; at < next->first && !in.failed(); ++at) {
      in.skip(in.value<std::uint64_t>("an array of strings"), "an array of strings");
    }
    const std::uint64_t index = next->first;
    const std::string text = in.text(limits.string_bytes, "an array of strings");
    if (in.failed()) return in.failure();
    ++at;
    for (; next != wanted.end() && next->first == index; ++next) found[next->second] = text;
  }
  return found;
}

}  // namespace atelier::models
