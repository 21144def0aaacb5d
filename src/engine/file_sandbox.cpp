#include "engine/file_sandbox.h"

#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

namespace atelier::engine {

namespace {

namespace fs = std::filesystem;

// From the kernel's include/uapi/linux/landlock.h; the system's headers may be older than the kernel.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr std::uint32_t kAskVersion = 1;
constexpr int kRulePathBeneath = 1;

enum Access : std::uint64_t {
  kExecute = 1U << 0,
  kWriteFile = 1U << 1,
  kReadFile = 1U << 2,
  kReadFolder = 1U << 3,
  kRemoveFolder = 1U << 4,
  kRemoveFile = 1U << 5,
  kMakeFolder = 1U << 7,
  kMakeFile = 1U << 8,
  kRefer = 1U << 13,        // since version 2: rename between folders
  kTruncate = 1U << 14,     // 3
  kIoctlDevice = 1U << 15,  // 5
};
constexpr std::uint64_t kVersion1 = (1U << 13) - 1;
constexpr std::uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDevice;
constexpr std::uint64_t kRead = kReadFile | kReadFolder;
constexpr std::uint64_t kWrite =
    kRead | kWriteFile | kTruncate | kMakeFile | kMakeFolder | kRemoveFile | kRemoveFolder | kRefer;
constexpr std::uint64_t kDevice = kRead | kWriteFile | kTruncate | kIoctlDevice;

// landlock_ruleset_attr, as far as version 4 has it.
struct RulesetAttributes {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
};
constexpr std::uint64_t kBindAndConnect = 3;

struct __attribute__((packed)) PathBeneath {
  std::uint64_t access = 0;
  std::int32_t folder = -1;
};

std::uint64_t known_access(int version) {
  std::uint64_t known = kVersion1;
  if (version >= 2) known |= kRefer;
  if (version >= 3) known |= kTruncate;
  if (version >= 5) known |= kIoctlDevice;
  return known;
}

void allow(int ruleset, std::uint64_t known, const std::string& path, std::uint64_t access) {
  const int file = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  if (file < 0) return;
  struct stat status{};
  PathBeneath rule;
  if (::fstat(file, &status) == 0) {
    rule.access = access & known & (S_ISDIR(status.st_mode) ? ~std::uint64_t{0} : kOfFiles);
    rule.folder = file;
    // A refusal leaves the path forbidden, which the load will tell of.
    [[maybe_unused]] const long ignored = ::syscall(kAddRule, ruleset, kRulePathBeneath, &rule, 0);
  }
  // A rule is for an inode. /proc makes a new one when it has forgotten a path, so it is not let forget.
  if (!path.starts_with("/proc/")) ::close(file);
}

// What drivers of GPUs read, and where they keep compiled shaders.
void allow_gpu(int ruleset, std::uint64_t known) {
  for (const char* path :
       {"/usr", "/etc", "/opt", "/run/opengl-driver", "/proc/driver", "/proc/devices", "/proc/modules"}) {
    allow(ruleset, known, path, kRead);
  }
  for (const char* path : {"/dev/dri", "/dev/kfd", "/dev/accel", "/dev/shm", "/dev/nvidia-caps"}) {
    allow(ruleset, known, path, path == std::string_view("/dev/shm") ? kWrite : kDevice);
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/dev", error)) {
    if (entry.path().filename().string().starts_with("nvidia")) allow(ruleset, known, entry.path().string(), kDevice);
  }
  const char* home = std::getenv("HOME");
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (home == nullptr) return;
  const std::string caches = cache != nullptr && *cache == '/' ? cache : std::string(home) + "/.cache";
  for (const char* name :
       {"mesa_shader_cache", "mesa_shader_cache_db", "mesa_shader_cache_sf", "nvidia", "radv_builtin_shaders"}) {
    allow(ruleset, known, caches + "/" + name, kWrite);
  }
  allow(ruleset, known, std::string(home) + "/.nv", kWrite);
}

// ---------------------------------------------------------------- threads

int ruleset_for_threads = -1;
std::atomic<int> failures{0};
sem_t answered;

bool restrict_this_thread(int ruleset) {
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::syscall(kRestrictSelf, ruleset, 0) == 0;
}

void on_signal(int) {
  const int saved = errno;
  if (!restrict_this_thread(ruleset_for_threads)) ++failures;
  ::sem_post(&answered);
  errno = saved;
}

std::set<pid_t> threads_of_this_process() {
  std::set<pid_t> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc/self/task", error)) {
    const std::string name = entry.path().filename().string();
    pid_t id = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), id).ec == std::errc()) out.insert(id);
  }
  return out;
}

// Waits for a thread to have handled the signal.
bool wait_for_answer() {
  constexpr time_t kPatienceSeconds = 2;
  timespec deadline{};
  ::clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += kPatienceSeconds;
  while (::sem_timedwait(&answered, &deadline) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

// Restricts every other thread; those left out are counted. The handler stays: a thread that lets the signal through
// later is restricted then.
int restrict_other_threads(int ruleset) {
  ruleset_for_threads = ruleset;
  ::sem_init(&answered, 0, 0);
  const int signal_number = SIGRTMAX - 1;
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigfillset(&action.sa_mask);
  ::sigaction(signal_number, &action, nullptr);

  std::set<pid_t> asked = {::gettid()};
  int left_out = 0;
  // A thread not asked yet may start another meanwhile, so it is asked again until nobody is new.
  for (bool found = true; found;) {
    found = false;
    for (const pid_t thread : threads_of_this_process()) {
      if (!asked.insert(thread).second) continue;
      found = true;
      if (::syscall(SYS_tgkill, ::getpid(), thread, signal_number) != 0) continue;  // it has ended
      if (!wait_for_answer()) ++left_out;
    }
  }
  return left_out + failures;
}

}  // namespace

FileRestriction restrict_files(const SandboxPlan& plan) {
  FileRestriction result;
  const long version = ::syscall(kCreateRuleset, nullptr, 0, kAskVersion);
  if (version <= 0) return result;
  const std::uint64_t known = known_access(static_cast<int>(version));
  RulesetAttributes attributes;
  attributes.files = known;
  attributes.network = kBindAndConnect;
  const std::size_t size = version >= 4 ? sizeof attributes : sizeof attributes.files;
  const int ruleset = static_cast<int>(::syscall(kCreateRuleset, &attributes, size, 0));
  if (ruleset < 0) return result;
  for (const std::string& path : plan.readable) allow(ruleset, known, path, kRead);
  for (const std::string& path : plan.writable) allow(ruleset, known, path, kWrite);
  for (const char* path : {"/dev/null", "/dev/zero"}) allow(ruleset, known, path, kDevice);
  if (plan.gpu) allow_gpu(ruleset, known);
  if (!restrict_this_thread(ruleset)) {
    ::close(ruleset);
    return result;
  }
  result.landlock_version = static_cast<int>(version);
  result.threads_left_out = restrict_other_threads(ruleset);
  if (result.threads_left_out == 0) ::close(ruleset);
  return result;
}

}  // namespace atelier::engine
