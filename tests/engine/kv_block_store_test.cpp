#include "engine/kv_block_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/base/faulty_file_system.h"

namespace atelier::engine {
namespace {

namespace fs = std::filesystem;

using Tokens = std::vector<std::int32_t>;
using Tier = KvBlockStore::Tier;

Tokens random_tokens(std::mt19937& random, std::size_t count) {
  Tokens tokens(count);
  for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(random() % 1000);
  return tokens;
}

// ---------------------------------------------------------------- keys

TEST(KvBlocks, KeysFollowFromTheRootAndAllTokensBefore) {
  std::mt19937 random(1);
  const Tokens tokens = random_tokens(random, 300);
  const auto keys = block_keys({}, tokens);
  ASSERT_EQ(keys.size(), 4U);
  EXPECT_EQ(block_keys({}, std::span(tokens).first(256)), keys);
  EXPECT_EQ(block_keys({}, std::span(tokens).first(255)).size(), 3U);
  BlockKey other_root{};
  other_root[31] = 1;
  for (std::size_t changed : {0U, 63U, 64U, 200U}) {
    Tokens different = tokens;
    ++different[changed];
    const auto others = block_keys({}, different);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(others[i] == keys[i], i < changed / kBlockTokens) << changed;
  }
  EXPECT_NE(block_keys(other_root, tokens)[3], keys[3]);
}

// ---------------------------------------------------------------- the store

class Store : public testing::Test {
 protected:
  Store() {
    std::string name = (fs::temp_directory_path() / "atelier-kv-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~Store() override { fs::remove_all(root_); }

  KvBlockStore& open(std::uint64_t memory, std::uint64_t disk, const std::string& model = "model") {
    store_.reset();
    KvBlockStore::Options options;
    options.memory_bytes = memory;
    options.folder = root_ / "kv" / model;
    options.disk_bytes = disk;
    options.warn = [this](const std::string& text) { warnings_.push_back(text); };
    options.system = &disk_;
    store_.emplace(std::move(options));
    return *store_;
  }
  // A block that is known by its number.
  static Tokens tokens_of(int n) { return Tokens(kBlockTokens, n); }
  static BlockKey key_of(int n) { return block_keys({}, tokens_of(n))[0]; }
  static KvBlockStore::State state_of(int n, std::size_t bytes = 1000) {
    KvBlockStore::State state(bytes);
    for (std::size_t i = 0; i < bytes; ++i) state[i] = static_cast<std::uint8_t>(static_cast<std::size_t>(n) * 7 + i);
    return state;
  }
  void put(int n, std::size_t bytes = 1000) { store_->put({key_of(n), {}}, tokens_of(n), state_of(n, bytes)); }
  // Where it was found; nothing where it was not, and a failure where it is not what was put.
  std::optional<Tier> find(int n, std::size_t bytes = 1000) {
    const auto found = store_->find({key_of(n), {}}, tokens_of(n));
    EXPECT_EQ(store_->contains(key_of(n)), found.state != nullptr);
    if (found.state == nullptr) return std::nullopt;
    EXPECT_EQ(*found.state, state_of(n, bytes));
    return found.tier;
  }
  fs::path file_of(int n, const std::string& model = "model") const {
    return root_ / "kv" / model / (to_hex(key_of(n)) + ".kv");
  }

  fs::path root_;
  FaultyFileSystem disk_;
  std::vector<std::string> warnings_;
  std::optional<KvBlockStore> store_;
};

TEST_F(Store, KeepsTheMostRecentlyUsedInMemory) {
  open(3500, 0);
  for (int n = 0; n < 3; ++n) put(n);
  EXPECT_EQ(find(0), Tier::kMemory);
  put(3);
  EXPECT_EQ(find(1), std::nullopt);
  EXPECT_EQ(find(0), Tier::kMemory);
  EXPECT_EQ(find(2), Tier::kMemory);
  EXPECT_EQ(find(3), Tier::kMemory);
  EXPECT_EQ(store_->counters().memory_bytes, 3000U);
  put(9, 5000);
  EXPECT_EQ(find(9, 5000), std::nullopt);
  EXPECT_EQ(store_->counters().memory_blocks, 3U);
}

TEST_F(Store, WhatIsOnDiskOutlivesIt) {
  open(0, 1 << 20);
  for (int n = 0; n < 20; ++n) put(n);
  store_->flush();
  EXPECT_EQ(find(7), Tier::kDisk);
  open(1 << 20, 1 << 20);
  EXPECT_EQ(store_->counters().disk_blocks, 20U);
  EXPECT_EQ(find(7), Tier::kDisk);
  EXPECT_EQ(find(7), Tier::kMemory);
  EXPECT_EQ(find(20), std::nullopt);
}

TEST_F(Store, NobodyElseMayReadIt) {
  open(0, 1 << 20);
  put(1);
  store_->flush();
  const auto mode = [](const fs::path& path) {
    struct stat data{};
    EXPECT_EQ(::stat(path.c_str(), &data), 0);
    return data.st_mode & 0777;
  };
  EXPECT_EQ(mode(file_of(1)), 0600U);
  EXPECT_EQ(mode(root_ / "kv/model"), 0700U);
  EXPECT_EQ(mode(root_ / "kv"), 0700U);
}

TEST_F(Store, AFileThatIsNotWhatItsNameSaysIsRemovedAndNotUsed) {
  open(0, 1 << 20);
  for (int n = 0; n < 6; ++n) put(n);
  store_->flush();
  // A byte of the state, the hash, the tokens; cut short; empty; another block's content.
  const auto change = [&](int n, std::streamoff at) {
    std::fstream file(file_of(n), std::ios::in | std::ios::out | std::ios::binary);
    if (at < 0) file.seekg(at, std::ios::end);
    if (at >= 0) file.seekg(at);
    const auto place = file.tellg();
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(place);
    file.put(byte);
  };
  change(0, 800);
  change(1, -3);
  change(2, 50);
  fs::resize_file(file_of(3), fs::file_size(file_of(3)) - 1);
  fs::resize_file(file_of(4), 0);
  fs::copy_file(file_of(1), file_of(5), fs::copy_options::overwrite_existing);
  for (int n = 0; n < 6; ++n) {
    EXPECT_EQ(find(n), std::nullopt) << n;
    EXPECT_FALSE(fs::exists(file_of(n))) << n;
  }
  EXPECT_EQ(store_->counters().files_refused, 6U);
  // It can be put again.
  put(0);
  store_->flush();
  EXPECT_EQ(find(0), Tier::kDisk);
}

TEST_F(Store, ATokenThatDiffersIsFoundOut) {
  open(1 << 20, 1 << 20);
  put(1);
  store_->flush();
  EXPECT_EQ(store_->find({key_of(1), {}}, tokens_of(2)).state, nullptr);
}

TEST_F(Store, TheBlockWithMostInCommonIsFoundByWhatIsInFrontOfIt) {
  open(3000, 0);
  const BlockKey before = key_of(50);
  const auto put_behind = [&](const Tokens& tokens) {
    store_->put({block_key(before, tokens), before}, tokens, state_of(tokens[0], 1000), KvBlockStore::Keep::kInMemory);
  };
  put_behind({1, 2, 3, 4, 5});
  put_behind({1, 2, 9});
  put_behind({7, 7});
  const auto found = store_->find_beginning(before, Tokens{1, 2, 3, 8, 8, 8});
  EXPECT_EQ(found.common, 3U);
  EXPECT_EQ(found.tokens, 5U);
  EXPECT_EQ(found.key, block_key(before, Tokens{1, 2, 3, 4, 5}));
  EXPECT_EQ(store_->find_beginning(before, Tokens{1, 2, 9, 9}).common, 3U);
  EXPECT_EQ(store_->find_beginning(before, Tokens{5}).common, 0U);
  EXPECT_EQ(store_->find_beginning(before, Tokens{5}).state, nullptr);
  EXPECT_EQ(store_->find_beginning(key_of(51), Tokens{1, 2, 3}).common, 0U);
  // The one that was used longest ago goes, and is not found any more.
  put(0);
  EXPECT_EQ(store_->find_beginning(before, Tokens{7, 7}).common, 0U);
  EXPECT_EQ(store_->find_beginning(before, Tokens{1, 2, 3}).common, 3U);
  store_->remove(found.key);
  EXPECT_EQ(store_->find_beginning(before, Tokens{1, 2, 3}).common, 2U);
}

TEST_F(Store, AllFilesTogetherStayWithinTheBoundAndTheLeastRecentlyUsedGo) {
  open(0, 50'000, "other");
  for (int n = 100; n < 120; ++n) put(n);
  store_->flush();
  for (int n = 100; n < 120; ++n) {
    const timespec old[2] = {{1000 + n, 0}, {1000 + n, 0}};
    ::utimensat(AT_FDCWD, file_of(n, "other").c_str(), old, 0);
  }
  open(0, 50'000);
  const auto bytes_of_all = [&] {
    std::uintmax_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (entry.is_regular_file()) bytes += entry.file_size();
    }
    return bytes;
  };
  for (int n = 0; n < 60; ++n) {
    put(n);
    store_->flush();
    ASSERT_LE(bytes_of_all(), 50'000U);
    if (n == 20) {
      // Those of the other model went first, the oldest of them before all.
      EXPECT_FALSE(fs::exists(file_of(100, "other")));
    }
  }
  EXPECT_EQ(find(59), Tier::kDisk);
  EXPECT_EQ(find(0), std::nullopt);
  EXPECT_FALSE(fs::exists(file_of(119, "other")));
}

TEST_F(Store, AFullDiskIsSaidOnceAndMemoryGoesOn) {
  open(1 << 20, 1 << 20);
  disk_.fail_at = disk_.calls + 8;
  for (int n = 0; n < 10; ++n) put(n);
  store_->flush();
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("No space left"), std::string::npos) << warnings_[0];
  for (int n = 0; n < 10; ++n) EXPECT_EQ(find(n), Tier::kMemory);
  const auto written = store_->counters().blocks_written;
  EXPECT_GE(written, 1U);
  EXPECT_LT(written, 10U);
  // What was half written is not there.
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(root_ / "kv/model")) files += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, written);
}

TEST_F(Store, FilesThatSomebodyRemovesAreMissedByNobody) {
  open(0, 1 << 20);
  put(1);
  store_->flush();
  fs::remove_all(root_ / "kv/model");
  EXPECT_EQ(find(1), std::nullopt);
  put(2);
  store_->flush();
  EXPECT_EQ(find(2), std::nullopt);
}

TEST_F(Store, AFolderThatCannotBeMadeIsSaid) {
  std::ofstream(root_ / "kv") << "a file";
  open(1 << 20, 1 << 20);
  ASSERT_EQ(warnings_.size(), 1U);
  put(1);
  EXPECT_EQ(find(1), Tier::kMemory);
}

}  // namespace
}  // namespace atelier::engine
