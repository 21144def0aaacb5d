// The part of the sandbox (sandbox.h) that is about files: Landlock, by its system calls, as C libraries have no
// functions for them.
#pragma once

#include "engine/sandbox.h"

namespace atelier::engine {

struct FileRestriction {
  int landlock_version = 0;  // of the kernel's interface; 0: there is none, or it refused
  int threads_left_out = 0;
};

// All threads of the process, from now on. Paths of the plan that are not there are passed over.
FileRestriction restrict_files(const SandboxPlan& plan);

}  // namespace atelier::engine
