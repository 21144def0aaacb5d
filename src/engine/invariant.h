// ENGINE_INVARIANT(condition): our own bookkeeping, checked in every build. An engine whose bookkeeping is
// wrong could mix up the cells of two requests, so it ends; the server starts another. Never for untrusted
// input and never for what the library or the machine may answer: those are error values.
#pragma once

namespace atelier::engine {

[[noreturn]] void invariant_broken(const char* condition, const char* file, int line);

}  // namespace atelier::engine

#define ENGINE_INVARIANT(condition) \
  ((condition) ? static_cast<void>(0) : ::atelier::engine::invariant_broken(#condition, __FILE__, __LINE__))
