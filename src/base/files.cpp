#include "base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>
#include <utility>

#ifdef __linux__
#include <linux/fs.h>
#include <sys/syscall.h>
#endif

namespace atelier::files {
namespace {

constexpr std::size_t kCopyBlock = 1024 * 1024;
// Left free beside a copy, so that the rest of the system keeps working.
constexpr std::uint64_t kFreeReserve = 16 * 1024 * 1024;

int result_of(int returned) { return returned == 0 ? 0 : errno; }

std::string_view advice(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT: return "free some space on that disk and try again";
    case EFBIG: return "the file is larger than this file system or the process's limit allows";
    case EACCES:
    case EPERM: return "check who owns it and its permissions";
    case EROFS: return "the disk is mounted read-only";
    case ENOENT: return "check the path";
    case ENOTDIR: return "a part of the path is a file, not a folder";
    case EEXIST: return "choose another name or remove what is there";
    case EXDEV: return "the two paths are on different file systems; copy instead";
    case EMLINK: return "the file has too many links; copy instead";
    case ELOOP: return "its symbolic links lead in a circle";
    case ENAMETOOLONG: return "choose a shorter name";
    case EMFILE:
    case ENFILE: return "too many files are open; close some programs or raise the limit";
    case EIO: return "the disk reports a fault; check it";
    case ENOTEMPTY: return "the folder is not empty";
    default: return {};
  }
}

// Closes at the end of the scope. sync() has reported what a late close could.
class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  int get() const { return value_; }
  int& slot() { return value_; }
  void close() {
    if (value_ >= 0) ::close(value_);
    value_ = -1;
  }

 private:
  int value_;
};

Identity identity_of(const struct stat& data) {
#ifdef __APPLE__
  const auto& mtime = data.st_mtimespec;
#else
  const auto& mtime = data.st_mtim;
#endif
  return {static_cast<std::uint64_t>(data.st_dev), static_cast<std::uint64_t>(data.st_ino),
          static_cast<std::uint64_t>(data.st_size),
          static_cast<std::int64_t>(mtime.tv_sec) * 1'000'000'000 + mtime.tv_nsec};
}

Kind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return Kind::kFile;
  if (S_ISDIR(mode)) return Kind::kFolder;
  if (S_ISLNK(mode)) return Kind::kLink;
  return Kind::kOther;
}

Status status_of(const struct stat& data) {
  return {kind_of(data.st_mode), identity_of(data), static_cast<std::uint32_t>(data.st_mode & 07777)};
}

std::unexpected<Error> io_failure(std::string_view action, const Path& path, int error_number) {
  return std::unexpected<Error>(io_error(action, path, error_number));
}

Path folder_of(const Path& path) {
  Path parent = path.parent_path();
  return parent.empty() ? Path(".") : parent;
}

// A file that is removed again unless it was given its final name.
class TemporaryFile {
 public:
  explicit TemporaryFile(FileSystem& system) : system_(system) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    descriptor_.close();
    if (!path_.empty()) system_.remove_file(path_);
  }

  Result<void> create_beside(const Path& final_path, mode_t mode) {
    std::random_device random;
    int error = EEXIST;
    for (int attempt = 0; attempt < 16 && error == EEXIST; ++attempt) {
      // Names may have 255 bytes; a leading dot keeps the file out of listings.
      Path candidate = folder_of(final_path) /
                       fmt::format(".{}.{:08x}.tmp", final_path.filename().string().substr(0, 200), random());
      error = system_.create(candidate, mode, descriptor_.slot());
      if (error == 0) path_ = std::move(candidate);
    }
    if (error != 0) return io_failure("create a temporary file for", final_path, error);
    return {};
  }

  Result<void> write(const Path& final_path, const char* data, std::size_t size) {
    while (size > 0) {
      std::size_t written = 0;
      if (const int error = system_.write(descriptor_.get(), data, size, written); error != 0) {
        return io_failure("write", final_path, error);
      }
      if (written == 0) return io_failure("write", final_path, EIO);
      data += written;
      size -= written;
    }
    return {};
  }

  Result<void> sync(const Path& final_path) {
    if (const int error = system_.sync(descriptor_.get()); error != 0) return io_failure("write", final_path, error);
    return {};
  }

  int descriptor() const { return descriptor_.get(); }
  const Path& path() const { return path_; }
  void release() { path_.clear(); }

 private:
  FileSystem& system_;
  Descriptor descriptor_;
  Path path_;
};

