#include "engine/kv_block_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

namespace atelier::engine {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kMagic = "atelkv01";
constexpr std::string_view kSuffix = ".kv";
// Magic, key, number of tokens; behind the content a hash over all that comes before it.
constexpr std::size_t kHeaderBytes = 8 + sizeof(BlockKey) + sizeof(std::uint32_t);
constexpr std::uint64_t kMostFileBytes = std::uint64_t{1} << 30;
// What waits for the disk is in memory: a disk that is too slow gets less.
constexpr std::uint64_t kMostWaitingBytes = std::uint64_t{256} << 20;

std::string_view text_of(std::span<const std::int32_t> tokens) {
  const auto bytes = std::as_bytes(tokens);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A file's bytes up to the state.
std::string header_of(const BlockKey& key, std::span<const std::int32_t> tokens) {
  std::string header(kMagic);
  header.append(reinterpret_cast<const char*>(key.data()), key.size());
  const auto count = static_cast<std::uint32_t>(tokens.size());
  header.append(reinterpret_cast<const char*>(&count), sizeof count);
  header += text_of(tokens);
  return header;
}

}  // namespace

KvBlockStore::KvBlockStore(Options options) : options_(std::move(options)) {
  if (options_.folder.empty() || options_.disk_bytes == 0) {
    options_.folder.clear();
    return;
  }
  if (!make_folder(options_.folder)) {
    if (options_.warn) options_.warn(files::io_error("make the folder", options_.folder, errno).message);
    options_.folder.clear();
    return;
  }
  std::error_code error;
  for (fs::directory_iterator it(options_.folder, error), end; !error && it != end; it.increment(error)) {
    BlockKey key;
    if (it->path().extension() == kSuffix && from_hex(it->path().stem().string(), key)) on_disk_.insert(key);
  }
  writer_ = std::thread([this] { write_jobs(); });
}

bool KvBlockStore::make_folder(const fs::path& path) {
  const fs::path parent = path.parent_path();
  std::error_code error;
  fs::create_directories(parent.parent_path(), error);
  for (const fs::path& folder : {parent, path}) {
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return false;
  }
  return true;
}

KvBlockStore::~KvBlockStore() {
  if (!writer_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  writer_.join();
}

fs::path KvBlockStore::file_of(const BlockKey& key) const {
  return options_.folder / (to_hex(key) + std::string(kSuffix));
}

bool KvBlockStore::contains(const BlockKey& key) const {
  if (memory_.contains(key)) return true;
  const std::lock_guard lock(mutex_);
  return on_disk_.contains(key);
}

KvBlockStore::Counters KvBlockStore::counters() const {
  const std::lock_guard lock(mutex_);
  return {memory_bytes_, memory_.size(), on_disk_.size(), written_, refused_};
}

void KvBlockStore::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return jobs_.empty() && !writing_; });
}

// ---------------------------------------------------------------- memory

KvBlockStore::Found KvBlockStore::find(const Name& name, std::span<const std::int32_t> tokens) {
  const BlockKey& key = name.key;
  if (const auto it = memory_.find(key); it != memory_.end()) {
    if (!std::equal(tokens.begin(), tokens.end(), it->second.tokens.begin(), it->second.tokens.end())) return {};
    ages_.splice(ages_.end(), ages_, it->second.age);
    return {it->second.state, Tier::kMemory};
  }
  {
    const std::lock_guard lock(mutex_);
    if (!on_disk_.contains(key)) return {};
  }
  std::shared_ptr<const State> state = read(key, tokens);
  if (state == nullptr) {
    remove(key);
    return {};
  }
  keep_in_memory(name, tokens, state);
  return {std::move(state), Tier::kDisk};
}

KvBlockStore::Beginning KvBlockStore::find_beginning(const BlockKey& before, std::span<const std::int32_t> tokens) {
  Beginning found;
  const auto [begin, end] = behind_.equal_range(before);
  for (auto it = begin; it != end; ++it) {
    const Entry& entry = memory_.at(it->second);
    const auto differ = std::ranges::mismatch(entry.tokens, tokens).in1;
    const auto common = static_cast<std::size_t>(differ - entry.tokens.begin());
    if (common > found.common) found = {entry.state, entry.tokens.size(), common, it->second};
  }
  if (found.common > 0) ages_.splice(ages_.end(), ages_, memory_.at(found.key).age);
  return found;
}

void KvBlockStore::put(const Name& name, std::span<const std::int32_t> tokens, State state, Keep keep) {
  auto shared = std::make_shared<const State>(std::move(state));
  keep_in_memory(name, tokens, shared);
  if (options_.folder.empty() || keep == Keep::kInMemory) return;
  {
    const std::lock_guard lock(mutex_);
    if (broken_ || on_disk_.contains(name.key) || job_bytes_ + shared->size() > kMostWaitingBytes) return;
    job_bytes_ += shared->size();
    jobs_.push_back({name.key, {tokens.begin(), tokens.end()}, std::move(shared)});
  }
  changed_.notify_all();
}

