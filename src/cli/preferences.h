// What lms remembers between runs: HOME/.internal/cli-pref.json. Members that this version does not know are kept.
// A file that is missing or broken counts as empty; saving that fails is reported, never fatal to the command.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace atelier::cli {

class Preferences {
 public:
  static Preferences read(const std::filesystem::path& home);

  // Model keys, the latest first; at most 20.
  std::vector<std::string> last_loaded_models() const;
  void remember_loaded(std::string_view model_key);

  bool flag(std::string_view name) const;
  void set_flag(std::string_view name);

  Result<void> save() const;

 private:
  std::filesystem::path file_;
  json::Object members_;
};

}  // namespace atelier::cli
