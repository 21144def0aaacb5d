// Remembers the facts of files by their identity, in memory and in a file, so that a listing reads only
// what is new. A file that is not a model is remembered with its error; a failure of the disk is not.
//
// The file is JSON: {"format": N, "files": [{path, device, inode, size, mtime_ns, facts | error}]}. It can
// be deleted at any time; one that is damaged or of another format is ignored. Not thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/files.h"
#include "models/facts.h"

namespace atelier::models {

class FactsCache {
 public:
  // An empty path: in memory only.
  FactsCache(files::Path file, files::FileSystem& system) : file_(std::move(file)), system_(system) {}

  // Reads the cache file. Something that prevents it is returned as text for a warning; empty: nothing did.
  std::string load();
  // Writes it where something changed since it was read or written. Text as above.
  std::string save();

  // The facts of a file as it is now, read from it where they are not remembered.
  Result<Facts> facts(const files::Path& path, const files::Identity& identity);

  // False where the file changed so recently that another change could hide in the same tick of the
  // file system's clock, or while it was read: it is to be read again next time.
  bool settled(const files::Path& path) const;

  // Forgets all files but those that facts() was asked for since the last call.
  void drop_unused();

  // How many files facts() has read from disk.
  std::uint64_t files_read() const { return files_read_; }

 private:
  struct Record {
    files::Identity identity;
    std::optional<Facts> facts;  // else the error
    Error error;
    bool settled = true;
    bool used = false;
  };
  Result<Record> read(const files::Path& path);

  files::Path file_;
  files::FileSystem& system_;
  std::map<std::string, Record, std::less<>> records_;
  bool changed_ = false;
  std::uint64_t files_read_ = 0;
};

}  // namespace atelier::models
