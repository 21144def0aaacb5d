// One pass over the logits of a vocabulary, and the selections that can be made without another full one.
//
// Idea. read() finds the largest value of each chunk of 1024 logits, and of each of its 16 columns (every sixteenth
// value): this is bound by memory and is what vector units are good at (logit_kernels.h). Of n disjoint groups the
// k-th largest maximum is a lower bound of the k-th largest value, because k values are at least as large. So the k
// largest are among the values above that bound, which lie in few columns, and only those are looked at again. The
// same maxima give the largest value, and all values from a bound on, as min-p wants them.
//
// The nucleus of the whole vocabulary (top-p without top-k) needs the mass of all logits, one more pass. The 64 or
// 768 largest nearly always hold it, which their own mass proves; where they do not, the mass is summed up by value in
// narrow buckets: all tokens above the bucket in which p is reached belong to the nucleus, and only that bucket is
// sorted.
//
// Results do not depend on the kernels. Values that are not numbers are passed over like -inf. An instance may be
// used again and again and keeps its memory; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/candidates.h"
#include "engine/logit_kernels.h"

namespace atelier::engine {

class LogitScan {
 public:
  explicit LogitScan(const LogitKernels& kernels = logit_kernels().front()) : kernels_(&kernels) {}

  // The logits must stay as they are for as long as the members below are called.
  void read(std::span<const float> logits);

  // No token can come: every logit is -inf or not a number.
  bool empty() const;
  // -inf where empty.
  float largest_logit() const { return largest_logit_; }
  // Its token, the first of equal ones; -1 where empty.
  std::int32_t largest() const;

  // In all of these `out` is overwritten.
  // The k largest, sorted (equal ones by id); fewer where fewer can come.
  void select_largest(std::size_t k, std::vector<Candidate>& out);
  // All that are at least `least` and can come, in order of ids.
  void select_from(float least, std::vector<Candidate>& out);
  // The nucleus (see keep_top_p), in order of ids.
  void select_nucleus(float p, std::vector<Candidate>& out);
  // The same, of those that are at least min_p times as likely as the likeliest: keep_min_p after keep_top_p.
  void select_nucleus(float p, float min_p, std::vector<Candidate>& out);
  // Locally typical ones (see keep_typical), in order of ids.
  void select_typical(float p, std::vector<Candidate>& out);

  // The sum of exp((logit - largest) / temperature) over all of them, within 2e-6 of it, relatively.
  double sum_of_exponentials(float temperature = 1) const;

 private:
  std::span<const float> chunk(std::size_t index) const;
  float bound_of_largest(std::size_t k);
  void gather(std::size_t chunk_index, float least, std::vector<Candidate>& out) const;
  double exponentials(float temperature, float* out) const;
  template <class KeyOf, class Reached>
  void select_by_mass(KeyOf key_of, Reached reached, std::vector<Candidate>& out);

  const LogitKernels* kernels_;
  std::span<const float> logits_;
  float largest_logit_ = 0;
  std::vector<float> columns_;
  std::vector<float> chunks_;
  std::vector<float> order_;  // a copy of maxima, to find the k-th
  std::vector<float> exponentials_;
  std::vector<Candidate> edge_;
  std::vector<std::int32_t> places_;
};

}  // namespace atelier::engine
