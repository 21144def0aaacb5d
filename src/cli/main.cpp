// The program lms.
#include <iostream>
#include <vector>

#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/shell.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  atelier::cli::Console console(std::cout, std::cerr, atelier::cli::Terminals::of_this_process());
  auto environment = atelier::cli::Environment::of_this_process();
  if (!environment) {
    console.error(environment.error());
    return 1;
  }
  atelier::cli::Shell shell{console, *environment};
  return atelier::cli::run(shell, std::vector<std::string>(argv + 1, argv + argc));
}