// Some file systems cannot sync a folder (EINVAL); their renames are as safe as they get.
Result<void> sync_folder_of(const Path& path, FileSystem& system) {
  const int error = system.sync_folder(folder_of(path));
  if (error != 0 && error != EINVAL && error != ENOTSUP) return io_failure("write the folder of", path, error);
  return {};
}

}  // namespace

Error io_error(std::string_view action, const Path& path, int error_number) {
  std::string message =
      fmt::format("cannot {} '{}': {}", action, path.string(), std::generic_category().message(error_number));
  if (const auto what_to_do = advice(error_number); !what_to_do.empty()) message.append("; ").append(what_to_do);
  ErrorCode code = ErrorCode::kIo;
  if (error_number == ENOENT || error_number == ENOTDIR) code = ErrorCode::kNotFound;
  if (error_number == EEXIST) code = ErrorCode::kConflict;
  return Error{code, std::move(message), {}};
}

FileSystem& FileSystem::real() {
  static FileSystem system;
  return system;
}

int FileSystem::open_to_read(const Path& path, int& descriptor) {
  descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  return descriptor >= 0 ? 0 : errno;
}

int FileSystem::create(const Path& path, mode_t mode, int& descriptor) {
  descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  return descriptor >= 0 ? 0 : errno;
}

int FileSystem::read_at(int descriptor, std::uint64_t offset, char* data, std::size_t size, std::size_t& got) {
  const ssize_t count = ::pread(descriptor, data, size, static_cast<off_t>(offset));
  if (count < 0) return errno;
  got = static_cast<std::size_t>(count);
  return 0;
}

int FileSystem::write(int descriptor, const char* data, std::size_t size, std::size_t& written) {
  ssize_t count = -1;
  do {
    count = ::write(descriptor, data, size);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return errno;
  written = static_cast<std::size_t>(count);
  return 0;
}

int FileSystem::sync(int descriptor) { return result_of(::fsync(descriptor)); }

int FileSystem::sync_folder(const Path& folder) {
  Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0) return errno;
  return result_of(::fsync(descriptor.get()));
}

int FileSystem::rename(const Path& from, const Path& to) { return result_of(::rename(from.c_str(), to.c_str())); }

int FileSystem::rename_to_free(const Path& from, const Path& to) {
#if defined(__linux__) && defined(SYS_renameat2)
  const long done = ::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (done == 0) return 0;
  if (errno != ENOSYS && errno != EINVAL) return errno;
#endif
  // File systems without that flag: a hard link fails where the name is taken, too.
  if (::link(from.c_str(), to.c_str()) == 0) {
    const int error = result_of(::unlink(from.c_str()));
    if (error != 0) ::unlink(to.c_str());
    return error;
  }
  if (errno != EPERM && errno != ENOTSUP && errno != EMLINK) return errno;
  // And without hard links: look first. Nothing else can make this one step.
  struct stat data{};
  if (::lstat(to.c_str(), &data) == 0) return EEXIST;
  return result_of(::rename(from.c_str(), to.c_str()));
}

int FileSystem::hard_link(const Path& from, const Path& to) {
  return result_of(::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW));
}

int FileSystem::symbolic_link(const Path& target, const Path& link) {
  return result_of(::symlink(target.c_str(), link.c_str()));
}

int FileSystem::make_folder(const Path& path) { return result_of(::mkdir(path.c_str(), 0755)); }

int FileSystem::remove_file(const Path& path) { return result_of(::unlink(path.c_str())); }

int FileSystem::remove_folder(const Path& path) { return result_of(::rmdir(path.c_str())); }

int FileSystem::free_space(const Path& path, std::uint64_t& bytes) {
  struct statvfs data{};
  if (::statvfs(path.c_str(), &data) != 0) return errno;
  bytes = static_cast<std::uint64_t>(data.f_bavail) * data.f_frsize;
  return 0;
}

Result<Status> path_status(const Path& path) {
  struct stat data{};
  if (::stat(path.c_str(), &data) != 0) return io_failure("look at", path, errno);
  return status_of(data);
}

Result<Status> link_status(const Path& path) {
  struct stat data{};
  if (::lstat(path.c_str(), &data) != 0) return io_failure("look at", path, errno);
  return status_of(data);
}

Result<Identity> identity(const Path& path) {
  const auto found = path_status(path);
  if (!found) return std::unexpected(found.error());
  return found->identity;
}

