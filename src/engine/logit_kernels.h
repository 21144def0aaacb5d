// The two loops that look at every logit of a vocabulary, for each kind of vector unit.
//
// They are written once, over a vector type as wide as the unit, and compiled for each; which one runs is decided
// when the program starts. The scalar kernels are plain loops over the same arithmetic: the oracle in the tests,
// and what runs where nothing better is there.
//
// All kernels give the same bits: maxima are exact, and the exponentials are made of the same multiplications and
// additions (none fused) and summed up in the same sixteen lanes. So which machine an answer was computed on never
// decides which token is drawn. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <span>

namespace atelier::engine {

// Logits are seen as chunks of 64 rows of 16; a column of a chunk is every sixteenth value.
inline constexpr std::size_t kColumns = 16;
inline constexpr std::size_t kChunk = 64 * kColumns;

// Sums of exponentials so far, one for each lane. They are added up in pairs (total()).
struct ExponentialSum {
  double lanes[kColumns] = {};
  double total() const;
};

struct LogitKernels {
  const char* name;

  // The largest of each column (kColumns for each chunk) and of each chunk; -inf where none is above it. NaN is
  // passed over.
  void (*maxima)(const float* values, std::size_t chunks, float* columns, float* largest);

  // exp((value - largest) * scale) of each value, into `out` where it is not null (it may be `values`), and into the
  // sum. `largest` is at least every value. -inf and NaN give 0, as does what is too small for a normal float. The
  // sum is within 2e-6 of the true one, relatively.
  void (*exponentials)(const float* values, std::size_t chunks, float largest, float scale, float* out,
                       ExponentialSum& sum);
};

// exp(x) for x <= 0 as the kernels compute it: at most 1e-7 (1 - x) off, relatively; 1 for 0; 0 for -inf and NaN.
float exponential(float x);

// What this machine can run, best first, the scalar ones last.
std::span<const LogitKernels> logit_kernels();

}  // namespace atelier::engine
