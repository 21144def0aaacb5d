// Reads what a GGUF file says about itself: metadata and tensor shapes, never the weights.
//
// The format is described in ggml's docs/gguf.md: a header ("GGUF", version, two counts), key-value pairs,
// tensor descriptions, padding, tensor data. Versions 2 and 3, little endian, are read; version 1 and big
// endian are refused by name. A file comes from anybody, so every count, length and offset is checked
// against the file's size and the limits below before it is used, and the reader keeps no more than the
// limits allow however large the file is: arrays beyond `kept_elements` (a vocabulary) are skipped, and can
// be looked into afterwards with string_elements(). What libllama refuses (nested arrays, duplicate keys,
// five dimensions, unknown tensor types, tensors beyond the end of the file) is refused here with the
// byte offset, what was expected and what was found.
//
// Pure functions of the bytes. A Gguf may be read by several threads; a ByteSource by one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace atelier::models {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::uint64_t size() const = 0;
  // Fewer bytes than asked for only at the end.
  virtual Result<std::size_t> read_at(std::uint64_t offset, char* data, std::size_t size) const = 0;
};

class FileSource : public ByteSource {
 public:
  explicit FileSource(const files::ReadableFile& file) : file_(file) {}
  std::uint64_t size() const override { return file_.size(); }
  Result<std::size_t> read_at(std::uint64_t offset, char* data, std::size_t size) const override {
    return file_.read_at(offset, data, size);
  }

 private:
  const files::ReadableFile& file_;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Result<std::size_t> read_at(std::uint64_t offset, char* data, std::size_t size) const override;

 private:
  std::string_view bytes_;
};

struct GgufLimits {
  std::uint64_t pairs = 65'536;
  std::uint64_t tensors = 131'072;
  std::uint64_t key_bytes = 65'535;  // the format's own bound
  std::uint64_t string_bytes = 16 * 1024 * 1024;
  std::uint64_t array_elements = 16'777'216;         // read past, not kept
  std::uint64_t kept_elements = 2'048;               // of one array
  std::uint64_t kept_bytes = 64 * 1024 * 1024;       // all keys, strings and arrays together
  std::uint64_t metadata_bytes = 512 * 1024 * 1024;  // everything before the tensor data; bounds the reading too
};

// Numbers of the format's value types.
enum class GgufType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
std::string_view to_string(GgufType type);

struct GgufArray {
  GgufType element_type = GgufType::kUint8;
  std::uint64_t count = 0;
  std::uint64_t offset = 0;  // of the first element in the file
  std::uint64_t bytes = 0;
  // Filled where the array was small enough to keep: the numbers (booleans as 0 and 1), or the strings.
  bool kept = false;
  std::vector<double> numbers;
  std::vector<std::string> strings;
};

struct GgufValue {
  GgufType type = GgufType::kUint8;
  std::variant<std::uint64_t, std::int64_t, double, bool, std::string, GgufArray> data;
};

struct GgufTensor {
  std::string name;
  std::vector<std::uint64_t> dimensions;  // fastest first; 1 to 4 (none: a scalar)
  std::uint32_t type = 0;                 // ggml_type; see tensor_type_name
  std::uint64_t offset = 0;               // from the beginning of the data section
  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;
};

// "Q4_K", "F16"; empty for numbers that ggml does not have (or has no longer).
std::string_view tensor_type_name(std::uint32_t type);
// "Q4_K_M" for the number that general.file_type holds; empty for unknown ones.
std::string_view file_type_name(std::uint64_t file_type);

class Gguf {
 public:
  // An error is kCorrupt (the bytes), or kIo (the disk).
  static Result<Gguf> read(const ByteSource& source, const GgufLimits& limits = {});

  std::uint32_t version() const { return version_; }
  std::uint64_t alignment() const { return alignment_; }
  std::uint64_t data_offset() const { return data_offset_; }

  std::size_t pair_count() const { return pairs_.size(); }
  const GgufValue* find(std::string_view key) const;
  // Values of a type; nothing where the key is absent, of another type, or does not fit.
  std::optional<std::uint64_t> unsigned_integer(std::string_view key) const;  // any integer type, not negative
  std::optional<double> number(std::string_view key) const;                   // any number type
  std::optional<bool> boolean(std::string_view key) const;
  const std::string* string(std::string_view key) const;
  const GgufArray* array(std::string_view key) const;
  // In file order, for callers that look for a family of keys.
  const std::vector<std::pair<std::string, GgufValue>>& pairs() const { return pairs_; }

  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  std::uint64_t parameter_count() const;  // elements of all tensors
  std::uint64_t tensor_bytes() const;
  // The type that most bytes of matrices have (of all tensors where there is no matrix); none without tensors.
  std::optional<std::uint32_t> dominant_type() const;

 private:
  friend class GgufParser;
  std::uint32_t version_ = 0;
  std::uint64_t alignment_ = 32;
  std::uint64_t data_offset_ = 0;
  std::vector<std::pair<std::string, GgufValue>> pairs_;
  std::vector<std::size_t> by_key_;  // indexes of pairs_, ordered by key
  std::vector<GgufTensor> tensors_;
};

// Elements of an array of strings by index, in the order asked for; an index past the end gives an empty
// string. Walks the array once without keeping the others.
Result<std::vector<std::string>> string_elements(const ByteSource& source, const GgufArray& array,
                                                 std::span<const std::uint64_t> indexes, const GgufLimits& limits = {});

}  // namespace atelier::models
