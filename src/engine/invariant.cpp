#include "engine/invariant.h"

#include <cstdio>
#include <cstdlib>

namespace atelier::engine {

void invariant_broken(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "atelier-engine: broken invariant at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace atelier::engine
