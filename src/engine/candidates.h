// Candidates for the next token, and the truncation steps that work on them.
//
// Idea. The logits of a vocabulary of 128k tokens are looked at once; what the usual chain of samplers needs
// are the few dozen largest. select_largest() reads the logits in blocks: a block whose maximum does not beat
// the k-th best so far is passed over with one comparison, and maxima of blocks are what vector units are good
// at. Everything after works on the short list.
//
// The steps have the meaning that llama.cpp gives them (its samplers are the oracle in the tests); each keeps at
// least one candidate. Lists are sorted by logit, largest first, equal ones by token id, unless said otherwise.
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace atelier::engine {

struct Candidate {
  std::int32_t token = 0;
  float logit = 0;
  float p = 0;  // set by set_probabilities
};

// The index of the largest logit, the first of equal ones; -1 where every logit is -inf or not a number.
std::int32_t largest(std::span<const float> logits);

// The k largest, sorted; fewer where fewer are finite. `out` is overwritten (its memory is used again).
void select_largest(std::span<const float> logits, std::size_t k, std::vector<Candidate>& out);

// All logits of at least `least`, sorted.
void select_from(std::span<const float> logits, float least, std::vector<Candidate>& out);

// Every token that can come (its logit is above -inf), in order of ids.
void list_all(std::span<const float> logits, std::vector<Candidate>& out);

// The nucleus of the whole vocabulary (see keep_top_p), without sorting it: the mass of the logits is summed up by
// value in narrow buckets; all of those above the bucket in which p is reached belong to it, and only that bucket
// is sorted. In no order; p is not set. About 2 ms for 128k tokens at worst (a flat distribution).
void select_nucleus(std::span<const float> logits, float p, std::vector<Candidate>& out);

// Softmax over the list.
void set_probabilities(std::vector<Candidate>& candidates);

// The sum of exp(logit - largest) over all of them; -inf and NaN add nothing.
double sum_of_exponentials(std::span<const float> logits, float largest_logit, float temperature = 1.0F);

// Nucleus sampling (Holtzman et al. 2019): the shortest beginning of the list whose probabilities, which must be
// set and sorted, reach p.
void keep_top_p(std::vector<Candidate>& candidates, float p);

// Those at least p times as likely as the likeliest. Keeps the order, whatever it is.
void keep_min_p(std::vector<Candidate>& candidates, float p);

// Locally typical sampling (Meister et al. 2022). Probabilities set; afterwards the list is in order of
// typicality, not of logit.
void keep_typical(std::vector<Candidate>& candidates, float p);

// Exclude top choices (p-e-w 2024): of those with a probability of at least `threshold`, only the last stays.
// The caller has thrown the dice. Probabilities set, list sorted.
void drop_top_choices(std::vector<Candidate>& candidates, float threshold);

void sort_by_logit(std::vector<Candidate>& candidates);

}  // namespace atelier::engine
