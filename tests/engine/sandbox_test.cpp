// The sandbox: its own trial from inside, and a real engine that serves a model within it.
#include "engine/sandbox.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/engine/engine_client.h"
#include "tests/engine/test_models.h"

namespace atelier::engine::test {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / "atelier-sandbox-XXXXXX") {
    std::string name = path_.string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const fs::path& path() const { return path_; }
  void write(const std::string& name) const { std::ofstream(path_ / name) << "bytes"; }

 private:
  fs::path path_;
};

TEST(Sandbox, RefusesFromInsideWhatServingAModelDoesNotNeed) {
  if (!sandbox_is_possible()) GTEST_SKIP() << "this build has a sanitizer: engines run without a sandbox";
  const Folder home;
  const Folder models;
  home.write("secret");
  for (const char* name : {"model.gguf", "other"}) models.write(name);
  fs::create_directory(models.path() / "cache");
  std::string command = "HOME=" + home.path().string();
  for (const std::string& word : engine_command()) command += " '" + word + "'";
  command += " --sandbox-self-test '" + models.path().string() + "' 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  const int status = ::pclose(pipe);
  ASSERT_TRUE(WIFEXITED(status)) << output;
  if (WEXITSTATUS(status) == 3) GTEST_SKIP() << output;
  EXPECT_EQ(WEXITSTATUS(status), 0) << output;
  EXPECT_EQ(output.find("WRONG"), std::string::npos) << output;
  // Each half says that it was tried, where the kernel has it.
  if (output.find("files by Landlock") != std::string::npos) {
    EXPECT_NE(output.find("ok: read a file in the home folder"), std::string::npos) << output;
  }
  if (output.find("system calls by seccomp") != std::string::npos) {
    EXPECT_NE(output.find("ok: open an internet socket"), std::string::npos) << output;
  }
  EXPECT_FALSE(fs::exists(models.path() / "new"));
  EXPECT_TRUE(fs::exists(models.path() / "cache/new"));
}

TEST(Sandbox, AnEngineServesItsModelWithinItAndSaysSo) {
  if (!sandbox_is_possible()) GTEST_SKIP() << "this build has a sanitizer: engines run without a sandbox";
  EngineClient engine(EngineClient::Where::kProcess);
  const auto loaded = engine.load(kTinyLlama, exact_config());
  ASSERT_TRUE(loaded.has_loaded()) << loaded.error().message();
  EngineClient free_engine;
  ASSERT_TRUE(free_engine.load(kTinyLlama, exact_config()).has_loaded());
  const auto request = greedy_request({5, 6, 7}, 20);
  EXPECT_EQ(engine.wait_for(engine.generate(request)).tokens(),
            free_engine.wait_for(free_engine.generate(request)).tokens());
  const auto said = [](const EngineClient& one) {
    for (const wire::Log& log : one.logs) {
      if (log.message().starts_with("Sandbox: ")) return log.message();
    }
    return std::string();
  };
  constexpr const char* kWithout = "Sandbox: off; the engine runs with the user's full rights";
  EXPECT_EQ(said(free_engine), kWithout);
  EXPECT_NE(said(engine), kWithout);
  EXPECT_NE(said(engine), "");
  // What it has loaded is what it may read.
  const auto second = engine.load(kTinyQwen2, exact_config());
  EXPECT_TRUE(second.has_error());
}

TEST(Sandbox, AModelMayBeALinkToAFileElsewhere) {
  const Folder folder;
  fs::create_symlink(kTinyLlama, folder.path() / "link.gguf");
  EngineClient engine(EngineClient::Where::kProcess);
  const auto loaded = engine.load((folder.path() / "link.gguf").string(), exact_config());
  EXPECT_TRUE(loaded.has_loaded()) << loaded.error().message();
}

TEST(Sandbox, AllPartsOfASplitModelMayBeRead) {
  const Folder folder;
  const Folder store;
  for (const char* name : {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf", "n.gguf"}) {
    folder.write(name);
  }
  store.write("blob");
  fs::remove(folder.path() / "m-00002-of-00003.gguf");
  fs::create_symlink(store.path() / "blob", folder.path() / "m-00002-of-00003.gguf");
  const SandboxPlan plan = plan_sandbox({(folder.path() / "m-00001-of-00003.gguf").string(), ""}, "");
  const auto has = [&](const fs::path& path) {
    return std::find(plan.readable.begin(), plan.readable.end(), path.string()) != plan.readable.end();
  };
  EXPECT_TRUE(has(folder.path() / "m-00001-of-00003.gguf"));
  EXPECT_TRUE(has(folder.path() / "m-00003-of-00003.gguf"));
  EXPECT_TRUE(has(store.path() / "blob"));
  EXPECT_FALSE(has(folder.path() / "n.gguf"));
  EXPECT_FALSE(has(folder.path()));
}

}  // namespace
}  // namespace atelier::engine::test
