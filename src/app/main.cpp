// The server program. `atelier serve` runs it in the foreground; `lms server start` runs `atelier service` detached.
#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/build_id.h"
#include "app/service.h"
#include "app/template_command.h"
#include "base/paths.h"
#include "runtime/instances.h"

namespace {

std::string current_build_id() {
  std::filesystem::path engine;
  if (const auto resources = atelier::paths::find_resources()) {
    if (const auto found = atelier::runtime::EngineRuntime::read(resources->default_runtime())) engine = found->exe;
  }
  return atelier::app::build_id(engine);
}

bool allowed_by_environment() {
  const char* value = std::getenv("ATELIER_ALLOW_UNAUTHENTICATED");
  const std::string_view word = value == nullptr ? std::string_view() : std::string_view(value);
  return !word.empty() && word != "0";
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Atelier: open-weight models on your own machine, behind the APIs that your programs already use.\n"
      "Most people use `lms`, which starts this program when it is needed.",
      "atelier");
  app.require_subcommand(0, 1);
  bool version = false;
  bool build = false;
  app.add_flag("-v,--version", version, "Print the version");
  app.add_flag("--build-id", build, "Print what identifies this build");

  atelier::app::ServiceOptions options;
  std::uint16_t port = 0;
  std::string host;
  bool cors = false;
  const auto add_listener_options = [&](CLI::App& command) {
    command.add_option("-p,--port", port, "Port of the HTTP listener (default: the last one used, else 1234; 0: any)");
    command.add_option("--bind", host, "Address to serve on (default: 127.0.0.1; 0.0.0.0 serves the network)");
    command.add_flag("--cors", cors, "Let web pages of every origin use the server");
    command.add_flag("--allow-unauthenticated", options.allow_unauthenticated,
                     "Permit an address that other machines can reach, although nobody has to log in");
  };
  CLI::App* serve = app.add_subcommand("serve", "Run the server in the foreground, with its log on standard error");
  add_listener_options(*serve);
  serve->footer("Example:\n  atelier serve --port 1234");
  CLI::App* service =
      app.add_subcommand("service", "Run the service without its HTTP listener; `lms` opens that on demand");
  service->add_flag("--log-to-console", options.log_to_console, "Write the log to standard error as well");
  service->add_flag("--end-with-http", options.end_with_http, "End when the HTTP listener is closed");
  service->add_flag("--allow-unauthenticated", options.allow_unauthenticated,
                    "Permit addresses that other machines can reach, although nobody has to log in");
  const atelier::app::TemplateCommand template_command(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    const bool failed = problem.get_exit_code() != static_cast<int>(CLI::ExitCodes::Success);
    if (failed && template_command.named()) return template_command.usage_error(problem.what());
    return app.exit(problem);
  }

  if (version) {
    fmt::print("atelier {}\n", ATELIER_VERSION);
    return 0;
  }
  if (build) {
    fmt::print("{}\n", current_build_id());
    return 0;
  }
  options.allow_unauthenticated = options.allow_unauthenticated || allowed_by_environment();
  if (serve->parsed()) {
    options.open_http = true;
    options.log_to_console = true;
    if (serve->count("--port") > 0) options.port = port;
    if (serve->count("--bind") > 0) options.host = host;
    if (cors) options.cors = true;
    return atelier::app::run_service(options);
  }
  if (service->parsed()) return atelier::app::run_service(options);
  if (template_command.named()) return template_command.run();
  fmt::print("{}", app.help());
  return 0;
}
