// How the inference library's threads wait for each other after each operation: in a loop where the processors are theirs,
// asleep where other programs want those.
//
// A thread that loops goes on at once; one that falls asleep for a moment costs a token some percent. But where another
// program has taken one's processor, loops burn the others', and a token takes many times as long. GNU's OpenMP can do
// either and decides at each wait: it loops for 300,000 rounds, or for 100 where there are more of its threads than
// processors (libgomp's manual, GOMP_SPINCOUNT). So idle threads are added to its own for as long as threads of this process
// wait long for processors, as the kernel counts it (Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat).
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

namespace atelier::engine {

// Of all threads of a process together, since each of them began.
struct ProcessorTime {
  std::chrono::nanoseconds ran{0};
  std::chrono::nanoseconds waited{0};  // ready to run, and another had the processor
};

// Empty where the kernel does not count it.
std::optional<ProcessorTime> processor_time(const std::filesystem::path& process = "/proc/self");

// Tells from such readings whether other programs want the processors.
class ProcessorContention {
 public:
  // `threads` compute together: what one of them waits, all of them wait.
  explicit ProcessorContention(unsigned threads) : threads_(threads) {}

  // Whether they do; as before, where too little was computed since the last reading to tell.
  bool note(ProcessorTime now);

 private:
  unsigned threads_;
  std::optional<ProcessorTime> since_;
  bool contended_ = false;
};

// More threads of OpenMP than `processors`, with the `threads` of another thread's team, for as long as this lives. They
// sleep. Nothing, where the library in this process is not GNU's.
class IdleOmpTeam {
 public:
  IdleOmpTeam(unsigned threads, unsigned processors);
  ~IdleOmpTeam();
  IdleOmpTeam(const IdleOmpTeam&) = delete;
  IdleOmpTeam& operator=(const IdleOmpTeam&) = delete;

 private:
  class Leader;
  std::unique_ptr<Leader> leader_;
};

// For the thread that computes.
class OmpWaitPolicy {
 public:
  // Threads of the library's that compute together. Nothing is ever done where the user has chosen by GOMP_SPINCOUNT or
  // OMP_WAIT_POLICY.
  explicit OmpWaitPolicy(unsigned threads);

  // After each step. Looks four times a second.
  void note_step(std::chrono::steady_clock::time_point now);

 private:
  unsigned threads_;
  bool is_ours_;
  ProcessorContention contention_;
  std::optional<IdleOmpTeam> idle_;
  std::chrono::steady_clock::time_point looked_{};
};

}  // namespace atelier::engine