Result<void> write_atomically(const Path& path, std::string_view content, mode_t mode_if_new, FileSystem& system) {
  Path final_path = path;
  mode_t mode = mode_if_new;
  if (const auto old = path_status(path)) {
    if (old->kind != Kind::kFile) return fail(ErrorCode::kIo, fmt::format("'{}' is not a file", path.string()));
    mode = old->mode;
    std::error_code ignored;
    if (auto resolved = std::filesystem::canonical(path, ignored); !ignored) final_path = std::move(resolved);
  }
  TemporaryFile temporary(system);
  if (auto done = temporary.create_beside(final_path, mode); !done) return done;
  // The creation mask may have taken bits that the old file had.
  if (mode != mode_if_new) ::fchmod(temporary.descriptor(), mode);
  if (auto done = temporary.write(final_path, content.data(), content.size()); !done) return done;
  if (auto done = temporary.sync(final_path); !done) return done;
  if (const int error = system.rename(temporary.path(), final_path); error != 0) {
    return io_failure("replace", final_path, error);
  }
  temporary.release();
  auto synced = sync_folder_of(final_path, system);
  if (!synced) synced.error().message += "; the file is written, but a power cut could bring the old one back";
  return synced;
}

Result<std::string> read_file(const Path& path, std::uint64_t max_bytes, FileSystem& system) {
  auto file = ReadableFile::open(path, system);
  if (!file) return std::unexpected(file.error());
  // Files of /proc and /sys say that they have no bytes: read until the end, whatever the size was.
  std::string content;
  std::size_t want =
      static_cast<std::size_t>(std::min<std::uint64_t>(std::max<std::uint64_t>(file->size(), 4096), max_bytes)) + 1;
  while (true) {
    const std::size_t have = content.size();
    content.resize(have + want);
    const auto got = file->read_at(have, content.data() + have, want);
    if (!got) return std::unexpected(got.error());
    content.resize(have + *got);
    if (content.size() > max_bytes) {
      return fail(ErrorCode::kIo, fmt::format("'{}' has more than the {} bytes that are read of such a file",
                                              path.string(), max_bytes));
    }
    if (*got < want) return content;
    want = kCopyBlock;
  }
}

ReadableFile::ReadableFile(Path path, int descriptor, Identity identity, FileSystem& system)
    : path_(std::move(path)), descriptor_(descriptor), identity_(identity), system_(&system) {}

ReadableFile::ReadableFile(ReadableFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      identity_(other.identity_),
      system_(other.system_) {}

ReadableFile& ReadableFile::operator=(ReadableFile&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) ::close(descriptor_);
    path_ = std::move(other.path_);
    descriptor_ = std::exchange(other.descriptor_, -1);
    identity_ = other.identity_;
    system_ = other.system_;
  }
  return *this;
}

ReadableFile::~ReadableFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<ReadableFile> ReadableFile::open(const Path& path, FileSystem& system) {
  Descriptor descriptor;
  if (const int error = system.open_to_read(path, descriptor.slot()); error != 0) {
    return io_failure("open", path, error);
  }
  struct stat data{};
  if (::fstat(descriptor.get(), &data) != 0) return io_failure("look at", path, errno);
  if (!S_ISREG(data.st_mode)) return fail(ErrorCode::kIo, fmt::format("'{}' is not a file", path.string()));
  return ReadableFile(path, std::exchange(descriptor.slot(), -1), identity_of(data), system);
}

Result<Identity> ReadableFile::identity_now() const {
  struct stat data{};
  if (::fstat(descriptor_, &data) != 0) return io_failure("look at", path_, errno);
  return identity_of(data);
}

Result<std::size_t> ReadableFile::read_at(std::uint64_t offset, char* data, std::size_t size) const {
  std::size_t done = 0;
  while (done < size) {
    std::size_t got = 0;
    const int error = system_->read_at(descriptor_, offset + done, data + done, size - done, got);
    if (error == EINTR) continue;
    if (error != 0) return io_failure("read", path_, error);
    if (got == 0) break;
    done += got;
  }
  return done;
}

