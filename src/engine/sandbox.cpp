#include "engine/sandbox.h"

#include <fmt/format.h>
#include <link.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>

#include "engine/file_sandbox.h"
#include "engine/model_files.h"
#include "engine/system_call_filter.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ATELIER_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define ATELIER_SANITIZED 1
#endif
#endif

namespace atelier::engine {

namespace {

namespace fs = std::filesystem;

void add_file(const fs::path& path, SandboxPlan& plan) {
  plan.readable.push_back(path.string());
  // The kernel looks at where a link leads; the rule is for that file anyway. This is for the other parts of a split
  // model that a store keeps under other names.
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (!error && real != path) plan.readable.push_back(real.string());
}

// Folders of the libraries in this process: plug-ins and their own libraries are loaded from there later.
std::set<std::string> library_folders() {
  std::set<std::string> folders;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        const fs::path path = info->dlpi_name;
        std::error_code error;
        if (!path.is_absolute() || !path.filename().string().contains(".so")) return 0;
        const fs::path folder = fs::canonical(path.parent_path(), error);
        if (!error) static_cast<std::set<std::string>*>(out)->insert(folder.string());
        return 0;
      },
      &folders);
  return folders;
}

}  // namespace

bool sandbox_is_possible() {
#ifdef ATELIER_SANITIZED
  return false;
#else
  return true;
#endif
}

SandboxPlan plan_sandbox(const std::vector<std::string>& models, const std::string& backends) {
  SandboxPlan plan;
  for (const std::string& model : models) {
    if (model.empty()) continue;
    for (const fs::path& file : model_parts(model)) add_file(file, plan);
  }
  for (const std::string& folder : library_folders()) plan.readable.push_back(folder);
  if (!backends.empty()) plan.readable.push_back(backends);
  // Not /proc as a whole: the environment of other processes, with their keys, can be read there.
  for (const char* path : {"/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/version",
                           "/proc/filesystems", "/proc/sys/vm", "/proc/sys/kernel", "/sys", "/etc/ld.so.cache",
                           "/etc/localtime", "/dev/urandom", "/dev/random"}) {
    plan.readable.emplace_back(path);
  }
  return plan;
}

SandboxReport enter_sandbox(const SandboxPlan& plan) {
  SandboxReport report;
  const FileRestriction files = restrict_files(plan);
  report.landlock_version = files.landlock_version;
  report.threads_left_out = files.threads_left_out;
  report.system_calls = filter_system_calls();
  return report;
}

std::string SandboxReport::describe() const {
  if (landlock_version == 0 && !system_calls) {
    return "Sandbox: off, the kernel offers neither Landlock nor seccomp; the engine runs with the user's full rights";
  }
  std::string out = "Sandbox: ";
  out += landlock_version > 0 ? fmt::format("files by Landlock {}", landlock_version)
                              : std::string("files not restricted (the kernel has no Landlock)");
  if (threads_left_out > 0) out += fmt::format(" except in {} threads of a driver", threads_left_out);
  out += system_calls ? ", system calls by seccomp" : ", system calls not restricted (the kernel has no seccomp)";
  return out;
}

}  // namespace atelier::engine
