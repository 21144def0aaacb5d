#include "base/paths.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atelier::paths {
namespace {

namespace fs = std::filesystem;

// Sets a variable (or removes it) for one test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = getenv(name)) old_ = old;
    value != nullptr ? setenv(name, value, 1) : unsetenv(name);
  }
  ~Variable() { old_ ? setenv(name_, old_->c_str(), 1) : unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "atelier-paths-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

TEST(Paths, ResourcesLieBesideTheProgram) {
  const Variable resources("ATELIER_RESOURCES", nullptr);
  const auto program = executable();
  ASSERT_TRUE(program);
  const auto found = find_resources();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->programs(), program->parent_path().parent_path() / "bin");
  EXPECT_EQ(found->default_runtime(), found->prefix / "lib/atelier/runtimes/default/runtime.json");
}

TEST(Paths, ResourcesCanBeElsewhere) {
  const Variable resources("ATELIER_RESOURCES", "/opt/atelier/");
  EXPECT_EQ(find_resources()->bundled_models(), "/opt/atelier/share/atelier/models");
}

TEST(Paths, HomeIsTheUsersUnlessNamed) {
  const Variable user("HOME", "/home/someone");
  {
    const Variable home("ATELIER_HOME", nullptr);
    EXPECT_EQ(find_home()->root, "/home/someone/.atelier");
  }
  const Variable home("ATELIER_HOME", "relative/home");
  EXPECT_EQ(find_home()->root, fs::current_path() / "relative/home");
}

TEST(Paths, HomeIsMadeForItsUserAlone) {
  const Folder folder;
  const Home home{folder.path / "a/b"};
  ASSERT_TRUE(home.create());
  ASSERT_TRUE(home.create()) << "a second time changes nothing";
  for (const fs::path& path : {home.root, home.models(), home.kv_cache(), home.internal(), home.server_logs()}) {
    struct stat status;
    ASSERT_EQ(stat(path.c_str(), &status), 0) << path;
    EXPECT_EQ(status.st_mode & 0777, 0700U) << path;
  }
}

TEST(Paths, AFileInTheWayIsNamed) {
  const Folder folder;
  const Home home{folder.path};
  std::ofstream(home.models()) << "not a folder";
  const auto created = home.create();
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code, ErrorCode::kIo);
  EXPECT_THAT(created.error().message, ::testing::HasSubstr(home.models().string()));
}

}  // namespace
}  // namespace atelier::paths
