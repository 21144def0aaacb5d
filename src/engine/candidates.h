// Candidates for the next token, and the truncation steps that work on them.
//
// What the usual chain of samplers needs of a vocabulary are the few dozen likeliest. logit_scan.h finds them; here
// is what is done with the short list.
//
// The steps have the meaning that llama.cpp gives them (its samplers are the oracle in the tests); each keeps at
// least one candidate. Lists are sorted by logit, largest first, equal ones by token id, unless said otherwise.
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <vector>

namespace atelier::engine {

struct Candidate {
  std::int32_t token = 0;
  float logit = 0;
  float p = 0;  // set by set_probabilities
};

// By logit, the largest first; equal ones by token.
inline bool better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// Softmax over the list, by the arithmetic of logit_kernels.h: the same on every machine.
void set_probabilities(std::vector<Candidate>& candidates);

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
