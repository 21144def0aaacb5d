// What can go wrong with a template, and the bounds that it runs under.
//
// Inside the interpreter errors travel as TemplateException, because almost every operation of the language
// can fail, as in Python; they never leave Template::parse and Template::render, which return values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace atelier::prompt::jinja {

enum class ErrorKind {
  kSyntax,     // the template does not parse
  kRuntime,    // an operation failed: a wrong type, a wrong argument, a missing filter
  kUndefined,  // a value that is not there was used
  kRaised,     // the template called raise_exception: it does not accept this conversation
  kBudget,     // a bound of Limits was met
};

struct TemplateError {
  ErrorKind kind = ErrorKind::kRuntime;
  std::string message;
  int line = 0;    // from 1; 0 where there is no position
  int column = 0;  // from 1, in code points

  // "line 3, column 7: 'foo' is undefined"
  std::string describe() const;
};

class TemplateException {
 public:
  TemplateException(ErrorKind kind, std::string message, int line = 0, int column = 0)
      : error{kind, std::move(message), line, column} {}
  TemplateError error;
};

[[noreturn]] void raise(ErrorKind kind, std::string message);
// A wrong type or argument, as Python's TypeError and ValueError.
[[noreturn]] void raise_runtime(std::string message);

// Bounds on one rendering. The defaults are far above what conversations need and far below what hurts.
struct Limits {
  std::uint64_t steps = 20'000'000;            // nodes evaluated, plus work done inside built-in functions
  std::uint64_t output_bytes = 64u << 20;      // the rendered text, and any single string
  std::uint64_t allocated_bytes = 1ull << 30;  // text and list elements made in one rendering, freed ones included
  int call_depth = 220;                        // macros within macros, recursive loops
};

// How deep expressions and blocks may nest in a template's source, and values in values.
inline constexpr int kMaxSyntaxDepth = 160;
inline constexpr int kMaxValueDepth = 700;

// What one rendering has used. One is current per thread while a rendering runs on it, so that text and
// lists can charge for themselves wherever they are made.
class Budget {
 public:
  explicit Budget(const Limits& limits);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  void step(std::uint64_t count = 1) {
    steps_ += count;
    if (steps_ > limits_.steps) fail_steps();
  }
  void allocate(std::uint64_t bytes) {
    allocated_ += bytes;
    if (allocated_ > limits_.allocated_bytes) fail_memory();
  }
  // Throws where the call stack has grown beyond what a thread of ordinary size has left.
  void check_stack() const {
    const char here = 0;
    const auto address = reinterpret_cast<std::uintptr_t>(&here);
    if (base_ - address > kStackBytes && base_ > address) fail_stack();
  }
  const Limits& limits() const { return limits_; }

  // Null outside a rendering: what is made then (constants of a template) is bounded by its source.
  static Budget* current() { return current_; }

 private:
  static constexpr std::uintptr_t kStackBytes = 3u << 20;
  [[noreturn]] void fail_steps() const;
  [[noreturn]] void fail_memory() const;
  [[noreturn]] void fail_stack() const;

  static inline constinit thread_local Budget* current_ = nullptr;
  Limits limits_;
  std::uint64_t steps_ = 0;
  std::uint64_t allocated_ = 0;
  std::uintptr_t base_ = 0;
  Budget* previous_ = nullptr;
};

inline void charge_steps(std::uint64_t count) {
  if (Budget* budget = Budget::current()) budget->step(count);
}
// Work that is linear in bytes: a step for each 32 of them.
inline void charge_bytes(std::uint64_t bytes) { charge_steps(1 + bytes / 32); }
inline void charge_allocation(std::uint64_t bytes) {
  if (Budget* budget = Budget::current()) budget->allocate(bytes);
}
// For recursive walks over values.
inline void check_stack() {
  if (const Budget* budget = Budget::current()) budget->check_stack();
}

}  // namespace atelier::prompt::jinja
