#include "runtime/kv_cache_folders.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

namespace atelier::runtime {
namespace {

namespace fs = std::filesystem;

class KvCacheFolders : public testing::Test {
 protected:
  KvCacheFolders() {
    std::string name = (fs::temp_directory_path() / "atelier-kv-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    root_ = folder_ / "cache/kv";
  }
  ~KvCacheFolders() override { fs::remove_all(folder_); }

  fs::path model(const std::string& name) const {
    const fs::path path = folder_ / name;
    std::ofstream(path) << "GGUF";
    return path;
  }

  fs::path folder_;
  fs::path root_;
};

TEST_F(KvCacheFolders, EachModelHasItsOwnForNobodyElse) {
  const fs::path a = model("a.gguf");
  const fs::path b = model("b.gguf");
  ASSERT_TRUE(make_kv_cache_folder(root_, a));
  ASSERT_TRUE(make_kv_cache_folder(root_, a));
  ASSERT_TRUE(make_kv_cache_folder(root_, b));
  EXPECT_NE(kv_cache_folder(root_, a), kv_cache_folder(root_, b));
  struct stat data{};
  ASSERT_EQ(::stat(kv_cache_folder(root_, a).c_str(), &data), 0);
  EXPECT_EQ(data.st_mode & 0777, 0700U);
}

TEST_F(KvCacheFolders, GoWithTheirModelAndLeaveOtherThingsAlone) {
  const fs::path a = model("a.gguf");
  const fs::path b = model("b.gguf");
  ASSERT_TRUE(make_kv_cache_folder(root_, a));
  ASSERT_TRUE(make_kv_cache_folder(root_, b));
  std::ofstream(kv_cache_folder(root_, a) / "x.kv") << "state";
  fs::create_directory(root_ / "mine");
  std::ofstream(root_ / "note.txt") << "hello";
  fs::remove(a);
  remove_orphaned_kv_caches(root_);
  EXPECT_FALSE(fs::exists(kv_cache_folder(root_, a)));
  EXPECT_TRUE(fs::exists(kv_cache_folder(root_, b)));
  EXPECT_TRUE(fs::exists(root_ / "mine"));
  EXPECT_TRUE(fs::exists(root_ / "note.txt"));
  // One that lost its marker belongs to nobody.
  fs::remove(kv_cache_folder(root_, b) / "model");
  remove_orphaned_kv_caches(root_);
  EXPECT_FALSE(fs::exists(kv_cache_folder(root_, b)));
  remove_orphaned_kv_caches(folder_ / "nowhere");
}

TEST_F(KvCacheFolders, AFolderThatCannotBeMadeIsAnError) {
  std::ofstream(folder_ / "cache") << "a file";
  const auto made = make_kv_cache_folder(root_, model("a.gguf"));
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("cache"), std::string::npos) << made.error().message;
}

}  // namespace
}  // namespace atelier::runtime
