#include "engine/omp_wait_policy.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace atelier::engine {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

ProcessorTime reading(std::chrono::milliseconds ran, std::chrono::milliseconds waited) { return {ran, waited}; }

TEST(ProcessorTimes, AreSumsOverTheThreads) {
  std::string pattern = (fs::temp_directory_path() / "omp-wait-XXXXXX").string();
  const fs::path process = ::mkdtemp(pattern.data());
  for (const auto& [thread, text] :
       {std::pair{"7", "5000 200 3\n"}, std::pair{"8", "1000 30 2\n"}, std::pair{"9", ""}}) {
    fs::create_directories(process / "task" / thread);
    std::ofstream(process / "task" / thread / "schedstat") << text;
  }
  const auto time = processor_time(process);
  ASSERT_TRUE(time);
  EXPECT_EQ(time->ran, 6000ns);
  EXPECT_EQ(time->waited, 230ns);
  fs::remove_all(process);
  EXPECT_FALSE(processor_time(process));
}

TEST(ProcessorTimes, OfThisProcessGrow) {
  const auto before = processor_time();
  if (!before) GTEST_SKIP() << "this kernel does not count them";
  std::atomic<unsigned> work{0};
  std::optional<ProcessorTime> after;
  // The kernel adds to them at ticks of its clock.
  while (after = processor_time(), after->ran == before->ran) {
    for (int i = 0; i < 100'000; ++i) work.fetch_add(1, std::memory_order_relaxed);
  }
  EXPECT_GT(after->ran, before->ran);
}

TEST(ProcessorContention, ThreadsThatHaveTheirProcessorsAreNotContended) {
  ProcessorContention contention(2);
  EXPECT_FALSE(contention.note(reading(0ms, 0ms)));
  EXPECT_FALSE(contention.note(reading(500ms, 40ms)));
  // What came before the first reading says nothing of now.
  ProcessorContention late(2);
  EXPECT_FALSE(late.note(reading(500ms, 500ms)));
  EXPECT_FALSE(late.note(reading(1000ms, 510ms)));
}

TEST(ProcessorContention, OneThreadThatWaitsKeepsAllWaiting) {
  ProcessorContention contention(8);
  contention.note(reading(0ms, 0ms));
  // One of eight had its processor half of the time.
  EXPECT_TRUE(contention.note(reading(1875ms, 125ms)));
}

TEST(ProcessorContention, EndsWhenWaitsAreClearlyShorter) {
  ProcessorContention contention(2);
  contention.note(reading(0ms, 0ms));
  ASSERT_TRUE(contention.note(reading(200ms, 100ms)));
  // 0.4 would not have begun it, and does not end it.
  EXPECT_TRUE(contention.note(reading(400ms, 140ms)));
  EXPECT_FALSE(contention.note(reading(600ms, 150ms)));
  EXPECT_FALSE(contention.note(reading(800ms, 190ms)));
}

TEST(ProcessorContention, TooLittleComputingSaysNothing) {
  ProcessorContention contention(2);
  contention.note(reading(0ms, 0ms));
  EXPECT_FALSE(contention.note(reading(10ms, 30ms)));
  // It counts with what comes next.
  EXPECT_TRUE(contention.note(reading(60ms, 60ms)));
  EXPECT_TRUE(contention.note(reading(70ms, 60ms)));
}

TEST(ProcessorContention, AThreadThatEndedTakesItsTimesAlong) {
  ProcessorContention contention(2);
  contention.note(reading(1000ms, 100ms));
  EXPECT_FALSE(contention.note(reading(900ms, 800ms)));
  EXPECT_TRUE(contention.note(reading(1000ms, 900ms)));
}

// ---------------------------------------------------------------- the library's own

using Parallel = void (*)(void (*fn)(void*), void* data, unsigned threads, unsigned flags);

std::ptrdiff_t threads() { return std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator()); }

template <typename Condition>
bool comes_true(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

long sleeps_of_this_thread() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

// Two threads, of which the other one computes for some milliseconds: how often this one fell asleep, waiting.
long sleeps_at_a_barrier(Parallel parallel) {
  struct Region {
    std::thread::id waiting = std::this_thread::get_id();
    std::atomic<unsigned> work{0};
  } region;
  const long before = sleeps_of_this_thread();
  parallel(
      [](void* data) {
        auto& shared = *static_cast<Region*>(data);
        if (std::this_thread::get_id() == shared.waiting) return;
        for (int i = 0; i < 500'000; ++i) shared.work.fetch_add(1, std::memory_order_relaxed);
      },
      &region, 2, 0);
  return sleeps_of_this_thread() - before;
}

TEST(IdleOmpTeam, ThreadsFallAsleepWhereTheyWaitForAnother) {
  void* library = ::dlopen("libgomp.so.1", RTLD_NOLOAD | RTLD_LAZY);
  if (library == nullptr) GTEST_SKIP() << "the inference library was not built with GNU's OpenMP";
  const auto parallel = reinterpret_cast<Parallel>(::dlsym(library, "GOMP_parallel"));
  ASSERT_NE(parallel, nullptr);
  // The library's own team.
  sleeps_at_a_barrier(parallel);

  const unsigned processors = std::thread::hardware_concurrency();
  const auto before = threads();
  const IdleOmpTeam idle(2, processors);
  // It has a leader and at least one more.
  ASSERT_TRUE(comes_true([&] { return threads() >= before + 2; }));
  // Without it they would only do so behind 300,000 rounds of a loop, far longer than that takes: unless another program
  // holds the processor meanwhile, so not each time.
  int asleep = 0;
  for (int i = 0; i < 20; ++i) asleep += sleeps_at_a_barrier(parallel) > 0 ? 1 : 0;
  EXPECT_GT(asleep, 10);
}

TEST(IdleOmpTeam, GoesWithItsThreads) {
  const auto before = threads();
  for (int i = 0; i < 3; ++i) {
    const IdleOmpTeam idle(2, 4);
  }
  EXPECT_TRUE(comes_true([&] { return threads() <= before; }));
}

}  // namespace
}  // namespace atelier::engine
