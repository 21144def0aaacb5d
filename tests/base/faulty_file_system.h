// A disk that fails on demand: the n-th call that changes something (counted from 1) gives an error, and,
// like a full disk, all later ones that need space do too. Removing still works, as it does on a full disk.
#pragma once

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/files.h"

namespace atelier {

class FaultyFileSystem : public files::FileSystem {
 public:
  int fail_at = std::numeric_limits<int>::max();
  int error = ENOSPC;
  bool keeps_failing = true;
  bool removing_fails = false;                                           // remove_file and remove_folder give EACCES
  bool other_file_system = false;                                        // rename_to_free gives EXDEV between folders
  std::size_t most_per_write = std::numeric_limits<std::size_t>::max();  // short writes
  std::uint64_t free_bytes = std::numeric_limits<std::uint64_t>::max();
  int calls = 0;  // that change something

  int create(const files::Path& path, mode_t mode, int& descriptor) override {
    const int fault = next();
    return fault != 0 ? fault : FileSystem::create(path, mode, descriptor);
  }
  int write(int descriptor, const char* data, std::size_t size, std::size_t& written) override {
    const int fault = next();
    return fault != 0 ? fault : FileSystem::write(descriptor, data, std::min(size, most_per_write), written);
  }
  int sync(int descriptor) override {
    const int fault = next();
    return fault != 0 ? fault : FileSystem::sync(descriptor);
  }
  int sync_folder(const files::Path& folder) override {
    const int fault = next();
    return fault != 0 ? fault : FileSystem::sync_folder(folder);
  }
  int rename(const files::Path& from, const files::Path& to) override {
    const int fault = next();
    return fault != 0 ? fault : FileSystem::rename(from, to);
  }
  int rename_to_free(const files::Path& from, const files::Path& to) override {
    // Taking a step back needs no space.
    const int fault = taking_back_ ? 0 : next();
    if (fault != 0) return fault;
    if (other_file_system && from.parent_path() != to.parent_path()) return EXDEV;
    return FileSystem::rename_to_free(from, to);
  }
  int hard_link(const files::Path& from, const files::Path& to) override {
    const int fault = next();
    return fault != 0 ? fault : FileSystem::hard_link(from, to);
  }
  int symbolic_link(const files::Path& target, const files::Path& link) override {
    const int fault = next();
    return fault != 0 ? fault : FileSystem::symbolic_link(target, link);
  }
  int make_folder(const files::Path& path) override {
    const int fault = next();
    return fault != 0 ? fault : FileSystem::make_folder(path);
  }
  int remove_file(const files::Path& path) override { return removing_fails ? EACCES : FileSystem::remove_file(path); }
  int remove_folder(const files::Path& path) override {
    return removing_fails ? EACCES : FileSystem::remove_folder(path);
  }
  int free_space(const files::Path&, std::uint64_t& bytes) override {
    bytes = free_bytes;
    return 0;
  }

 private:
  int next() {
    ++calls;
    const bool fails = calls == fail_at || (calls > fail_at && keeps_failing);
    taking_back_ = taking_back_ || fails;
    return fails ? error : 0;
  }
  bool taking_back_ = false;
};

}  // namespace atelier
