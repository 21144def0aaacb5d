#include "engine/logit_kernels.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>

// CMakeLists.txt forbids the compiler to fuse multiplications with additions in this file.

namespace atelier::engine {

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// exp(x) = 2^n 2^f with n whole and |f| <= 1/2: n goes into the exponent's bits, 2^f is a polynomial of degree 6
// (relative error 2e-9, found by Remez' algorithm; 2^0 is exactly 1). Adding 1.5 * 2^23 to a float rounds it to a
// whole number and leaves that in the lowest bits.
constexpr float kLog2E = 1.44269504F;
constexpr float kRounder = 12582912.0F;
constexpr float kLeastExponent = -125.0F;
constexpr float kC1 = 0.6931471824645996F;
constexpr float kC2 = 0.24022646248340607F;
constexpr float kC3 = 0.05550328642129898F;
constexpr float kC4 = 0.009618489071726799F;
constexpr float kC5 = 0.0013399930903688073F;
constexpr float kC6 = 0.0001534581242594868F;

// Rows that are summed up as floats before they go into the doubles.
constexpr std::size_t kFloatRows = 16;

float power_of_two(float y) {
  if (!(y > kLeastExponent)) return 0;
  const float t = y + kRounder;
  const float f = y - (t - kRounder);
  float p = kC6 * f + kC5;
  p = p * f + kC4;
  p = p * f + kC3;
  p = p * f + kC2;
  p = p * f + kC1;
  p = p * f + 1.0F;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + (std::bit_cast<std::uint32_t>(t) << 23));
}

// ---------------------------------------------------------------- scalar

void scalar_maxima(const float* values, std::size_t chunks, float* columns, float* largest) {
  for (std::size_t chunk = 0; chunk < chunks; ++chunk, columns += kColumns) {
    for (std::size_t i = 0; i < kColumns; ++i) columns[i] = kMinusInfinity;
    for (std::size_t i = 0; i < kChunk; ++i, ++values) {
      if (*values > columns[i % kColumns]) columns[i % kColumns] = *values;
    }
    largest[chunk] = kMinusInfinity;
    for (std::size_t i = 0; i < kColumns; ++i) {
      if (columns[i] > largest[chunk]) largest[chunk] = columns[i];
    }
  }
}

void scalar_exponentials(const float* values, std::size_t chunks, float largest, float scale, float* out,
                         ExponentialSum& sum) {
  const float factor = scale * kLog2E;
  float partial[kColumns] = {};
  for (std::size_t i = 0; i < chunks * kChunk; ++i) {
    const float e = power_of_two((values[i] - largest) * factor);
    if (out != nullptr) out[i] = e;
    partial[i % kColumns] += e;
    if ((i + 1) % (kFloatRows * kColumns) != 0) continue;
    for (std::size_t lane = 0; lane < kColumns; ++lane) {
      sum.lanes[lane] += static_cast<double>(partial[lane]);
      partial[lane] = 0;
    }
  }
}

// ---------------------------------------------------------------- vectors

// Vectors of so many bytes. A row is one to four of them. They are never passed by value: how that is done depends on
// the unit compiled for.
template <std::size_t kBytes>
struct Vectors {
  typedef float Floats __attribute__((vector_size(kBytes)));
  typedef std::uint32_t Words __attribute__((vector_size(kBytes)));
  static constexpr std::size_t kParts = kColumns * sizeof(float) / kBytes;
  static constexpr std::size_t kLanes = kBytes / sizeof(float);
};

template <class V>
inline __attribute__((always_inline)) void vector_maxima(const float* values, std::size_t chunks, float* columns,
                                                         float* largest) {
  using Floats = typename V::Floats;
  // Several maxima at a time, so that none waits for the one before.
  constexpr std::size_t kRows = V::kParts >= 4 ? 1 : 4 / V::kParts;
  for (std::size_t chunk = 0; chunk < chunks; ++chunk, columns += kColumns) {
    Floats best[kRows][V::kParts];
    for (auto& row : best) {
      for (Floats& part : row) part = Floats{} + kMinusInfinity;
    }
    for (std::size_t row = 0; row < kChunk / kColumns; row += kRows) {
      for (auto& best_row : best) {
        for (Floats& part : best_row) {
          Floats x;
          std::memcpy(&x, values, sizeof x);
          part = x > part ? x : part;
          values += V::kLanes;
        }
      }
    }
    for (std::size_t row = 1; row < kRows; ++row) {
      for (std::size_t part = 0; part < V::kParts; ++part) {
        best[0][part] = best[row][part] > best[0][part] ? best[row][part] : best[0][part];
      }
    }
    std::memcpy(columns, best[0], sizeof best[0]);
    float folded[kColumns];
    std::memcpy(folded, best[0], sizeof folded);
    for (std::size_t width = kColumns / 2; width > 0; width /= 2) {
      for (std::size_t i = 0; i < width; ++i) folded[i] = folded[i + width] > folded[i] ? folded[i + width] : folded[i];
    }
    largest[chunk] = folded[0];
  }
}

