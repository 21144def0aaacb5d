// Starting a program that outlives us (Linux and other POSIX systems).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace atelier::client {

struct DetachedStart {
  std::filesystem::path program{};
  std::vector<std::string> arguments{};    // without the program itself
  std::vector<std::string> environment{};  // "NAME=value", replacing the inherited one
  std::filesystem::path output_file{};     // standard output and error are appended here
};

// In a session of its own, standard input from /dev/null, no other descriptor inherited. The process stays our child
// until we end, so that exit_of_child can tell how it died. An error where the program cannot be run at all.
Result<pid_t> start_detached(const DetachedStart& start);

// Empty while the child runs; else a phrase such as "exit code 1" or "signal 11".
std::string exit_of_child(pid_t pid);

// Does a process with this id exist (a zombie that we have not waited for counts as gone)?
bool process_exists(pid_t pid);

// Runs a program to its end and gives its standard output (bounded). Its standard error is dropped.
Result<std::string> output_of(const std::filesystem::path& program, const std::vector<std::string>& arguments);

}  // namespace atelier::client
