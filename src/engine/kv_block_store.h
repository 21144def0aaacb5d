// Blocks of KV cache beside the cells: in memory up to a number of bytes, and as files that outlive the engine.
//
// put() keeps a block in memory (the least recently used go when there are too many) and, where it is to outlive the
// engine, hands it to a thread that writes it to disk. find() looks in memory, then on disk.
//
// Files lie in one folder for each model, FOLDER/KEY.kv, 0600 in folders of 0700. A file carries its key, its tokens,
// the state and a hash over all of it; one that is not what its name says is removed and never used. The bytes of all
// files below the folder's parent, whichever engine wrote them, stay within a bound: the ones that were not used for
// longest go. Nothing here is needed: when the disk is full, or somebody removes files, blocks are computed again.
//
// contains(), find() and put() on the decode thread; writing happens on a thread of the store's own.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/files.h"
#include "engine/kv_blocks.h"

namespace atelier::engine {

class KvBlockStore {
 public:
  struct Options {
    BlockKey root{};
    std::uint64_t memory_bytes = 0;
    std::filesystem::path folder;  // empty: no files
    std::uint64_t disk_bytes = 0;  // of all files below the folder's parent
    // On the writing thread, at most once: why nothing is written any more.
    std::function<void(const std::string&)> warn;
    files::FileSystem* system = &files::FileSystem::real();
  };
  enum class Tier { kMemory, kDisk };
  using State = std::vector<std::uint8_t>;
  // A block's key, and that of the one in front of it.
  struct Name {
    BlockKey key;
    BlockKey before;
  };
  struct Found {
    std::shared_ptr<const State> state;
    Tier tier = Tier::kMemory;
  };
  struct Beginning {
    std::shared_ptr<const State> state;
    std::size_t tokens = 0;  // that the state is of
    std::size_t common = 0;  // of those, that are as asked; 0: nothing was found
    BlockKey key{};
  };
  struct Counters {
    std::uint64_t memory_bytes = 0;
    std::uint64_t memory_blocks = 0;
    std::uint64_t disk_blocks = 0;  // that can be found
    std::uint64_t blocks_written = 0;
    std::uint64_t files_refused = 0;  // not what they should be
  };

  // Makes the folder and looks at what lies in it. What cannot be read is as if it were not there.
  explicit KvBlockStore(Options options);
  // Writes what waits to be written.
  ~KvBlockStore();
  KvBlockStore(const KvBlockStore&) = delete;
  KvBlockStore& operator=(const KvBlockStore&) = delete;

  // The folder and its parent, for nobody else's eyes: prompts can be read from what lies there.
  static bool make_folder(const std::filesystem::path& folder);

  const BlockKey& root() const { return options_.root; }
  std::uint64_t memory_limit() const { return options_.memory_bytes; }
  bool contains(const BlockKey& key) const;
  // The state of a block with these tokens; nothing where it is not there after all.
  Found find(const Name& name, std::span<const std::int32_t> tokens);
  // Of the blocks in memory behind the one with this key, that which has most in common with `tokens`, from its beginning
  // on: a conversation may go on otherwise within a block.
  Beginning find_beginning(const BlockKey& before, std::span<const std::int32_t> tokens);
  enum class Keep { kInMemory, kOnDiskToo };
  void put(const Name& name, std::span<const std::int32_t> tokens, State state, Keep keep = Keep::kOnDiskToo);
  // What find() gave was of no use: it is forgotten.
  void remove(const BlockKey& key);

  // Until everything that was put is on disk. For tests, and before a measurement.
  void flush();
  Counters counters() const;

 private:
  struct Entry {
    std::shared_ptr<const State> state;
    std::vector<std::int32_t> tokens;
    std::list<BlockKey>::iterator age;
    std::unordered_multimap<BlockKey, BlockKey, BlockKeyHash>::iterator behind;
  };
  struct Job {
    BlockKey key;
    std::vector<std::int32_t> tokens;
    std::shared_ptr<const State> state;
  };

  using Entries = std::unordered_map<BlockKey, Entry, BlockKeyHash>;

  void keep_in_memory(const Name& name, std::span<const std::int32_t> tokens, std::shared_ptr<const State> state);
  void forget_in_memory(Entries::iterator entry);
  std::filesystem::path file_of(const BlockKey& key) const;
  std::shared_ptr<const State> read(const BlockKey& key, std::span<const std::int32_t> tokens);
  void write_jobs();
  bool write(const Job& job);
  // Frees as much as there is too much when `more` bytes are added.
  void keep_within_bound(std::uint64_t more);

  Options options_;
  // Decode thread.
  Entries memory_;
  std::unordered_multimap<BlockKey, BlockKey, BlockKeyHash> behind_;  // of those in memory, by the one in front
  std::list<BlockKey> ages_;                                          // least recently used first
  std::uint64_t memory_bytes_ = 0;
  std::uint64_t refused_ = 0;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::unordered_set<BlockKey, BlockKeyHash> on_disk_;
  std::deque<Job> jobs_;
  std::uint64_t job_bytes_ = 0;
  std::uint64_t written_ = 0;
  bool writing_ = false;
  bool broken_ = false;  // nothing is written any more
  bool closing_ = false;

  // Writing thread.
  std::uint64_t bytes_below_parent_ = 0;
  std::thread writer_;
};

}  // namespace atelier::engine
