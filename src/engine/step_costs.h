// What a step costs, and how many sequences it should take.
//
// Pure bookkeeping, no clock: the scheduler says how long a step took. Decode thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace atelier::engine {

// What a step costs by the number of its rows, where it computes no prompts.
class StepCosts {
 public:
  using Seconds = std::chrono::duration<double>;
  static constexpr std::size_t kMostRows = 64;

  void note(std::size_t rows, Seconds time);
  // Seconds; never less for more rows. Between measured numbers of rows it is interpolated, beyond them carried on: a row
  // more costs what those before it did, but a quarter of the first at most. What is thought dear is not tried, and would
  // never be known: with tiles two rows cost more than twice as much as one and eight hardly more than two. Before anything
  // was measured, in steps of 1.
  double of(std::size_t rows) const;
  // Whether steps of just so many rows were measured, more than once or twice.
  bool knows(std::size_t rows) const;
  // Seconds, as measured for just so many rows; 0 where they were not.
  double measured(std::size_t rows) const;

 private:
  struct Sample {
    double seconds = 0;
    double weight = 0;
  };
  std::array<Sample, kMostRows + 1> samples_{};
};

// Of how many running sequences a step computes the next token.
//
// All of them, as a rule: weights are read once for all. But a library may have a fast way for a single row and none
// for two (measured with llama.cpp 0.7.0 and AMX, a model of 1B parameters in Q4_K: 41 ms for one row, 96 for two, 101
// for four, 139 for sixteen). There two sequences that take turns are both faster than together. So the number is taken
// whose tokens are measured to cost least; all are tried again now and then, because what is measured grows old.
class StepWidth {
 public:
  // `sequences` could go on; how many of them shall.
  std::size_t next(std::size_t sequences, const StepCosts& costs);

 private:
  std::size_t narrow_steps_ = 0;  // since all went together
};

}  // namespace atelier::engine
