#include "models/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "tests/base/faulty_file_system.h"
#include "tests/base/temporary_folder.h"
#include "tests/models/gguf_builder.h"

namespace atelier::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Every file below a folder with its content, so that two states can be compared.
std::map<std::string, std::string> tree(const std::filesystem::path& root) {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string name = std::filesystem::relative(entry.path(), root).string();
    all[name] = entry.is_directory() ? "folder" : files::read_file(entry.path(), 1 << 20).value_or("unreadable");
  }
  return all;
}

struct Desk {
  TemporaryFolder folder;
  std::string model = llama_model().build();
  Desk() {
    std::filesystem::create_directories(folder / "models");
    std::filesystem::create_directories(folder / "downloads");
  }
  std::filesystem::path add(std::string_view name) const {
    return folder.write("downloads/" + std::string(name), model);
  }
  Result<ImportPlan> plan(std::string_view file, ImportMethod method) const {
    return plan_import(folder / ("downloads/" + std::string(file)), folder / "models", {"me", "repo"}, method);
  }
  std::filesystem::path target(std::string_view name) const { return folder / ("models/me/repo/" + std::string(name)); }
};

TEST(Import, MovesCopiesAndLinks) {
  for (const auto method :
       {ImportMethod::kMove, ImportMethod::kCopy, ImportMethod::kHardLink, ImportMethod::kSymbolicLink}) {
    const Desk desk;
    const auto source = desk.add("model-Q4_0.gguf");
    const auto plan = desk.plan("model-Q4_0.gguf", method);
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_FALSE(std::filesystem::exists(desk.target(""))) << "a plan changes nothing";
    EXPECT_THAT(plan->warnings, IsEmpty());
    EXPECT_EQ(plan->total_bytes(), desk.model.size());
    ASSERT_TRUE(run_import(*plan));
    EXPECT_EQ(files::read_file(desk.target("model-Q4_0.gguf"), 1 << 20), desk.model);
    EXPECT_EQ(std::filesystem::exists(source), method != ImportMethod::kMove);
    EXPECT_EQ(std::filesystem::is_symlink(desk.target("model-Q4_0.gguf")), method == ImportMethod::kSymbolicLink);
    if (method == ImportMethod::kHardLink) {
      EXPECT_EQ(std::filesystem::hard_link_count(source), 2u);
    }
  }
}

TEST(Import, TakesPartsAndProjectorsAlong) {
  const Desk desk;
  for (const char* name :
       {"big-Q4_0-00001-of-00002.gguf", "big-Q4_0-00002-of-00002.gguf", "mmproj-F16.gguf", "notes.txt"}) {
    desk.add(name);
  }
  const auto plan = desk.plan("big-Q4_0-00002-of-00002.gguf", ImportMethod::kMove);
  ASSERT_TRUE(plan);
  ASSERT_TRUE(run_import(*plan));
  EXPECT_THAT(tree(desk.folder / "downloads"), testing::SizeIs(1));
  EXPECT_TRUE(std::filesystem::exists(desk.target("big-Q4_0-00001-of-00002.gguf")));
  EXPECT_TRUE(std::filesystem::exists(desk.target("mmproj-F16.gguf")));
}

TEST(Import, LeavesProjectorsOfOtherModels) {
  const Desk desk;
  for (const char* name : {"alpha-Q4_0.gguf", "beta-Q4_0.gguf", "mmproj-beta-F16.gguf", "mmproj-F16.gguf"})
    desk.add(name);
  const auto alpha = desk.plan("alpha-Q4_0.gguf", ImportMethod::kMove);
  ASSERT_TRUE(alpha);
  EXPECT_THAT(alpha->steps, testing::SizeIs(1));
  const auto beta = desk.plan("beta-Q4_0.gguf", ImportMethod::kMove);
  ASSERT_TRUE(beta);
  ASSERT_THAT(beta->steps, testing::SizeIs(2));
  EXPECT_EQ(beta->steps[1].source.filename(), "mmproj-beta-F16.gguf");
}

