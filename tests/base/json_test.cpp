#include "base/json.h"

#include <gtest/gtest.h>

namespace atelier::json {
namespace {

std::string round_trip(std::string_view text) {
  const auto value = parse(text);
  return value ? dump(*value) : "error: " + value.error().message;
}

TEST(Json, KeepsMemberOrderThroughEdits) {
  auto value = parse(R"({"z":1,"a":2,"m":3})");
  ASSERT_TRUE(value);
  Object& object = *value->if_object();
  object.set("a", 9);
  object.erase("z");
  object.set("b", true);
  EXPECT_EQ(dump(*value), R"({"a":9,"m":3,"b":true})");
}

TEST(Json, LastDuplicateWinsAtTheFirstPlace) {
  EXPECT_EQ(round_trip(R"({"a":1,"b":2,"a":3})"), R"({"a":3,"b":2})");
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(round_trip(many + R"("k50":7})").find(R"("k50":7,"k51":0)") != std::string::npos);
}

TEST(Json, GivesNumbersBackExactly) {
  for (const char* text : {"0", "-1", "9223372036854775807", "18446744073709551615", "123456789012345678901234567890",
                           "0.7", "1.0", "1e+22", "5e-324", "-0.0", "1.7976931348623157e+308"}) {
    EXPECT_EQ(round_trip(text), text);
  }
}

TEST(Json, WritesDoublesAsPythonDoes) {
  EXPECT_EQ(python_repr(1e15), "1000000000000000.0");
  EXPECT_EQ(python_repr(1e16), "1e+16");
  EXPECT_EQ(python_repr(0.0001), "0.0001");
  EXPECT_EQ(python_repr(0.00001), "1e-05");
  EXPECT_EQ(python_repr(123456.789), "123456.789");
  EXPECT_EQ(python_repr(-2.5e-10), "-2.5e-10");
  EXPECT_EQ(python_repr(100.0), "100.0");
}

TEST(Json, ReplacesLoneSurrogates) {
  EXPECT_EQ(round_trip(R"("a\ud83db")"),
            "\"a\xEF\xBF\xBD"
            "b\"");
  EXPECT_EQ(round_trip(R"("\ude00")"), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(round_trip(R"("\ud83d\ude00")"), "\"\xF0\x9F\x98\x80\"");
  EXPECT_EQ(round_trip(R"("\\ud83d")"), R"("\\ud83d")");
}

TEST(Json, BoundsDepth) {
  EXPECT_TRUE(parse(std::string(512, '[') + std::string(512, ']')));
  const auto deep = parse(std::string(513, '[') + std::string(513, ']'));
  ASSERT_FALSE(deep);
  EXPECT_NE(deep.error().message.find("512"), std::string::npos);
}

TEST(Json, NamesThePlaceOfAnError) {
  const auto value = parse("{\"a\": 1,\n \"b\": }");
  ASSERT_FALSE(value);
  EXPECT_NE(value.error().message.find("line 2"), std::string::npos) << value.error().message;
}

TEST(Json, RefusesWhatIsNotOneDocument) {
  for (const char* text : {"", "{}x", "nul", "\"\x80\"", "[1,]", "01", "NaN"}) EXPECT_FALSE(parse(text)) << text;
}

TEST(Json, ANulByteDoesNotEndTheText) {
  using namespace std::string_view_literals;
  for (const std::string_view text : {"7\0"sv, "{}\0x"sv, "[1\0]"sv, "\"a\0b\""sv, "\0"sv})
    EXPECT_FALSE(parse(text).has_value());
}

TEST(Json, LaysOutLikePythonWithAnIndent) {
  const auto value = parse(R"({"a":[1,{}],"b":[]})");
  EXPECT_EQ(dump(*value, {.indent = 2, .item_separator = ", ", .key_separator = ": "}),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
  EXPECT_EQ(dump(*value, {.item_separator = ", ", .key_separator = ": "}), R"({"a": [1, {}], "b": []})");
}

TEST(Json, EscapesOutsideAsciiWhenAsked) {
  EXPECT_EQ(dump(Value("é😀\x01"), {.ensure_ascii = true}), R"("\u00e9\ud83d\ude00\u0001")");
  EXPECT_EQ(dump(Value("é😀")), "\"é😀\"");
}

}  // namespace
}  // namespace atelier::json
