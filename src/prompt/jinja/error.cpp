#include "prompt/jinja/error.h"

#include <utility>

namespace atelier::prompt::jinja {

std::string TemplateError::describe() const {
  if (line == 0) return message;
  return "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + message;
}

void raise(ErrorKind kind, std::string message) { throw TemplateException(kind, std::move(message)); }

void raise_runtime(std::string message) { throw TemplateException(ErrorKind::kRuntime, std::move(message)); }

Budget::Budget(const Limits& limits) : limits_(limits), previous_(current_) {
  const char here = 0;
  base_ = reinterpret_cast<std::uintptr_t>(&here);
  current_ = this;
}

Budget::~Budget() { current_ = previous_; }

void Budget::fail_steps() const {
  raise(ErrorKind::kBudget, "the template takes more than " + std::to_string(limits_.steps) +
                                " steps; it may be looping over far more than it means to");
}

void Budget::fail_memory() const {
  raise(ErrorKind::kBudget, "the template makes more than " + std::to_string(limits_.allocated_bytes) +
                                " bytes of text and lists while it runs");
}

void Budget::fail_stack() const { raise(ErrorKind::kBudget, "the template nests its calls or values too deeply"); }

}  // namespace atelier::prompt::jinja