TEST(Import, RefusesWithReasons) {
  const Desk desk;
  desk.add("a-00001-of-00002.gguf");
  const auto part = desk.plan("a-00001-of-00002.gguf", ImportMethod::kMove);
  ASSERT_FALSE(part);
  EXPECT_THAT(part.error().message, HasSubstr("part 2 is not beside it"));
  EXPECT_EQ(desk.plan("absent.gguf", ImportMethod::kCopy).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(desk.plan("", ImportMethod::kCopy).error().code, ErrorCode::kInvalidRequest);
  std::filesystem::create_symlink(desk.add("real.gguf"), desk.folder / "downloads/link.gguf");
  EXPECT_THAT(desk.plan("link.gguf", ImportMethod::kMove).error().message, HasSubstr("is a symbolic link"));
  EXPECT_TRUE(desk.plan("link.gguf", ImportMethod::kCopy));
  desk.folder.write("models/me/repo/real.gguf", "mine");
  const auto taken = desk.plan("real.gguf", ImportMethod::kCopy);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kConflict);
  EXPECT_FALSE(
      plan_import(desk.folder / "downloads/real.gguf", desk.folder / "models", {"..", "x"}, ImportMethod::kCopy));
}

TEST(Import, WarnsOfFilesThatAreNoModels) {
  const Desk desk;
  desk.folder.write("downloads/x.bin", "x");
  desk.folder.write("downloads/broken.gguf", "GGUFbroken");
  EXPECT_THAT(desk.plan("x.bin", ImportMethod::kCopy)->warnings, ElementsAre(HasSubstr("does not end in .gguf")));
  EXPECT_THAT(desk.plan("broken.gguf", ImportMethod::kCopy)->warnings,
              ElementsAre(HasSubstr("cannot be used as a model")));
}

// Whatever call fails first, with all later ones failing too: everything or nothing, and the sources whole.
void everything_or_nothing(ImportMethod method, bool other_file_system, int expected_calls) {
  for (int call = 1;; ++call) {
    const Desk desk;
    for (const char* name : {"m-Q4_0-00001-of-00002.gguf", "m-Q4_0-00002-of-00002.gguf", "mmproj.gguf"}) desk.add(name);
    const auto plan = desk.plan("m-Q4_0-00001-of-00002.gguf", method);
    ASSERT_TRUE(plan);
    const auto before = tree(desk.folder.path());
    FaultyFileSystem disk;
    disk.fail_at = call;
    disk.other_file_system = other_file_system;
    disk.most_per_write = 1'000;
    const auto done = run_import(*plan, {}, disk);
    if (done) {
      for (const auto& step : plan->steps) {
        EXPECT_EQ(files::read_file(step.target, 1 << 20), desk.model);
        EXPECT_EQ(std::filesystem::exists(step.source), method != ImportMethod::kMove);
      }
      EXPECT_EQ(call - 1, expected_calls);
      return;
    }
    EXPECT_EQ(tree(desk.folder.path()), before) << "call " << call << ": " << done.error().message;
    EXPECT_THAT(done.error().message, HasSubstr("No space left on device"));
    EXPECT_THAT(done.error().message, HasSubstr("nothing was imported"));
    ASSERT_LT(call, 200);
  }
}