void KvBlockStore::keep_in_memory(const Name& name, std::span<const std::int32_t> tokens,
                                  std::shared_ptr<const State> state) {
  if (memory_.contains(name.key) || state->size() > options_.memory_bytes) return;
  while (memory_bytes_ + state->size() > options_.memory_bytes) forget_in_memory(memory_.find(ages_.front()));
  memory_bytes_ += state->size();
  const auto age = ages_.insert(ages_.end(), name.key);
  const auto behind = behind_.emplace(name.before, name.key);
  memory_.emplace(name.key, Entry{std::move(state), {tokens.begin(), tokens.end()}, age, behind});
}

void KvBlockStore::forget_in_memory(Entries::iterator entry) {
  memory_bytes_ -= entry->second.state->size();
  ages_.erase(entry->second.age);
  behind_.erase(entry->second.behind);
  memory_.erase(entry);
}

void KvBlockStore::remove(const BlockKey& key) {
  ++refused_;
  if (const auto it = memory_.find(key); it != memory_.end()) forget_in_memory(it);
  if (options_.folder.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    on_disk_.erase(key);
  }
  options_.system->remove_file(file_of(key));
}

// ---------------------------------------------------------------- disk

std::shared_ptr<const KvBlockStore::State> KvBlockStore::read(const BlockKey& key,
                                                              std::span<const std::int32_t> tokens) {
  const fs::path path = file_of(key);
  const auto content = files::read_file(path, kMostFileBytes, *options_.system);
  const std::string header = header_of(key, tokens);
  if (!content || content->size() < header.size() + sizeof(Sha256Digest) || !content->starts_with(header))
    return nullptr;
  const std::string_view hashed(content->data(), content->size() - sizeof(Sha256Digest));
  const Sha256Digest hash = sha256(std::as_bytes(std::span(hashed)));
  if (std::memcmp(hash.data(), content->data() + hashed.size(), hash.size()) != 0) return nullptr;
  // Used now: files that were not used for longest go first.
  ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
  return std::make_shared<const State>(content->begin() + static_cast<std::ptrdiff_t>(header.size()),
                                       content->begin() + static_cast<std::ptrdiff_t>(hashed.size()));
}

void KvBlockStore::write_jobs() {
  // Everything that lies there already, from this engine's earlier life or from others.
  keep_within_bound(0);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return closing_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    job_bytes_ -= job.state->size();
    writing_ = true;
    const bool skip = broken_;
    lock.unlock();
    const bool written = !skip && write(job);
    lock.lock();
    writing_ = false;
    if (written) {
      on_disk_.insert(job.key);
      ++written_;
    }
    changed_.notify_all();
  }
}

bool KvBlockStore::write(const Job& job) {
  std::string content = header_of(job.key, job.tokens);
  content.append(reinterpret_cast<const char*>(job.state->data()), job.state->size());
  const Sha256Digest hash = sha256(std::as_bytes(std::span(content)));
  content.append(reinterpret_cast<const char*>(hash.data()), hash.size());
  if (bytes_below_parent_ + content.size() > options_.disk_bytes) keep_within_bound(content.size());
  if (bytes_below_parent_ + content.size() > options_.disk_bytes) return false;
  const auto done = files::write_atomically(file_of(job.key), content, 0600, *options_.system);
  if (done) {
    bytes_below_parent_ += content.size();
    return true;
  }
  // A disk that is full or gone stays so for a while: what is in memory has to do.
  {
    const std::lock_guard lock(mutex_);
    broken_ = true;
  }
  if (options_.warn) options_.warn(done.error().message + ". Prompts are no longer kept on disk by this engine");
  return false;
}

// Counts all files below the parent; where there are too many bytes, the least recently used go until a tenth is free.
void KvBlockStore::keep_within_bound(std::uint64_t more) {
  struct File {
    fs::path path;
    std::uint64_t size;
    std::int64_t used;
  };
  std::vector<File> files;
  bytes_below_parent_ = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(options_.folder.parent_path(), error), end; !error && it != end;
       it.increment(error)) {
    struct stat data{};
    // Of anybody's blocks, and what was half written.
    if (it->path().filename().string().find(kSuffix) == std::string::npos) continue;
    if (::lstat(it->path().c_str(), &data) != 0 || !S_ISREG(data.st_mode)) continue;
    const std::int64_t used = data.st_mtim.tv_sec * std::int64_t{1'000'000'000} + data.st_mtim.tv_nsec;
    files.push_back({it->path(), static_cast<std::uint64_t>(data.st_size), used});
    bytes_below_parent_ += files.back().size;
  }
  if (bytes_below_parent_ + more <= options_.disk_bytes) return;
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.used < b.used; });
  const std::uint64_t wanted = options_.disk_bytes / 10 * 9;
  for (const File& file : files) {
    if (bytes_below_parent_ + more <= wanted) return;
    bytes_below_parent_ -= file.size;
    options_.system->remove_file(file.path);
    BlockKey key;
    if (file.path.parent_path() != options_.folder || !from_hex(file.path.stem().string(), key)) continue;
    const std::lock_guard lock(mutex_);
    on_disk_.erase(key);
  }
}

}  // namespace atelier::engine
