#include "base/log.h"

#include <stdlib.h>

#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atelier::log {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

// The log of the test that owns it; the terminal again afterwards.
class LogFile {
 public:
  explicit LogFile(Level level) {
    std::string name = (fs::temp_directory_path() / "atelier-log-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    const auto started = init({level, false, folder_, 3});
    EXPECT_TRUE(started) << started.error().message;
  }
  ~LogFile() {
    EXPECT_TRUE(init({Level::kWarn, true, {}, 0}));
    fs::remove_all(folder_);
  }
  std::string text() const {
    std::stringstream all;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      EXPECT_THAT(entry.path().filename().string(), ::testing::MatchesRegex("atelier_....-..-...log"));
      all << std::ifstream(entry.path()).rdbuf();
    }
    return all.str();
  }

 private:
  fs::path folder_;
};

TEST(Log, WritesLinesOfItsLevelAndAbove) {
  const LogFile file(Level::kInfo);
  debug("quiet {}", 1);
  info("said {}", 2);
  error("loud {}", 3);
  EXPECT_THAT(file.text(), Not(HasSubstr("quiet")));
  EXPECT_THAT(file.text(), HasSubstr("said 2"));
  EXPECT_THAT(file.text(), HasSubstr("loud 3"));
}

TEST(Log, NamesTheRequest) {
  const LogFile file(Level::kDebug);
  const Logger request("req_12");
  request.debug("took {} ms", 7);
  EXPECT_THAT(file.text(), HasSubstr("[req_12] took 7 ms"));
}

TEST(Log, ClientsCannotForgeLines) {
  const LogFile file(Level::kInfo);
  info("model {}", "x\n2030-01-01 00:00:00 error forged\x1b[2J");
  EXPECT_THAT(file.text(), HasSubstr("x\\x0a2030-01-01"));
  EXPECT_THAT(file.text(), HasSubstr("\\x1b[2J"));
}

TEST(Log, AFolderThatCannotBeMadeIsAnError) {
  const auto started = init({Level::kInfo, false, "/dev/null/logs", 3});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kIo);
  EXPECT_THAT(started.error().message, HasSubstr("/dev/null/logs"));
}

TEST(Log, KnowsLevelNames) {
  EXPECT_EQ(level_from("warn"), Level::kWarn);
  EXPECT_EQ(level_from("off"), Level::kOff);
  EXPECT_EQ(level_from("WARN"), std::nullopt);
}

}  // namespace
}  // namespace atelier::log
