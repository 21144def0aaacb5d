// What an engine may still do once it knows which model it serves.
//
// A model file comes from strangers, and the library that reads it is large. So before the first byte of the file is
// read, the process gives up what serving a model does not need:
//   - Files (Landlock, Linux 5.13 and newer): the model's own files, folders of models that requests may name, the
//     folders of libraries and plug-ins, and what the kernel tells of the machine and of this process (/sys, parts of
//     /proc) may be read; nothing may be written but the folders named for it (the KV cache on disk). For loads on a GPU, drivers' files under /usr, /etc and /opt may be read too, and
//     device nodes, shared memory and the drivers' caches may be written.
//   - System calls (seccomp): no sockets beside the one that is open, no new processes or programs, no tracing, no
//     signals to others, nothing that reaches around these rules (io_uring, bpf, namespaces, keys, mounts).
// Threads and memory go on working. What is refused fails with EACCES (Landlock) or EPERM (seccomp).
//
// Landlock restricts a thread and those it starts. Threads that run already (of the engine, of drivers) are
// interrupted by a signal whose handler restricts them too; one that keeps signals away is counted in the report.
//
// Sources: landlock(7), seccomp(2), and the kernel's userspace-api/landlock.rst.
#pragma once

#include <string>
#include <vector>

namespace atelier::engine {

struct SandboxPlan {
  std::vector<std::string> readable;  // files, or folders with all below them
  std::vector<std::string> writable;  // folders; they must exist
  bool gpu = false;
};

// What it took. Neither is an error where the kernel has none of it; the engine serves all the same.
struct SandboxReport {
  int landlock_version = 0;  // 0: files are not restricted
  bool system_calls = false;
  int threads_left_out = 0;  // of files' restriction

  bool complete() const { return landlock_version > 0 && system_calls && threads_left_out == 0; }
  // One line for people.
  std::string describe() const;
};

// The files of a model (all parts of a split one, what links point to) and what any engine reads: the folders of the
// loaded libraries and of the library's plug-ins, /sys, parts of /proc. Empty paths are passed over.
SandboxPlan plan_sandbox(const std::vector<std::string>& models, const std::string& backends);

// False in builds with a sanitizer, whose own threads and files it would be in the way of.
bool sandbox_is_possible();

// For the whole process and for good. Call it once.
SandboxReport enter_sandbox(const SandboxPlan& plan);

// Enters a sandbox for a model in `folder` and tries what must fail and what must go on working; one line for each on
// standard output. 0: all as it should be; 1: something is not; 3: the kernel has no such means, nothing was tried.
int test_sandbox(const std::string& folder);

}  // namespace atelier::engine
