#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "base/json.h"
#include "runtime/instances.h"

namespace atelier::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxRuntimeJsonBytes = 64 * 1024;

std::unexpected<Error> wrong(const fs::path& file, std::string_view what) {
  return fail(ErrorCode::kCorrupt, fmt::format("The runtime {} cannot be used: {}", file.string(), what));
}

// A member that is a path relative to the file's folder; empty where absent and not needed.
Result<fs::path> member_path(const json::Value& document, const char* name, const fs::path& file, bool needed) {
  const json::Value* member = document.find(name);
  if (member == nullptr || member->is_null()) {
    if (needed) return wrong(file, fmt::format("it has no \"{}\"", name));
    return fs::path();
  }
  const std::string* text = member->if_string();
  if (text == nullptr || text->empty()) return wrong(file, fmt::format("\"{}\" is not a path", name));
  fs::path path = (file.parent_path() / *text).lexically_normal();
  std::error_code error;
  if (!fs::exists(path, error)) {
    return wrong(file,
                 fmt::format("\"{}\" names {}, which is not there; build or install the engine", name, path.string()));
  }
  return path;
}

}  // namespace

Result<EngineRuntime> EngineRuntime::read(const fs::path& runtime_json) {
  std::error_code error;
  const fs::path file = fs::absolute(runtime_json, error);
  std::ifstream in(file, std::ios::binary);
  if (!in) return wrong(file, "the file cannot be read");
  std::string text(kMaxRuntimeJsonBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMaxRuntimeJsonBytes) return wrong(file, "it is larger than 64 KiB");
  auto document = json::parse(text);
  if (!document) return wrong(file, document.error().message);
  if (!document->is_object()) return wrong(file, "it is not a JSON object");

  EngineRuntime runtime;
  const auto string_member = [&](const char* name, std::string otherwise) {
    const json::Value* member = document->find(name);
    const std::string* value = member == nullptr ? nullptr : member->if_string();
    if (value != nullptr) return *value;
    return otherwise;
  };
  runtime.name = string_member("name", file.parent_path().filename().string());
  runtime.version = string_member("version", "");
  struct PathMember {
    const char* name;
    fs::path EngineRuntime::* target;
    bool needed;
  };
  for (const PathMember& member :
       {PathMember{"exe", &EngineRuntime::exe, true}, PathMember{"loader", &EngineRuntime::loader, false},
        PathMember{"library_path", &EngineRuntime::library_path, false},
        PathMember{"backends_dir", &EngineRuntime::backends_dir, false}}) {
    auto path = member_path(*document, member.name, file, member.needed);
    if (!path) return std::unexpected(path.error());
    runtime.*member.target = std::move(*path);
  }
  if (!runtime.loader.empty() && runtime.library_path.empty()) {
    return wrong(file, "a \"loader\" needs a \"library_path\"");
  }
  return runtime;
}

}  // namespace atelier::runtime
