// Files as Atelier writes and reads them: whole, bounded, and never half-written.
//
// Every change to a disk goes through FileSystem, a seam of plain system calls, so that a test can make
// the n-th one fail (disk full, no permission) and see that nothing was lost. Programs use
// FileSystem::real(), which is the default everywhere.
//
// Errors are ErrorCode::kIo (kNotFound where the file is absent, kConflict where a name is taken,
// kCancelled where the caller stopped a copy). The message names the path, the system's reason and what
// to do about it. Functions block; any thread may call them; FileSystem::real() has no state.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace atelier::files {

using Path = std::filesystem::path;

// What tells whether a path still leads to the same bytes, without reading them.
struct Identity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;     // bytes
  std::int64_t mtime_ns = 0;  // nanoseconds since 1970
  friend bool operator==(const Identity&, const Identity&) = default;
};

enum class Kind { kFile, kFolder, kLink, kOther };  // kLink only where links are not followed

struct Status {
  Kind kind = Kind::kOther;
  Identity identity;
  std::uint32_t mode = 0;  // permission bits
};

// System calls that change a disk or read bytes from it. Each returns 0 or an errno value. The members
// are the real calls; a test overrides those that are to fail.
class FileSystem {
 public:
  static FileSystem& real();

  virtual ~FileSystem() = default;
  virtual int open_to_read(const Path& path, int& descriptor);         // never waits (FIFOs), close-on-exec
  virtual int create(const Path& path, mode_t mode, int& descriptor);  // fails where the name is taken
  virtual int read_at(int descriptor, std::uint64_t offset, char* data, std::size_t size, std::size_t& got);
  virtual int write(int descriptor, const char* data, std::size_t size, std::size_t& written);
  virtual int sync(int descriptor);
  virtual int sync_folder(const Path& folder);
  virtual int rename(const Path& from, const Path& to);          // replaces what is there
  virtual int rename_to_free(const Path& from, const Path& to);  // EEXIST where `to` is taken
  virtual int hard_link(const Path& from, const Path& to);       // follows `from`
  virtual int symbolic_link(const Path& target, const Path& link);
  virtual int make_folder(const Path& path);
  virtual int remove_file(const Path& path);
  virtual int remove_folder(const Path& path);                     // only an empty one
  virtual int free_space(const Path& path, std::uint64_t& bytes);  // for an ordinary user
};

// "cannot ACTION 'PATH': No space left on device; free some space on that disk and try again".
Error io_error(std::string_view action, const Path& path, int error_number);

// What the path leads to (links followed), or what it is itself.
Result<Status> path_status(const Path& path);
Result<Status> link_status(const Path& path);
Result<Identity> identity(const Path& path);

// Replaces the file in one step: a temporary file in the same folder is written, synced and renamed over
// it, then the folder is synced. After a failure the old file is untouched and the temporary gone; only
// where syncing the folder fails is the new file in place, whole, and the error says that a power cut could
// still bring the old one back. A file that exists keeps its permissions; a symbolic link keeps being one,
// and what it leads to is replaced.
Result<void> write_atomically(const Path& path, std::string_view content, mode_t mode_if_new = 0644,
                              FileSystem& system = FileSystem::real());

// The whole file. One larger than `max_bytes` is an error, so that nothing read from a disk is unbounded.
Result<std::string> read_file(const Path& path, std::uint64_t max_bytes, FileSystem& system = FileSystem::real());

// A regular file, open for reading at any offset. Movable; one thread at a time.
class ReadableFile {
 public:
  static Result<ReadableFile> open(const Path& path, FileSystem& system = FileSystem::real());
  ReadableFile(ReadableFile&& other) noexcept;
  ReadableFile& operator=(ReadableFile&& other) noexcept;
  ~ReadableFile();

  const Path& path() const { return path_; }
  const Identity& identity() const { return identity_; }  // when it was opened
  std::uint64_t size() const { return identity_.size; }
  Result<Identity> identity_now() const;
  // Reads as many bytes as there are, up to `size`; fewer only at the end of the file.
  Result<std::size_t> read_at(std::uint64_t offset, char* data, std::size_t size) const;

 private:
  ReadableFile(Path path, int descriptor, Identity identity, FileSystem& system);
  Path path_;
  int descriptor_ = -1;
  Identity identity_;
  FileSystem* system_;
};

// Bytes copied so far and in all; false stops the copy with kCancelled.
using CopyProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

// Copies bytes and permissions to a name that must be free, synced to disk, in one step as
// write_atomically does. Asks for the disk's free space first. With `verify` both files are read again
// and compared. After a failure nothing is left behind.
struct CopyOptions {
  bool verify = false;
  CopyProgress progress;
};
Result<void> copy_to_free(const Path& from, const Path& to, const CopyOptions& options = {},
                          FileSystem& system = FileSystem::real());

Result<bool> same_content(const Path& a, const Path& b, FileSystem& system = FileSystem::real());

struct FolderEntry {
  std::string name;
  Kind kind = Kind::kOther;  // of the entry itself
};
// Entries in the order of their names, "." and ".." left out. More than `max_entries` is an error.
Result<std::vector<FolderEntry>> list_folder(const Path& folder, std::size_t max_entries = 100'000);

// Makes the folder and those above it; returns the ones that were not there, outermost first, so that a
// caller can take them back. After a failure none of them is left.
Result<std::vector<Path>> make_folders(const Path& folder, FileSystem& system = FileSystem::real());

}  // namespace atelier::files
