// Memory for objects. A rendering makes and drops thousands of small objects of a few sizes; what it drops is kept by the
// thread, up to a bound, and handed out again without a call of malloc. An object may be dropped by another thread than the
// one that made it: each block is a malloc of its own.
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

#include "prompt/jinja/value.h"

// Sanitizers find uses of freed objects only where nobody keeps them.
#if defined(__SANITIZE_ADDRESS__)
#define ATELIER_KEEPS_OBJECT_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define ATELIER_KEEPS_OBJECT_MEMORY 0
#endif
#endif
#ifndef ATELIER_KEEPS_OBJECT_MEMORY
#define ATELIER_KEEPS_OBJECT_MEMORY 1
#endif

namespace atelier::prompt::jinja {

#if ATELIER_KEEPS_OBJECT_MEMORY

namespace {

constexpr std::size_t kUnit = 16;
constexpr std::size_t kSizes = 16;           // of 16, 32, … 256 bytes
constexpr std::uint32_t kKeptOfASize = 512;  // at most 1 MiB for a thread in all

struct Block {
  Block* next;
};

struct Kept {
  std::array<Block*, kSizes> first{};
  std::array<std::uint32_t, kSizes> count{};
  bool armed = false;  // somebody gives it all back when the thread ends
  bool thread_ends = false;
};

constinit thread_local Kept kept;

// Gives everything back when the thread ends.
struct Release {
  ~Release() {
    kept.thread_ends = true;
    for (Block*& list : kept.first) {
      while (list != nullptr) {
        Block* const next = list->next;
        ::operator delete(list);
        list = next;
      }
    }
  }
};
thread_local Release release_at_end;

std::size_t index_of(std::size_t bytes) { return (bytes - 1) / kUnit; }

}  // namespace

void* Object::operator new(std::size_t bytes) {
  const std::size_t index = index_of(bytes);
  if (index >= kSizes) return ::operator new(bytes);
  if (Block* const block = kept.first[index]; block != nullptr) {
    kept.first[index] = block->next;
    --kept.count[index];
    return block;
  }
  return ::operator new((index + 1) * kUnit);
}

void Object::operator delete(void* memory, std::size_t bytes) {
  const std::size_t index = index_of(bytes);
  if (index >= kSizes || kept.count[index] >= kKeptOfASize || kept.thread_ends) {
    ::operator delete(memory);
    return;
  }
  if (!kept.armed) {
    // Mentioning it makes it, and with that its destructor runs.
    (void)&release_at_end;
    kept.armed = true;
  }
  auto* const block = static_cast<Block*>(memory);
  block->next = kept.first[index];
  kept.first[index] = block;
  ++kept.count[index];
}

#else

void* Object::operator new(std::size_t bytes) { return ::operator new(bytes); }

void Object::operator delete(void* memory, std::size_t) { ::operator delete(memory); }

#endif

}  // namespace atelier::prompt::jinja
