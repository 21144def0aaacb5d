#include "models/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

#include "tests/base/temporary_folder.h"
#include "tests/models/gguf_builder.h"

namespace atelier::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<Gguf> read(std::string_view bytes, const GgufLimits& limits = {}) {
  return Gguf::read(MemorySource(bytes), limits);
}

std::string error_of(std::string_view bytes, const GgufLimits& limits = {}) {
  const auto file = read(bytes, limits);
  if (file) return "no error";
  EXPECT_EQ(file.error().code, ErrorCode::kCorrupt);
  return file.error().message;
}

TEST(Gguf, ReadsValuesOfEveryType) {
  GgufBuilder builder;
  builder.pair("u8", 0, "\xfe")
      .pair("i8", 1, "\xfe")
      .u16("u16", 65535)
      .pair("i16", 3, GgufBuilder::raw<std::int16_t>(-2));
  builder.u32("u32", 4'000'000'000).i32("i32", -7).f32("f32", 0.5F).boolean("bool", true).text("text", "héllo");
  builder.u64("u64", 1ull << 63).pair("i64", 11, GgufBuilder::raw<std::int64_t>(-(1ll << 62)));
  builder.pair("f64", 12, GgufBuilder::raw(0.1)).i32s("list", {1, -2, 3}).texts("words", {"a", "", "bc"});
  const std::string bytes = builder.build();
  const auto file = read(bytes);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->pair_count(), 14u);
  EXPECT_EQ(file->unsigned_integer("u8"), 254u);
  EXPECT_EQ(file->number("i8"), -2.0);
  EXPECT_EQ(file->unsigned_integer("i8"), std::nullopt);
  EXPECT_EQ(file->unsigned_integer("u16"), 65535u);
  EXPECT_EQ(file->number("i16"), -2.0);
  EXPECT_EQ(file->unsigned_integer("u32"), 4'000'000'000u);
  EXPECT_EQ(file->number("i32"), -7.0);
  EXPECT_EQ(file->number("f32"), 0.5);
  EXPECT_EQ(file->boolean("bool"), true);
  EXPECT_EQ(*file->string("text"), "héllo");
  EXPECT_EQ(file->unsigned_integer("u64"), 1ull << 63);
  EXPECT_EQ(file->number("i64"), -static_cast<double>(1ll << 62));
  EXPECT_EQ(file->number("f64"), 0.1);
  EXPECT_THAT(file->array("list")->numbers, ElementsAre(1, -2, 3));
  EXPECT_THAT(file->array("words")->strings, ElementsAre("a", "", "bc"));
  EXPECT_EQ(file->find("absent"), nullptr);
  EXPECT_EQ(file->string("u32"), nullptr);
  EXPECT_EQ(file->number("text"), std::nullopt);
}

TEST(Gguf, ReadsTensors) {
  GgufBuilder builder;
  builder.tensor("a", {256, 3}, 12, 256, 144).tensor("b", {5}, 0).tensor("scalar", {}, 1, 1, 2);
  const std::string bytes = builder.build();
  const auto file = read(bytes);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->tensors()[0].bytes, 3 * 144u);
  EXPECT_THAT(file->tensors()[0].dimensions, ElementsAre(256, 3));
  EXPECT_EQ(tensor_type_name(file->tensors()[0].type), "Q4_K");
  EXPECT_EQ(file->tensors()[1].offset, 448u);
  EXPECT_EQ(file->tensors()[2].elements, 1u);
  EXPECT_EQ(file->parameter_count(), 256 * 3 + 5 + 1u);
  EXPECT_EQ(file->dominant_type(), 12u);
  EXPECT_EQ(file->data_offset() % 32, 0u);
}

TEST(Gguf, TakesTheAlignmentThatTheFileSets) {
  GgufBuilder builder;
  builder.alignment = 64;
  builder.u32("general.alignment", 64).tensor("a", {3}).tensor("b", {3});
  const std::string bytes = builder.build();
  const auto file = read(bytes);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->data_offset() % 64, 0u);
  EXPECT_EQ(file->tensors()[1].offset, 64u);
  GgufBuilder odd;
  odd.u32("general.alignment", 24);
  EXPECT_THAT(error_of(odd.build()), HasSubstr("power of two"));
}

TEST(Gguf, ReadsVersionTwo) {
  GgufBuilder builder;
  builder.version = 2;
  builder.u32("x", 1);
  EXPECT_TRUE(read(builder.build()));
}