// Calls: two folders to make, each file's own, and one sync of the folder at the end.
TEST(Import, AFullDiskTakesNothingFromAMove) { everything_or_nothing(ImportMethod::kMove, false, 2 + 3 + 1); }
TEST(Import, AFullDiskTakesNothingFromLinks) {
  everything_or_nothing(ImportMethod::kHardLink, false, 2 + 3 + 1);
  everything_or_nothing(ImportMethod::kSymbolicLink, false, 2 + 3 + 1);
}
TEST(Import, AFullDiskTakesNothingFromACopy) {
  const int writes = static_cast<int>((llama_model().build().size() + 999) / 1'000);
  everything_or_nothing(ImportMethod::kCopy, false, 2 + 3 * (1 + writes + 3) + 1);
}
TEST(Import, AFullDiskTakesNothingFromAMoveToAnotherFileSystem) {
  const int writes = static_cast<int>((llama_model().build().size() + 999) / 1'000);
  everything_or_nothing(ImportMethod::kMove, true, 2 + 3 * (1 + 1 + writes + 3) + 1);
}

TEST(Import, ASourceThatCannotBeDeletedIsNotMoved) {
  const Desk desk;
  desk.add("m.gguf");
  const auto plan = desk.plan("m.gguf", ImportMethod::kMove);
  ASSERT_TRUE(plan);
  class KeepsSources : public FaultyFileSystem {
   public:
    int remove_file(const files::Path& path) override {
      return path.string().find("downloads") != std::string::npos ? EACCES : FaultyFileSystem::remove_file(path);
    }
  } disk;
  disk.other_file_system = true;
  const auto before = tree(desk.folder.path());
  const auto done = run_import(*plan, {}, disk);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("cannot remove"));
  EXPECT_EQ(tree(desk.folder.path()), before);
}

TEST(Import, SaysWhatItCouldNotTakeBack) {
  const Desk desk;
  for (const char* name : {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}) desk.add(name);
  const auto plan = desk.plan("m-00001-of-00002.gguf", ImportMethod::kHardLink);
  ASSERT_TRUE(plan);
  FaultyFileSystem disk;
  disk.fail_at = 4;
  disk.removing_fails = true;
  const auto done = run_import(*plan, {}, disk);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("m-00001-of-00002.gguf' could not be removed"));
}

TEST(Import, CanBeStopped) {
  const Desk desk;
  for (const char* name : {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}) desk.add(name);
  const auto plan = desk.plan("m-00001-of-00002.gguf", ImportMethod::kCopy);
  ASSERT_TRUE(plan);
  const auto before = tree(desk.folder.path());
  std::vector<std::uint64_t> seen;
  const auto done = run_import(*plan, [&](std::uint64_t bytes, std::uint64_t total) {
    EXPECT_EQ(total, 2 * desk.model.size());
    seen.push_back(bytes);
    return seen.size() < 2;
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(seen, ElementsAre(desk.model.size(), 2 * desk.model.size()));
  EXPECT_EQ(tree(desk.folder.path()), before);
}

TEST(Import, ChecksNames) {
  EXPECT_TRUE(check_import_name("lmstudio-community", "user"));
  EXPECT_TRUE(check_import_name("日本", "user"));
  EXPECT_TRUE(check_import_name(std::string(100, 'x'), "user"));
  for (const std::string& bad :
       {std::string(), std::string(101, 'x'), std::string("."), std::string(".a"), std::string("a."), std::string(" a"),
        std::string("a "), std::string("a/b"), std::string("a\\b"), std::string("a:b"), std::string("a?b"),
        std::string("a\nb"), std::string("a\0b", 3), std::string("\xff")}) {
    EXPECT_FALSE(check_import_name(bad, "user")) << bad;
  }
  EXPECT_EQ(parse_import_name("a/b").value().repo, "b");
  EXPECT_FALSE(parse_import_name("a"));
  EXPECT_FALSE(parse_import_name("a/b/c"));
  EXPECT_FALSE(parse_import_name("../b"));
}

TEST(Import, GuessesNames) {
  EXPECT_EQ(guess_import_name("Qwen2.5-7B-Instruct-Q4_K_M-00001-of-00003.gguf", "me").repo, "Qwen2.5-7B-Instruct");
  EXPECT_EQ(guess_import_name("x.gguf", "me").user, "me");
  EXPECT_EQ(guess_import_name("a:b?.gguf", "").user, "imported-models");
  EXPECT_EQ(guess_import_name("a:b?.gguf", "").repo, "a-b");
  EXPECT_EQ(guess_import_name("...gguf", "me").repo, "model");
  for (const std::string& odd :
       {std::string(300, 'n') + ".gguf", std::string("\xff\xfe.gguf"), std::string("F16.gguf"), std::string()}) {
    EXPECT_TRUE(check_import_name(guess_import_name(odd, odd).repo, "repository")) << odd;
    EXPECT_TRUE(check_import_name(guess_import_name(odd, odd).user, "user")) << odd;
  }
}

}  // namespace
}  // namespace atelier::models