Result<void> copy_to_free(const Path& from, const Path& to, const CopyOptions& options, FileSystem& system) {
  auto source = ReadableFile::open(from, system);
  if (!source) return std::unexpected(source.error());
  const auto old = path_status(from);
  if (!old) return std::unexpected(old.error());
  if (link_status(to)) return io_failure("write", to, EEXIST);
  const std::uint64_t total = source->size();
  std::uint64_t free_bytes = 0;
  if (system.free_space(folder_of(to), free_bytes) == 0 && free_bytes < total + kFreeReserve) {
    return fail(ErrorCode::kIo,
                fmt::format("cannot copy '{}' to '{}': it has {} bytes and the disk has {} free; free some space on "
                            "that disk and try again",
                            from.string(), to.string(), total, free_bytes));
  }
  TemporaryFile temporary(system);
  if (auto done = temporary.create_beside(to, old->mode & 0777); !done) return done;
  std::vector<char> block(static_cast<std::size_t>(std::clamp<std::uint64_t>(total, 1, kCopyBlock)));
  std::uint64_t copied = 0;
  while (true) {
    const auto got = source->read_at(copied, block.data(), block.size());
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    if (auto done = temporary.write(to, block.data(), *got); !done) return done;
    copied += *got;
    if (options.progress && !options.progress(copied, total)) {
      return fail(ErrorCode::kCancelled, fmt::format("the copy of '{}' was stopped", from.string()));
    }
  }
  if (auto done = temporary.sync(to); !done) return done;
  if (options.verify) {
    const auto same = same_content(from, temporary.path(), system);
    if (!same) return std::unexpected(same.error());
    if (!*same) {
      return fail(ErrorCode::kIo, fmt::format("the copy of '{}' differs from it: the disk has a fault, or the file "
                                              "was changed meanwhile; try again",
                                              from.string()));
    }
  }
  const auto now = source->identity_now();
  if (!now || *now != source->identity()) {
    return fail(ErrorCode::kIo,
                fmt::format("'{}' was changed while it was copied; try again when it is complete", from.string()));
  }
  if (const int error = system.rename_to_free(temporary.path(), to); error != 0) return io_failure("write", to, error);
  temporary.release();
  if (auto done = sync_folder_of(to, system); !done) {
    system.remove_file(to);
    return done;
  }
  return {};
}

Result<bool> same_content(const Path& a, const Path& b, FileSystem& system) {
  auto first = ReadableFile::open(a, system);
  if (!first) return std::unexpected(first.error());
  auto second = ReadableFile::open(b, system);
  if (!second) return std::unexpected(second.error());
  if (first->size() != second->size()) return false;
  std::vector<char> one(kCopyBlock);
  std::vector<char> other(kCopyBlock);
  std::uint64_t offset = 0;
  while (true) {
    const auto got = first->read_at(offset, one.data(), one.size());
    if (!got) return std::unexpected(got.error());
    const auto also = second->read_at(offset, other.data(), other.size());
    if (!also) return std::unexpected(also.error());
    if (*got != *also || std::memcmp(one.data(), other.data(), *got) != 0) return false;
    if (*got < one.size()) return true;
    offset += *got;
  }
}

Result<std::vector<FolderEntry>> list_folder(const Path& folder, std::size_t max_entries) {
  struct Close {
    void operator()(DIR* open) const { ::closedir(open); }
  };
  const std::unique_ptr<DIR, Close> stream(::opendir(folder.c_str()));
  if (!stream) return io_failure("list", folder, errno);
  std::vector<FolderEntry> entries;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (entries.size() == max_entries) {
      return fail(ErrorCode::kIo,
                  fmt::format("the folder '{}' has more than {} entries", folder.string(), max_entries));
    }
    Kind kind = Kind::kOther;
    switch (entry->d_type) {
      case DT_REG: kind = Kind::kFile; break;
      case DT_DIR: kind = Kind::kFolder; break;
      case DT_LNK: kind = Kind::kLink; break;
      case DT_UNKNOWN:
        if (const auto found = link_status(folder / name)) kind = found->kind;
        break;
      default: break;
    }
    entries.push_back({std::string(name), kind});
  }
  if (errno != 0) return io_failure("list", folder, errno);
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

Result<std::vector<Path>> make_folders(const Path& folder, FileSystem& system) {
  std::vector<Path> missing;
  for (Path at = folder; !at.empty(); at = at.parent_path()) {
    const auto found = path_status(at);
    if (found && found->kind == Kind::kFolder) break;
    if (found) return io_failure("make the folder", folder, ENOTDIR);
    if (at.has_filename()) missing.push_back(at);
    if (at == at.parent_path()) break;
  }
  std::reverse(missing.begin(), missing.end());
  std::vector<Path> made;
  for (const Path& path : missing) {
    const int error = system.make_folder(path);
    if (error == 0) {
      made.push_back(path);
      continue;
    }
    if (const auto found = path_status(path); error == EEXIST && found && found->kind == Kind::kFolder) continue;
    for (auto back = made.rbegin(); back != made.rend(); ++back) system.remove_folder(*back);
    return io_failure("make the folder", path, error);
  }
  return made;
}

}  // namespace atelier::files
