#include "runtime/restart_backoff.h"

#include <algorithm>
#include <utility>

namespace atelier::runtime {

std::optional<RestartBackoff::Refusal> RestartBackoff::refusal(const std::string& path, const std::string& version,
                                                               Time now) const {
  const auto found = models_.find(path);
  if (found == models_.end() || found->second.version != version || now >= found->second.allowed) return std::nullopt;
  const Record& record = found->second;
  return Refusal{record.crashes, std::chrono::ceil<std::chrono::seconds>(record.allowed - now), record.reason};
}

void RestartBackoff::crashed(const std::string& path, const std::string& version, std::string reason, Time now) {
  if (models_.size() >= kMaxModels && !models_.contains(path)) models_.erase(models_.begin());
  Record& record = models_[path];
  if (record.version != version) record = Record{version, 0, {}, {}};
  ++record.crashes;
  record.reason = std::move(reason);
  if (record.crashes < 2) {
    record.allowed = now;
    return;
  }
  const int doublings = std::min(record.crashes - 2, 10);
  record.allowed = now + std::min(kFirst * (1 << doublings), kLongest);
}

}  // namespace atelier::runtime
