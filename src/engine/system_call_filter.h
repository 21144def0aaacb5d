// The part of the sandbox (sandbox.h) that is about system calls: a seccomp filter.
#pragma once

namespace atelier::engine {

// All threads of the process, from now on. False where the kernel has no seccomp, or refused, and on processors for
// which there is no filter.
//
// The filter names what is refused rather than what is allowed: the C library and drivers of GPUs, which come in many
// versions, need to go on working.
bool filter_system_calls();

}  // namespace atelier::engine
