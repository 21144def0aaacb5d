#include "models/facts_cache.h"

#include <fmt/core.h>

#include "base/json.h"

namespace atelier::models {
namespace {

// Raised whenever Facts or the reading of them changes.
constexpr std::int64_t kFormat = 1;
constexpr std::uint64_t kMaxCacheBytes = 256 * 1024 * 1024;

// File systems stamp changes with a clock that ticks every 1 to 10 ms (2 s on FAT). A file that was changed
// less than this before it was read could change again under the same stamp and size.
constexpr std::int64_t kSettleNs = 100'000'000;

std::optional<files::Identity> identity_from_json(const json::Value& value) {
  files::Identity identity;
  const auto read = [&](const char* name, std::uint64_t& to) {
    const json::Value* member = value.find(name);
    if (member == nullptr) return false;
    if (const auto* large = std::get_if<std::uint64_t>(&member->data())) {
      to = *large;
      return true;
    }
    const auto number = member->integer();
    if (!number || *number < 0) return false;
    to = static_cast<std::uint64_t>(*number);
    return true;
  };
  const json::Value* mtime = value.find("mtime_ns");
  const auto mtime_ns = mtime == nullptr ? std::nullopt : mtime->integer();
  if (!read("device", identity.device) || !read("inode", identity.inode) || !read("size", identity.size) || !mtime_ns) {
    return std::nullopt;
  }
  identity.mtime_ns = *mtime_ns;
  return identity;
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::string FactsCache::load() {
  records_.clear();
  changed_ = false;
  if (file_.empty()) return {};
  const auto text = files::read_file(file_, kMaxCacheBytes, system_);
  if (!text) return text.error().code == ErrorCode::kNotFound ? std::string() : text.error().message;
  const auto document = json::parse(*text);
  const json::Value* format = document ? document->find("format") : nullptr;
  const json::Value* list = document ? document->find("files") : nullptr;
  if (format == nullptr || format->integer() != kFormat || list == nullptr || !list->is_array()) {
    changed_ = true;  // write a good one
    return {};
  }
  for (const json::Value& element : *list->if_array()) {
    const json::Value* path = element.find("path");
    const auto identity = identity_from_json(element);
    if (path == nullptr || !path->is_string() || !identity) continue;
    Record record;
    record.identity = *identity;
    if (const json::Value* facts = element.find("facts")) {
      record.facts = facts_from_json(*facts);
      if (!record.facts) continue;
    } else if (const json::Value* error = element.find("error"); error != nullptr && error->is_string()) {
      record.error = Error{ErrorCode::kCorrupt, *error->if_string(), {}};
    } else {
      continue;
    }
    records_.insert_or_assign(*path->if_string(), std::move(record));
  }
  return {};
}

std::string FactsCache::save() {
  if (file_.empty() || !changed_) return {};
  json::Array list;
  for (const auto& [path, record] : records_) {
    if (!record.settled) continue;
    json::Object element;
    element.append("path", path);
    element.append("device", record.identity.device);
    element.append("inode", record.identity.inode);
    element.append("size", record.identity.size);
    element.append("mtime_ns", record.identity.mtime_ns);
    if (record.facts) {
      element.append("facts", to_json(*record.facts));
    } else {
      element.append("error", record.error.message);
    }
    list.emplace_back(std::move(element));
  }
  const json::Value document = json::Object{{"format", kFormat}, {"files", std::move(list)}};
  const auto written = files::write_atomically(file_, json::dump(document), 0600, system_);
  if (!written) return written.error().message;
  changed_ = false;
  return {};
}

Result<Facts> FactsCache::facts(const files::Path& path, const files::Identity& identity) {
  const std::string name = path.string();
  auto at = records_.find(name);
  if (at == records_.end() || !at->second.settled || at->second.identity != identity) {
    auto record = read(path);
    if (!record) {
      if (at != records_.end()) records_.erase(at);
      return std::unexpected(record.error());
    }
    at = records_.insert_or_assign(name, std::move(*record)).first;
    changed_ = true;
  }
  at->second.used = true;
  if (!at->second.facts) return std::unexpected(at->second.error);
  return *at->second.facts;
}

Result<FactsCache::Record> FactsCache::read(const files::Path& path) {
  ++files_read_;
  Record record;
  const std::int64_t begin = now_ns();
  auto file = files::ReadableFile::open(path, system_);
  if (!file) return std::unexpected(file.error());
  record.identity = file->identity();
  auto facts = read_facts(FileSource(*file));
  if (facts) {
    record.facts = std::move(*facts);
  } else if (facts.error().code == ErrorCode::kCorrupt) {
    record.error = facts.error();
  } else {
    return std::unexpected(facts.error());
  }
  const auto after = file->identity_now();
  const std::int64_t age = begin - record.identity.mtime_ns;
  // A stamp from the future is a clock that was set, not a fresh change.
  record.settled = after && *after == record.identity && (age > kSettleNs || age < -kSettleNs);
  return record;
}

bool FactsCache::settled(const files::Path& path) const {
  const auto at = records_.find(path.string());
  return at != records_.end() && at->second.settled;
}

void FactsCache::drop_unused() {
  for (auto at = records_.begin(); at != records_.end();) {
    if (at->second.used) {
      at->second.used = false;
      ++at;
    } else {
      at = records_.erase(at);
      changed_ = true;
    }
  }
}

}  // namespace atelier::models
