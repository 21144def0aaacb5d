#include "base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/base/faulty_file_system.h"
#include "tests/base/temporary_folder.h"

namespace atelier::files {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  const auto entries = list_folder(folder);
  for (const auto& entry : *entries) names.push_back(entry.name);
  return names;
}

TEST(Files, WritesAndReadsWholeFiles) {
  const TemporaryFolder folder;
  const std::string content = std::string("a\0b", 3) + std::string(100'000, 'x');
  ASSERT_TRUE(write_atomically(folder / "file", content));
  EXPECT_EQ(read_file(folder / "file", 200'000), content);
  ASSERT_TRUE(write_atomically(folder / "file", ""));
  EXPECT_EQ(read_file(folder / "file", 0), "");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("file"));
}

TEST(Files, ReadsNoMoreThanAllowed) {
  const TemporaryFolder folder;
  folder.write("file", "12345");
  EXPECT_TRUE(read_file(folder / "file", 5));
  const auto refused = read_file(folder / "file", 4);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("more than the 4 bytes"));
}

TEST(Files, ReadsFilesWhoseSizeTheKernelDoesNotTell) {
  const auto status = read_file("/proc/self/status", 100'000);
  ASSERT_TRUE(status);
  EXPECT_THAT(*status, HasSubstr("Pid:"));
}

TEST(Files, SaysWhatWhereAndWhatToDo) {
  const TemporaryFolder folder;
  const auto absent = read_file(folder / "absent", 10);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(absent.error().message, HasSubstr((folder / "absent").string()));
  EXPECT_THAT(absent.error().message, HasSubstr("No such file"));
  const Error full = io_error("write", "/some/file", ENOSPC);
  EXPECT_EQ(full.code, ErrorCode::kIo);
  EXPECT_EQ(full.message,
            "cannot write '/some/file': No space left on device; free some space on that disk and try again");
  const auto wrong_kind = ReadableFile::open(folder.path());
  ASSERT_FALSE(wrong_kind);
  EXPECT_THAT(wrong_kind.error().message, HasSubstr("is not a file"));
}

TEST(Files, DoesNotWaitForFifos) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_FALSE(ReadableFile::open(folder / "fifo"));
}

TEST(Files, KeepsPermissionsAndLinksWhenReplacing) {
  const TemporaryFolder folder;
  folder.write("real", "old");
  ASSERT_EQ(::chmod((folder / "real").c_str(), 0600), 0);
  std::filesystem::create_symlink("real", folder / "link");
  ASSERT_TRUE(write_atomically(folder / "link", "new", 0644));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(folder / "real", 10), "new");
  EXPECT_EQ(path_status(folder / "real")->mode, 0600u);
}

TEST(Files, ReplacesWholeOrNotAtAllWhicheverCallFails) {
  for (int call = 1;; ++call) {
    const TemporaryFolder folder;
    folder.write("file", "old");
    FaultyFileSystem disk;
    disk.fail_at = call;
    disk.most_per_write = 100;
    const std::string content(250, 'n');
    const auto done = write_atomically(folder / "file", content, 0644, disk);
    if (done) {
      EXPECT_EQ(call, 8);  // create, three writes, sync, rename, sync of the folder: seven can fail
      break;
    }
    EXPECT_THAT(done.error().message, HasSubstr("No space left on device"));
    EXPECT_THAT(names_in(folder.path()), ElementsAre("file")) << "call " << call;
    const bool renamed = done.error().message.find("the file is written") != std::string::npos;
    EXPECT_EQ(renamed, call == 7);
    EXPECT_EQ(read_file(folder / "file", 1'000), renamed ? content : "old") << "call " << call;
  }
}

TEST(Files, CopiesWholeOrNotAtAllWhicheverCallFails) {
  for (int call = 1;; ++call) {
    const TemporaryFolder folder;
    const std::string content(3'000'000, 'c');
    folder.write("from", content);
    FaultyFileSystem disk;
    disk.fail_at = call;
    const auto done = copy_to_free(folder / "from", folder / "to", {.verify = true, .progress = {}}, disk);
    EXPECT_EQ(read_file(folder / "from", 4'000'000), content);
    if (done) {
      EXPECT_EQ(read_file(folder / "to", 4'000'000), content);
      EXPECT_EQ(call, 8);
      break;
    }
    EXPECT_THAT(names_in(folder.path()), ElementsAre("from")) << "call " << call;
  }
}

TEST(Files, CopiesToNoNameThatIsTaken) {
  const TemporaryFolder folder;
  folder.write("from", "new");
  folder.write("to", "old");
  const auto done = copy_to_free(folder / "from", folder / "to");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kConflict);
  EXPECT_EQ(read_file(folder / "to", 10), "old");
}

TEST(Files, AsksForFreeSpaceBeforeCopying) {
  const TemporaryFolder folder;
  folder.write("from", std::string(1'000, 'x'));
  FaultyFileSystem disk;
  disk.free_bytes = 1'024;
  const auto done = copy_to_free(folder / "from", folder / "to", {}, disk);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("it has 1000 bytes and the disk has 1024 free"));
  EXPECT_EQ(disk.calls, 0);
}

TEST(Files, StopsACopyAndLeavesNothing) {
  const TemporaryFolder folder;
  folder.write("from", std::string(3'000'000, 'x'));
  std::vector<std::uint64_t> seen;
  CopyOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_EQ(total, 3'000'000u);
    seen.push_back(done);
    return seen.size() < 2;
  };
  const auto done = copy_to_free(folder / "from", folder / "to", options);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(seen, ElementsAre(1'048'576, 2'097'152));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("from"));
}