template <class V>
inline __attribute__((always_inline)) void vector_exponentials(const float* values, std::size_t chunks, float largest,
                                                               float scale, float* out, ExponentialSum& sum) {
  using Floats = typename V::Floats;
  using Words = typename V::Words;
  const float factor = scale * kLog2E;
  for (std::size_t block = 0; block < chunks * (kChunk / kColumns / kFloatRows); ++block) {
    Floats partial[V::kParts] = {};
    for (std::size_t row = 0; row < kFloatRows; ++row) {
      for (Floats& lanes : partial) {
        Floats x;
        std::memcpy(&x, values, sizeof x);
        values += V::kLanes;
        const Floats y = (x - largest) * factor;
        const Floats t = y + kRounder;
        const Floats f = y - (t - kRounder);
        Floats p = kC6 * f + kC5;
        p = p * f + kC4;
        p = p * f + kC3;
        p = p * f + kC2;
        p = p * f + kC1;
        p = p * f + 1.0F;
        p = reinterpret_cast<Floats>(reinterpret_cast<Words>(p) + (reinterpret_cast<Words>(t) << 23));
        const Floats e = y > Floats{} + kLeastExponent ? p : Floats{};
        if (out != nullptr) {
          std::memcpy(out, &e, sizeof e);
          out += V::kLanes;
        }
        lanes += e;
      }
    }
    float lanes[kColumns];
    std::memcpy(lanes, partial, sizeof lanes);
    for (std::size_t i = 0; i < kColumns; ++i) sum.lanes[i] += static_cast<double>(lanes[i]);
  }
}

// NOLINTBEGIN(bugprone-macro-parentheses): a target is an attribute, which takes none.
#define ATELIER_LOGIT_KERNELS(NAME, BYTES, TARGET)                                                                 \
  TARGET void NAME##_maxima(const float* values, std::size_t chunks, float* columns, float* largest) {             \
    vector_maxima<Vectors<BYTES>>(values, chunks, columns, largest);                                               \
  }                                                                                                                \
  TARGET void NAME##_exponentials(const float* values, std::size_t chunks, float largest, float scale, float* out, \
                                  ExponentialSum& sum) {                                                           \
    vector_exponentials<Vectors<BYTES>>(values, chunks, largest, scale, out, sum);                                 \
  }
// NOLINTEND(bugprone-macro-parentheses)

// SSE2 or NEON: what every 64-bit processor that we know has.
ATELIER_LOGIT_KERNELS(baseline, 16, )
#ifdef __x86_64__
ATELIER_LOGIT_KERNELS(avx2, 32, __attribute__((target("avx2"))))
ATELIER_LOGIT_KERNELS(avx512, 64, __attribute__((target("avx512f"))))
#endif
#undef ATELIER_LOGIT_KERNELS

constexpr LogitKernels kKernels[] = {
#ifdef __x86_64__
    {"AVX-512", avx512_maxima, avx512_exponentials},
    {"AVX2", avx2_maxima, avx2_exponentials},
    {"SSE2", baseline_maxima, baseline_exponentials},
#else
    {"128 bits", baseline_maxima, baseline_exponentials},
#endif
    {"scalar", scalar_maxima, scalar_exponentials},
};

std::size_t kernels_to_skip() {
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return 0;
  if (__builtin_cpu_supports("avx2")) return 1;
  return 2;
#else
  return 0;
#endif
}

}  // namespace

double ExponentialSum::total() const {
  double folded[kColumns];
  std::memcpy(folded, lanes, sizeof folded);
  for (std::size_t width = kColumns / 2; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) folded[i] += folded[i + width];
  }
  return folded[0];
}

float exponential(float x) { return power_of_two(x * kLog2E); }

std::span<const LogitKernels> logit_kernels() {
  static const std::span<const LogitKernels> kUsable = std::span(kKernels).subspan(kernels_to_skip());
  return kUsable;
}

}  // namespace atelier::engine
