#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/instances.h"
#include "tests/runtime/harness.h"

namespace atelier::runtime {
namespace {

using ::testing::HasSubstr;

TEST(EngineRuntime, PathsAreRelativeToTheFile) {
  const Folder folder;
  std::filesystem::create_directories(folder.path() / "runtimes/cpu/lib");
  std::filesystem::create_directories(folder.path() / "bin");
  folder.write("bin/atelier-engine", "");
  folder.write("runtimes/cpu/ld.so", "");
  const auto file = folder.write("runtimes/cpu/runtime.json",
                                 R"({"exe": "../../bin/atelier-engine", "loader": "ld.so", "library_path": "lib",
                                     "backends_dir": "lib", "version": "7"})");
  const auto runtime = EngineRuntime::read(file);
  ASSERT_TRUE(runtime) << runtime.error().message;
  EXPECT_EQ(runtime->name, "cpu");
  EXPECT_EQ(runtime->version, "7");
  EXPECT_EQ(runtime->exe, folder.path() / "bin/atelier-engine");
  EXPECT_EQ(runtime->loader, folder.path() / "runtimes/cpu/ld.so");
  EXPECT_EQ(runtime->library_path, folder.path() / "runtimes/cpu/lib");
  EXPECT_EQ(runtime->backends_dir, folder.path() / "runtimes/cpu/lib");
}

TEST(EngineRuntime, MistakesAreNamed) {
  const Folder folder;
  const auto message = [&](const std::string& text) {
    const auto runtime = EngineRuntime::read(folder.write("runtime.json", text));
    return runtime ? "no error" : runtime.error().message;
  };
  EXPECT_THAT(message("{"), HasSubstr("runtime.json"));
  EXPECT_THAT(message("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(message("{}"), HasSubstr("it has no \"exe\""));
  EXPECT_THAT(message(R"({"exe": 5})"), HasSubstr("\"exe\" is not a path"));
  EXPECT_THAT(message(R"({"exe": "missing"})"), HasSubstr("which is not there"));
  EXPECT_THAT(message(R"({"exe": "runtime.json", "loader": "runtime.json"})"), HasSubstr("needs a \"library_path\""));
  EXPECT_THAT(message(std::string(100'000, ' ')), HasSubstr("larger than 64 KiB"));
  EXPECT_FALSE(EngineRuntime::read(folder.path() / "nowhere.json"));
}

}  // namespace
}  // namespace atelier::runtime