TEST(Gguf, SaysWhatIsWrongWithTheHeader) {
  EXPECT_THAT(error_of(""), HasSubstr("the file is empty"));
  EXPECT_THAT(error_of("GG"), HasSubstr("the file ends inside the magic number"));
  EXPECT_THAT(error_of("PK\x03\x04 and so on, much longer than a header"),
              HasSubstr("'GGUF' expected, 50 4b 03 04 found (at byte 0)"));
  GgufBuilder old;
  old.version = 1;
  EXPECT_THAT(error_of(old.build()), HasSubstr("version 2 or 3 expected, 1 found; convert"));
  GgufBuilder next;
  next.version = 4;
  EXPECT_THAT(error_of(next.build()), HasSubstr("4 found (at byte 4)"));
  GgufBuilder swapped;
  swapped.version = 0x03000000;
  EXPECT_THAT(error_of(swapped.build()), HasSubstr("big endian"));
}

TEST(Gguf, BoundsEveryCount) {
  const auto header = [](std::uint64_t tensors, std::uint64_t pairs) {
    return "GGUF" + GgufBuilder::raw<std::uint32_t>(3) + GgufBuilder::raw(tensors) + GgufBuilder::raw(pairs);
  };
  EXPECT_THAT(error_of(header(~0ull, 0)), HasSubstr("tensors announced"));
  EXPECT_THAT(error_of(header(0, ~0ull)), HasSubstr("metadata pairs announced"));
  EXPECT_THAT(error_of(header(0, 1) + GgufBuilder::raw(~0ull)), HasSubstr("metadata key 1 of 1 has a length of"));
  EXPECT_THAT(error_of(header(0, 1) + GgufBuilder::raw<std::uint64_t>(60'000) + "x"),
              HasSubstr("the file ends inside"));
  GgufBuilder array;
  array.pair("list", 9, GgufBuilder::raw<std::uint32_t>(4) + GgufBuilder::raw<std::uint64_t>(1'000'000));
  EXPECT_THAT(error_of(array.build()), HasSubstr("announces 1000000 elements, and the file ends before"));
  GgufBuilder larger;
  larger.pair("list", 9, GgufBuilder::raw<std::uint32_t>(4) + GgufBuilder::raw(~0ull));
  EXPECT_THAT(error_of(larger.build()), HasSubstr("at most 16777216 expected"));
  GgufBuilder text;
  text.pair("text", 8, GgufBuilder::raw<std::uint64_t>(1ull << 40));
  EXPECT_THAT(error_of(text.build()), HasSubstr("'text' has a length of 1099511627776"));
}

TEST(Gguf, RefusesWhatNoLibraryLoads) {
  EXPECT_THAT(error_of(GgufBuilder().pair("x", 13, "").build()), HasSubstr("the unknown type 13"));
  GgufBuilder nested;
  nested.pair("x", 9, GgufBuilder::raw<std::uint32_t>(9) + GgufBuilder::raw<std::uint64_t>(0));
  EXPECT_THAT(error_of(nested.build()), HasSubstr("elements of type 9"));
  EXPECT_THAT(error_of(GgufBuilder().u32("x", 1).u32("y", 2).u32("x", 1).build()), HasSubstr("'x' is there twice"));
  EXPECT_THAT(error_of(GgufBuilder().text("", "").build()), HasSubstr("metadata key 1 is empty"));
  EXPECT_THAT(error_of(GgufBuilder().tensor("a", {1}).tensor("a", {1}).build()),
              HasSubstr("tensor 'a' is there twice"));
  EXPECT_THAT(error_of(GgufBuilder().tensor("a", {1, 1, 1, 1, 1}).build()), HasSubstr("5 dimensions"));
  EXPECT_THAT(error_of(GgufBuilder().tensor("a", {1}, 4).build()),
              HasSubstr("type 4, which this version does not know"));
  EXPECT_THAT(error_of(GgufBuilder().tensor("a", {30}, 8, 1, 1).build()),
              HasSubstr("multiple of 32 expected for Q8_0"));
  EXPECT_THAT(error_of(GgufBuilder().tensor(std::string(64, 'n'), {1}).build()), HasSubstr("length of 64"));
  std::string shifted = GgufBuilder().tensor("a", {1}).tensor("b", {1}).build();
  const std::size_t second = shifted.rfind('b', shifted.size() - 64);
  shifted[second + 1 + 4 + 8 + 4] = 64;  // after the rank, one dimension and the type
  EXPECT_THAT(error_of(shifted), HasSubstr("the data of tensor 'b' begins at 64, 32 expected"));
  GgufBuilder huge;
  huge.tensor("a", {1ull << 40, 1ull << 40}, 0, 1ull << 62, 1);
  EXPECT_THAT(error_of(huge.build()), HasSubstr("more elements than 63 bits"));
  GgufBuilder larger_than_file;
  larger_than_file.tensor("a", {1'000'000}, 0, 1'000'000, 4);
  EXPECT_THAT(error_of(larger_than_file.build()), HasSubstr("more than the file's"));
}

TEST(Gguf, SaysThatTensorDataIsCutOff) {
  const std::string bytes = GgufBuilder().tensor("first", {8}).tensor("last", {8}).build();
  const std::string message = error_of(bytes.substr(0, bytes.size() - 1));
  EXPECT_THAT(message, HasSubstr("the file ends before the data of tensor 'last' (32 bytes from"));
  EXPECT_THAT(message, HasSubstr("truncated, download it again"));
}

TEST(Gguf, ATruncatedFileIsAnErrorAtEveryLength) {
  const std::string bytes = llama_model().build();
  ASSERT_TRUE(read(bytes));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto file = read(std::string_view(bytes).substr(0, length));
    ASSERT_FALSE(file) << "length " << length;
    EXPECT_FALSE(file.error().message.empty());
  }
}

TEST(Gguf, AnyChangedByteGivesAnErrorOrAnAnswerWithinTheFile) {
  const std::string bytes = llama_model().build();
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = bytes;
    for (int edit = 0; edit < 1 + round % 4; ++edit) {
      changed[random() % 700] = static_cast<char>(round % 3 == 0 ? 0xff : random());
    }
    const auto file = read(changed);
    if (!file) {
      ++refused;
      continue;
    }
    for (const auto& tensor : file->tensors()) {
      EXPECT_LE(file->data_offset() + tensor.offset + tensor.bytes, changed.size());
    }
  }
  EXPECT_GT(refused, 1'000);
}

TEST(Gguf, SkipsLargeArraysAndFindsTheirElements) {
  std::vector<std::string> words;
  for (int i = 0; i < 50'000; ++i) words.push_back("token" + std::to_string(i));
  GgufBuilder builder;
  builder.texts("words", words).i32s("numbers", std::vector<std::int32_t>(10'000, 5)).u32("after", 9);
  const std::string bytes = builder.build();
  const auto file = read(bytes);
  ASSERT_TRUE(file) << file.error().message;
  const GgufArray* array = file->array("words");
  EXPECT_FALSE(array->kept);
  EXPECT_TRUE(array->strings.empty());
  EXPECT_EQ(array->count, 50'000u);
  EXPECT_EQ(file->array("numbers")->bytes, 40'000u);
  EXPECT_EQ(file->unsigned_integer("after"), 9u);
  const std::vector<std::uint64_t> indexes = {49'999, 0, 31'415, 0, 50'000};
  const auto found = string_elements(MemorySource(bytes), *array, indexes);
  ASSERT_TRUE(found);
  EXPECT_THAT(*found, ElementsAre("token49999", "token0", "token31415", "token0", ""));
}

TEST(Gguf, KeepsNoMoreThanItsBudget) {
  GgufBuilder builder;
  for (int i = 0; i < 10; ++i) builder.text("key" + std::to_string(i), std::string(100, 'x'));
  GgufLimits limits;
  limits.kept_bytes = 500;
  EXPECT_THAT(error_of(builder.build(), limits), HasSubstr("that are allowed"));
  limits.kept_bytes = 5'000;
  EXPECT_TRUE(read(builder.build(), limits));
  limits.metadata_bytes = 600;
  EXPECT_THAT(error_of(builder.build(), limits), HasSubstr("where the metadata must end"));
}

TEST(Gguf, ReadsFilesAsItReadsMemory) {
  const TemporaryFolder folder;
  const auto path = folder.write("model.gguf", llama_model(15, "Llama").build());
  const auto open = files::ReadableFile::open(path);
  ASSERT_TRUE(open);
  const auto file = Gguf::read(FileSource(*open));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(*file->string("general.name"), "Llama");
}

TEST(Gguf, NamesTypes) {
  EXPECT_EQ(tensor_type_name(0), "F32");
  EXPECT_EQ(tensor_type_name(14), "Q6_K");
  EXPECT_EQ(tensor_type_name(30), "BF16");
  EXPECT_EQ(tensor_type_name(39), "MXFP4");
  EXPECT_EQ(tensor_type_name(42), "Q2_0");
  EXPECT_EQ(tensor_type_name(4), "");
  EXPECT_EQ(tensor_type_name(1000), "");
  EXPECT_EQ(file_type_name(0), "F32");
  EXPECT_EQ(file_type_name(7), "Q8_0");
  EXPECT_EQ(file_type_name(15), "Q4_K_M");
  EXPECT_EQ(file_type_name(18), "Q6_K");
  EXPECT_EQ(file_type_name(25), "IQ4_NL");
  EXPECT_EQ(file_type_name(32), "BF16");
  EXPECT_EQ(file_type_name(38), "MXFP4");
  EXPECT_EQ(file_type_name(1024 + 15), "Q4_K_M");
  EXPECT_EQ(file_type_name(99), "");
}

}  // namespace
}  // namespace atelier::models
