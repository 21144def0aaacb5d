// The program lms at one end of a pseudo-terminal, with a home folder of its own; the test is at the other end.
#pragma once

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/cli/terminal.h"

namespace atelier::test {

class ProgramInTerminal {
 public:
  explicit ProgramInTerminal(std::vector<std::string> arguments) {
    std::string pattern = (std::filesystem::temp_directory_path() / "atelier-terminal-XXXXXX").string();
    home_ = ::mkdtemp(pattern.data());
    std::string program = ATELIER_LMS;
    std::vector<char*> words{program.data()};
    for (std::string& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    child_ = ::fork();
    if (child_ != 0) return;
    ::setenv("ATELIER_HOME", home_.c_str(), 1);
    ::setenv("TERM", "xterm", 1);
    ::setenv("NO_COLOR", "1", 1);
    ::close(terminal_.person_side());
    ::login_tty(terminal_.program_side());
    ::execv(program.c_str(), words.data());
    ::_exit(127);
  }
  ~ProgramInTerminal() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    std::filesystem::remove_all(home_);
  }
  ProgramInTerminal(const ProgramInTerminal&) = delete;
  ProgramInTerminal& operator=(const ProgramInTerminal&) = delete;

  Terminal& terminal() { return terminal_; }

  // Waits for its end; -1 where a signal ended it.
  int exit_code() {
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  Terminal terminal_;
  std::filesystem::path home_;
  pid_t child_ = 0;
};

}  // namespace atelier::test
