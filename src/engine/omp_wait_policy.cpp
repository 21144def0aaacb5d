#include "engine/omp_wait_policy.h"

#include <dlfcn.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>

#include "engine/cpu_topology.h"

namespace atelier::engine {

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds kBetweenLooks{250};
// Less computing than this says nothing.
constexpr milliseconds kLeastRan{50};
// Waits of all threads, to the time that one of them computed. Undisturbed steps of 2 ms with a server and a client on the same
// two processors had 0.2, of 25 ms 0.03; one other program 1.1. docs/benchmarks.md has what either gave.
constexpr double kContendedFrom = 0.5;
constexpr double kCalmBelow = 0.25;

// The compiler's entry to a parallel region: fn(data) by so many threads, the caller among them (libgomp's manual, "Implementing
// PARALLEL construct"). The team stays until the calling thread ends.
using Parallel = void (*)(void (*fn)(void*), void* data, unsigned threads, unsigned flags);

Parallel gnu_parallel() {
  // Only where the inference library has brought it along.
  void* library = ::dlopen("libgomp.so.1", RTLD_NOLOAD | RTLD_LAZY);
  if (library == nullptr) return nullptr;
  return reinterpret_cast<Parallel>(::dlsym(library, "GOMP_parallel"));
}

bool is_set(const char* variable) { return std::getenv(variable) != nullptr; }

}  // namespace

std::optional<ProcessorTime> processor_time(const fs::path& process) {
  std::optional<ProcessorTime> sum;
  std::error_code error;
  for (fs::directory_iterator thread(process / "task", error), end; !error && thread != end; thread.increment(error)) {
    // A thread that has ended meanwhile has no such file any more.
    std::ifstream file(thread->path() / "schedstat");
    std::int64_t ran = 0;
    std::int64_t waited = 0;
    if (!(file >> ran >> waited)) continue;
    if (!sum) sum.emplace();
    sum->ran += nanoseconds(ran);
    sum->waited += nanoseconds(waited);
  }
  return sum;
}

bool ProcessorContention::note(ProcessorTime now) {
  const ProcessorTime since = since_.value_or(now);
  // Sums become smaller when a thread ends.
  if (!since_ || now.ran < since.ran || now.waited < since.waited) {
    since_ = now;
    return contended_;
  }
  const nanoseconds ran = now.ran - since.ran;
  if (ran < kLeastRan) return contended_;
  const double waits =
      static_cast<double>((now.waited - since.waited).count()) * threads_ / static_cast<double>(ran.count());
  since_ = now;
  contended_ = waits >= (contended_ ? kCalmBelow : kContendedFrom);
  return contended_;
}

class IdleOmpTeam::Leader {
 public:
  Leader(Parallel parallel, unsigned team)
      : thread_([parallel, team](const std::stop_token& stop) {
          parallel([](void*) {}, nullptr, team, 0);
          std::mutex mutex;
          std::condition_variable_any stopped;
          std::unique_lock lock(mutex);
          stopped.wait(lock, stop, [] { return false; });
        }) {}

 private:
  std::jthread thread_;
};

IdleOmpTeam::IdleOmpTeam(unsigned threads, unsigned processors) {
  const Parallel parallel = gnu_parallel();
  // The leader itself is not counted: the processors, and one more.
  const unsigned missing = processors - std::min(processors, threads) + 1;
  if (parallel != nullptr) leader_ = std::make_unique<Leader>(parallel, missing + 1);
}

IdleOmpTeam::~IdleOmpTeam() = default;

OmpWaitPolicy::OmpWaitPolicy(unsigned threads)
    : threads_(threads),
      is_ours_(threads > 1 && !is_set("GOMP_SPINCOUNT") && !is_set("OMP_WAIT_POLICY")),
      contention_(threads) {}

void OmpWaitPolicy::note_step(std::chrono::steady_clock::time_point now) {
  if (!is_ours_ || now - looked_ < kBetweenLooks) return;
  looked_ = now;
  const std::optional<ProcessorTime> time = processor_time();
  if (!time) return;
  const bool contended = contention_.note(*time);
  if (contended && !idle_) {
    idle_.emplace(threads_, static_cast<unsigned>(allowed_processors().size()));
  } else if (!contended) {
    idle_.reset();
  }
}

}  // namespace atelier::engine