TEST(Files, SeesThatAFileChangedWhileItWasCopied) {
  const TemporaryFolder folder;
  folder.write("from", std::string(3'000'000, 'x'));
  CopyOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t) {
    if (done == 1'048'576) folder.write("from", std::string(3'000'001, 'y'));
    return true;
  };
  const auto done = copy_to_free(folder / "from", folder / "to", options);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("was changed while it was copied"));
  EXPECT_FALSE(std::filesystem::exists(folder / "to"));
}

TEST(Files, ComparesContent) {
  const TemporaryFolder folder;
  folder.write("a", std::string(2'000'000, 'x'));
  folder.write("b", std::string(2'000'000, 'x'));
  folder.write("c", std::string(1'999'999, 'x') + "y");
  EXPECT_EQ(same_content(folder / "a", folder / "b"), true);
  EXPECT_EQ(same_content(folder / "a", folder / "c"), false);
  EXPECT_FALSE(same_content(folder / "a", folder / "d"));
}

TEST(Files, IdentityChangesWithTheFile) {
  const TemporaryFolder folder;
  folder.write("file", "one");
  const auto before = identity(folder / "file");
  ASSERT_TRUE(before);
  EXPECT_EQ(before->size, 3u);
  EXPECT_EQ(*identity(folder / "file"), *before);
  ASSERT_TRUE(write_atomically(folder / "file", "two"));
  EXPECT_NE(*identity(folder / "file"), *before);
}

TEST(Files, ListsInOrderAndWithinBounds) {
  const TemporaryFolder folder;
  folder.write("b", "");
  folder.write("a/inner", "");
  std::filesystem::create_symlink("nowhere", folder / "c");
  const auto entries = list_folder(folder.path());
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_EQ((*entries)[0].kind, Kind::kFolder);
  EXPECT_EQ((*entries)[1].kind, Kind::kFile);
  EXPECT_EQ((*entries)[2].kind, Kind::kLink);
  EXPECT_FALSE(list_folder(folder.path(), 2));
  EXPECT_FALSE(list_folder(folder / "absent"));
}

TEST(Files, MakesFoldersAndTakesThemBack) {
  const TemporaryFolder folder;
  const auto made = make_folders(folder / "a/b/c");
  ASSERT_TRUE(made);
  EXPECT_THAT(*made, ElementsAre(folder / "a", folder / "a/b", folder / "a/b/c"));
  EXPECT_THAT(*make_folders(folder / "a/b/c"), ElementsAre());
  FaultyFileSystem disk;
  disk.fail_at = 2;
  EXPECT_FALSE(make_folders(folder / "x/y/z", disk));
  EXPECT_FALSE(std::filesystem::exists(folder / "x"));
  folder.write("file", "");
  EXPECT_FALSE(make_folders(folder / "file/below"));
}

}  // namespace
}  // namespace atelier::files
