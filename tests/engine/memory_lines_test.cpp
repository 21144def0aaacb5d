#include "engine/memory_lines.h"

#include <gtest/gtest.h>

#include <cmath>

namespace atelier::engine {
namespace {

constexpr double kMiB = 1024 * 1024;

std::uint64_t mib(double n) { return static_cast<std::uint64_t>(std::llround(n * kMiB)); }

TEST(MemoryLines, OfARealLoad) {
  constexpr const char* kCache =
      "llama_kv_cache: size =  512.00 MiB ( 16384 cells,  16 layers, 136/1 seqs), K (f16):  256.00 MiB, V (f16):  "
      "256.00 MiB";
  MemoryLines lines;
  for (const char* line :
       {"load_tensors:          AMX model buffer size =   681.32 MiB",
        "load_tensors:   CPU_Mapped model buffer size =   140.92 MiB", "load: token to piece cache size = 0.8000 MB",
        "load_tensors: offloaded 0/17 layers to GPU", "llama_context:        CPU  output buffer size =    66.54 MiB",
        "llama_kv_cache:        CPU KV buffer size =   512.00 MiB", kCache,
        "sched_reserve:        CPU compute buffer size =   104.81 MiB",
        "sched_reserve: graph: nodes = 71, splits = 1, input objects = 4, input tensors = 9"}) {
    lines.take(line);
  }
  EXPECT_EQ(lines.weights(), mib(681.32) + mib(140.92));
  EXPECT_EQ(lines.kv_cache(), mib(512));
  EXPECT_EQ(lines.kv_buffers(), mib(512));
  EXPECT_EQ(lines.compute(), mib(104.81));
  EXPECT_EQ(lines.output(), mib(66.54));
  EXPECT_EQ(lines.work_on("CPU"), mib(104.81) + mib(66.54));
  EXPECT_EQ(lines.work_on("CUDA0"), 0U);
  EXPECT_FALSE(lines.state());
}

TEST(MemoryLines, ReservingAnewReplacesAndCachesAddUp) {
  MemoryLines lines;
  for (const char* line :
       {"llama_kv_cache: size =    1.50 MiB (  4096 cells,   2 layers,  8/1 seqs), K (f16):    0.75 MiB, V (f16):    "
        "0.75 MiB",
        "llama_kv_cache: size =    0.25 MiB (   512 cells,   4 layers,  8/1 seqs), K (f16):    0.12 MiB, V (f16):    "
        "0.12 MiB",
        "llama_memory_recurrent: size =    3.00 MiB (     4 cells,   2 layers,  4 seqs  0 rs_seq), R (f32):    1.00 "
        "MiB, S (f32):    2.00 MiB, P (f32):    0.00 MiB",
        "llama_memory_recurrent:      CUDA0 RS buffer size =     3.00 MiB",
        "sched_reserve:      CUDA0 compute buffer size =   100.00 MiB",
        "sched_reserve:  CUDA_Host compute buffer size =    10.00 MiB",
        "sched_reserve:      CUDA0 compute buffer size =   120.00 MiB"}) {
    lines.take(line);
  }
  EXPECT_EQ(lines.kv_cache(), mib(1.75));
  EXPECT_EQ(lines.state(), mib(3));
  EXPECT_EQ(lines.state_buffers(), mib(3));
  EXPECT_EQ(lines.compute(), mib(130));
  EXPECT_EQ(lines.work_on("CUDA0"), mib(120));
  EXPECT_FALSE(lines.weights());
  EXPECT_FALSE(lines.output());
}

TEST(MemoryLines, OtherLinesTellNothing) {
  MemoryLines lines;
  for (const char* line :
       {"", "MiB size", "model buffer size", "model buffer size = ", "model buffer size = MiB",
        "model buffer size = many MiB", "model buffer size = -3.00 MiB", "model buffer size = nan MiB",
        "model buffer size = 1e300 MiB", "model buffer size = 12.00 GB", "compute buffer size is   7.0176 MiB, matches",
        "print_info: file size   = 663.15 MiB (4.50 BPW)", "foo: size = 3.00 MiB", ": size = 3.00 MiB ( 1 cells,"}) {
    lines.take(line);
  }
  EXPECT_FALSE(lines.weights());
  EXPECT_FALSE(lines.kv_cache());
  EXPECT_FALSE(lines.kv_buffers());
  EXPECT_FALSE(lines.compute());
  EXPECT_FALSE(lines.output());
}

}  // namespace
}  // namespace atelier::engine
