#include "runtime/engine_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/runtime/harness.h"

namespace atelier::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const EngineLog::Time kStart{std::chrono::hours(1)};

TEST(EngineLog, CutsOutputIntoLines) {
  EngineLog log("");
  log.feed("one\ntw", kStart);
  log.feed("o\r\n10 %\r20 %\r\n\nthree", kStart);
  EXPECT_THAT(log.last_lines(), ElementsAre("one", "two", "10 %", "20 %"));
  log.finish(kStart);
  EXPECT_THAT(log.last_lines(), ElementsAre("one", "two", "10 %", "20 %", "three"));
}

TEST(EngineLog, KeepsTheLastTwentyLines) {
  EngineLog log("");
  for (int i = 0; i < 100; ++i) log.feed("line " + std::to_string(i) + "\n", kStart);
  ASSERT_THAT(log.last_lines(), SizeIs(20));
  EXPECT_EQ(log.last_lines().front(), "line 80");
  EXPECT_EQ(log.last_lines().back(), "line 99");
}

TEST(EngineLog, CutsEndlessLines) {
  EngineLog log("");
  for (int i = 0; i < 1000; ++i) log.feed(std::string(1000, 'x'), kStart);
  log.feed("\nnext\n", kStart);
  log.add_line(std::string(5000, 'y'), kStart);
  ASSERT_THAT(log.last_lines(), SizeIs(3));
  EXPECT_EQ(log.last_lines()[0], std::string(EngineLog::kLineBytes, 'x') + " …");
  EXPECT_EQ(log.last_lines()[1], "next");
  EXPECT_EQ(log.last_lines()[2], std::string(EngineLog::kLineBytes, 'y') + " …");
}

TEST(EngineLog, MakesBytesPrintable) {
  EngineLog log("");
  log.feed("bad \xff and \x1b[31m red\n", kStart);
  EXPECT_THAT(log.last_lines(), ElementsAre("bad \xEF\xBF\xBD and \\x1b[31m red"));
}

TEST(EngineLog, WritesItsFile) {
  const Folder folder;
  {
    EngineLog log(folder.path() / "engine.log");
    log.feed("first\n", kStart);
  }
  {
    EngineLog log(folder.path() / "engine.log");
    log.feed("second\n", kStart);
  }
  EXPECT_THAT(lines_of(folder.read("engine.log")), ElementsAre(EndsWith(" first"), EndsWith(" second")));
}

TEST(EngineLog, LeavesOutWhatComesTooFastAndSaysSo) {
  const Folder folder;
  EngineLog log(folder.path() / "engine.log");
  for (int i = 0; i < 10'000; ++i) log.feed("spam\n", kStart);
  EXPECT_THAT(lines_of(folder.read("engine.log")), SizeIs(static_cast<std::size_t>(EngineLog::kBurstLines)));
  log.feed("after a second\n", kStart + std::chrono::seconds(1));
  const auto lines = lines_of(folder.read("engine.log"));
  EXPECT_THAT(lines.at(lines.size() - 2), HasSubstr("(8000 lines were left out"));
  EXPECT_THAT(lines.back(), EndsWith("after a second"));
  EXPECT_EQ(log.last_lines().back(), "after a second");
}

TEST(EngineLog, RotatesItsFile) {
  const Folder folder;
  EngineLog log(folder.path() / "engine.log");
  // 12 MiB, slowly.
  for (int i = 0; i < 6500; ++i) log.add_line(std::string(1990, 'x'), kStart + std::chrono::seconds(i));
  const auto size = [&](const char* name) { return std::filesystem::file_size(folder.path() / name); };
  EXPECT_LE(size("engine.log"), EngineLog::kFileBytes + 4096);
  EXPECT_LE(size("engine.log.1"), EngineLog::kFileBytes + 4096);
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  EXPECT_EQ(files, 2);
}

TEST(EngineLog, AFileThatCannotBeWrittenIsNoHarm) {
  EngineLog log("/dev/null/engine.log");
  log.feed("line\n", kStart);
  EXPECT_THAT(log.last_lines(), ElementsAre("line"));
}

}  // namespace
}  // namespace atelier::runtime
