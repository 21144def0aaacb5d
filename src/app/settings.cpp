#include "app/settings.h"

#include <fmt/format.h>

#include "base/files.h"
#include "base/json.h"

namespace atelier::app {
namespace {

constexpr std::int64_t kMostCacheMib = std::int64_t{1} << 30;
constexpr std::uint64_t kMaxSettingsBytes = 1024 * 1024;

std::filesystem::path listener_file(const paths::Home& home) { return home.internal() / "http-server-config.json"; }

// Reads members and remembers the first one that has the wrong type.
class Reader {
 public:
  Reader(const json::Value& root, std::filesystem::path file) : root_(root), file_(std::move(file)) {}

  void boolean(std::string_view key, bool& target) {
    if (const json::Value* value = member(key)) {
      if (const bool* flag = value->if_bool())
        target = *flag;
      else
        wrong(key, "true or false");
    }
  }
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least) {
    const json::Value* value = member(key);
    if (value == nullptr) return std::nullopt;
    const auto number = value->integer();
    if (!number || *number < least || *number > INT32_MAX) {
      wrong(key, fmt::format("a whole number of at least {}", least));
      return std::nullopt;
    }
    return number;
  }
  std::optional<std::string> string(std::string_view key) {
    const json::Value* value = member(key);
    if (value == nullptr) return std::nullopt;
    if (const std::string* text = value->if_string()) return *text;
    wrong(key, "a text");
    return std::nullopt;
  }
  std::vector<std::string> strings(std::string_view key) {
    std::vector<std::string> all;
    const json::Value* value = member(key);
    if (value == nullptr) return all;
    if (const json::Array* array = value->if_array()) {
      for (const json::Value& item : *array) {
        if (const std::string* text = item.if_string())
          all.push_back(*text);
        else
          wrong(key, "an array of texts");
      }
    } else {
      wrong(key, "an array of texts");
    }
    return all;
  }
  void wrong(std::string_view key, std::string_view expected) {
    if (!error_) {
      error_ = Error{ErrorCode::kInvalidRequest,
                     fmt::format("'{}' in {} must be {}; correct it or remove it", key, file_.string(), expected),
                     std::string(key)};
    }
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const json::Value* member(std::string_view key) const {
    const json::Value* value = root_.find(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  const json::Value& root_;
  std::filesystem::path file_;
  std::optional<Error> error_;
};

using Guardrails = predict::ModelSettings::Guardrails;

std::optional<Guardrails> guardrails_from(std::string_view name) {
  if (name == "off") return Guardrails::kOff;
  if (name == "relaxed") return Guardrails::kRelaxed;
  if (name == "balanced") return Guardrails::kBalanced;
  if (name == "strict") return Guardrails::kStrict;
  return std::nullopt;
}

}  // namespace

Result<Settings> Settings::read(const paths::Home& home) {
  Settings settings;
  settings.models_folder = home.models();
  const auto text = files::read_file(home.settings(), kMaxSettingsBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) return settings;
  if (!text) return std::unexpected(text.error());
  const auto root = json::parse(*text);
  if (!root) {
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("{}: {}; correct the file or remove it", home.settings().string(), root.error().message));
  }
  Reader reader(*root, home.settings());
  if (const auto folder = reader.string("downloadsFolder"); folder && !folder->empty())
    settings.models_folder = *folder;
  reader.boolean("jit", settings.models.jit);
  reader.boolean("jit_auto_unload", settings.models.jit_auto_unload);
  reader.boolean("jit_single", settings.jit_single);
  reader.boolean("engine_sandbox", settings.engine_sandbox);
  reader.boolean("metrics", settings.metrics);
  reader.boolean("separate_reasoning", settings.models.separate_reasoning);
  if (const auto ttl = reader.integer("jit_ttl_seconds", 1)) settings.models.jit_ttl = std::chrono::seconds(*ttl);
  if (const auto queue = reader.integer("max_queue", 1)) settings.max_queue = static_cast<std::uint32_t>(*queue);
  if (const auto mib = reader.integer("kv_cache_disk_mib", 0)) {
    settings.kv_cache_disk_mib = static_cast<std::uint64_t>(std::min(*mib, kMostCacheMib));
  }
  if (const auto name = reader.string("guardrails")) {
    const auto level = guardrails_from(*name);
    if (level)
      settings.models.guardrails = *level;
    else
      reader.wrong("guardrails", "\"off\", \"relaxed\", \"balanced\" or \"strict\"");
  }
  settings.allowed_hosts = reader.strings("allowed_hosts");
  if (reader.error()) return std::unexpected(*reader.error());
  return settings;
}

ListenerConfig ListenerConfig::read(const paths::Home& home) {
  ListenerConfig config;
  const auto text = files::read_file(listener_file(home), kMaxSettingsBytes);
  if (!text) return config;
  const auto root = json::parse(*text);
  if (!root) return config;
  Reader reader(*root, listener_file(home));
  if (const auto port = reader.integer("port", 1); port && *port <= 65535)
    config.port = static_cast<std::uint16_t>(*port);
  if (const auto host = reader.string("networkInterface"); host && !host->empty()) config.host = *host;
  reader.boolean("cors", config.cors);
  reader.boolean("allowUnauthenticated", config.allow_unauthenticated);
  reader.boolean("running", config.running);
  return config;
}

Result<void> ListenerConfig::write(const paths::Home& home) const {
  const json::Value root = json::Object{{"port", port},
                                        {"networkInterface", host},
                                        {"cors", cors},
                                        {"allowUnauthenticated", allow_unauthenticated},
                                        {"running", running}};
  return files::write_atomically(listener_file(home), json::dump(root, {.indent = 2, .key_separator = ": "}) + "\n");
}

}  // namespace atelier::app
