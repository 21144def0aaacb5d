#include "cli/preferences.h"

#include "base/files.h"

namespace atelier::cli {
namespace {

constexpr std::size_t kRememberedModels = 20;
constexpr std::string_view kLastLoaded = "lastLoadedModels";

}  // namespace

Preferences Preferences::read(const std::filesystem::path& home) {
  Preferences result;
  result.file_ = home / ".internal" / "cli-pref.json";
  auto text = files::read_file(result.file_, 1024 * 1024);
  if (!text) return result;
  auto parsed = json::parse(*text);
  if (parsed && parsed->if_object()) result.members_ = *parsed->if_object();
  return result;
}

std::vector<std::string> Preferences::last_loaded_models() const {
  std::vector<std::string> keys;
  const json::Value* value = members_.find(kLastLoaded);
  const json::Array* list = value ? value->if_array() : nullptr;
  if (!list) return keys;
  for (const json::Value& entry : *list) {
    if (const std::string* key = entry.if_string(); key && keys.size() < kRememberedModels) keys.push_back(*key);
  }
  return keys;
}

void Preferences::remember_loaded(std::string_view model_key) {
  json::Array list{json::Value(model_key)};
  for (std::string& key : last_loaded_models()) {
    if (key != model_key && list.size() < kRememberedModels) list.push_back(std::move(key));
  }
  members_.set(kLastLoaded, std::move(list));
}

bool Preferences::flag(std::string_view name) const {
  const json::Value* value = members_.find(name);
  return value && value->if_bool() && *value->if_bool();
}

void Preferences::set_flag(std::string_view name) { members_.set(name, true); }

Result<void> Preferences::save() const {
  std::error_code problem;
  std::filesystem::create_directories(file_.parent_path(), problem);  // a failure shows itself in the write
  return files::write_atomically(file_, json::dump(json::Value(members_), {.indent = 2}) + "\n", 0600);
}

}  // namespace atelier::cli
