// When a model whose engine crashes while loading may be tried again on demand. The first crash costs
// nothing; from the second on the waits double, from kFirst to kLongest. A model file that changed (size or
// time of change) starts anew, and so does one that loaded. Pure: the time is handed in.
//
// Requests that come during a wait are refused with the reason of the last crash instead of starting a process
// each, which is what a client that retries would otherwise do all day.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace atelier::runtime {

class RestartBackoff {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kFirst{1};
  static constexpr std::chrono::seconds kLongest{60};
  static constexpr std::size_t kMaxModels = 1000;

  struct Refusal {
    int crashes = 0;
    std::chrono::seconds wait{0};  // rounded up
    std::string reason;            // of the last crash
  };

  // `version` names the state of the file: anything that changes with it.
  std::optional<Refusal> refusal(const std::string& path, const std::string& version, Time now) const;
  void crashed(const std::string& path, const std::string& version, std::string reason, Time now);
  void loaded(const std::string& path) { models_.erase(path); }

 private:
  struct Record {
    std::string version;
    int crashes = 0;
    Time allowed{};
    std::string reason;
  };
  std::map<std::string, Record> models_;
};

}  // namespace atelier::runtime
