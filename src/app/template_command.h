// `atelier template render` and `atelier template show`: what chat templates give, without a running server and without
// a model in memory. The tool that people debug templates with.
//
// Results go to standard output, byte for byte; everything else to standard error. Exit codes: 0, 1 (the template, the
// input or the model is at fault), 2 (the command line is).
#pragma once

#include <memory>

namespace CLI {
class App;
}

namespace atelier::app {

class TemplateCommand {
 public:
  // Adds the command with its own commands to the program's; `app` must outlive this object.
  explicit TemplateCommand(CLI::App& app);
  ~TemplateCommand();
  TemplateCommand(const TemplateCommand&) = delete;
  TemplateCommand& operator=(const TemplateCommand&) = delete;

  // Whether the command line names this command, also where the rest of it is wrong.
  bool named() const;
  // Does what the command line asks for; gives the exit code.
  int run() const;
  // Says what is wrong with the command line, and how it is written.
  int usage_error(const char* problem) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace atelier::app
