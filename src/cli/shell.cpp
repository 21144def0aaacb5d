#include "cli/shell.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/paths.h"
#include "client/local_service.h"

namespace atelier::cli {
namespace {

constexpr std::uint16_t kDefaultPort = 1234;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

Result<Environment> Environment::of_this_process() {
  Environment result;
  auto home = paths::find_home();
  if (!home) return std::unexpected(home.error());
  result.home = home->root;
  auto program = paths::executable();
  if (!program) return std::unexpected(program.error());
  result.server_program = program->parent_path() / "atelier";
  result.api_token = variable("LM_API_TOKEN");
  if (result.api_token.empty()) result.api_token = variable("LMSTUDIO_API_TOKEN");
  result.bind_address = variable("LMS_SERVER_HOST");
  return result;
}

Result<std::string> base_url_of(const ConnectionOptions& options) {
  std::string host = options.host.empty() ? "127.0.0.1" : options.host;
  if (host.find("://") != std::string::npos || host.find('/') != std::string::npos) {
    return fail(
        ErrorCode::kInvalidRequest,
        fmt::format("--host takes a name or an address without scheme, for example 192.168.1.20; got \"{}\".", host));
  }
  auto colons = std::count(host.begin(), host.end(), ':');
  bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (colons == 1 || (host.starts_with('[') && !bracketed)) {
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("--host must not contain a port; give it with --port. Got \"{}\".", host));
  }
  if (colons > 1 && !bracketed) host = "[" + host + "]";
  return fmt::format("http://{}:{}", host, options.port.value_or(kDefaultPort));
}

Result<std::optional<client::Client>> try_connect(Shell& shell, const ConnectionOptions& options, IfNoService choice) {
  const std::string& token = options.api_token.empty() ? shell.environment.api_token : options.api_token;
  auto as_optional = [](Result<client::Client> made) -> Result<std::optional<client::Client>> {
    if (!made) return std::unexpected(made.error());
    return std::optional<client::Client>(std::move(*made));
  };
  if (!options.host.empty() || options.port) {
    auto url = base_url_of(options);
    if (!url) return std::unexpected(url.error());
    auto remote = client::Client::connect(*url, token);
    if (!remote) return std::unexpected(remote.error());
    if (auto there = remote->probe(); !there) {
      shell.console.debug(there.error().message);
      return fail(ErrorCode::kUnavailable,
                  fmt::format("The server does not appear to be running at {}. Is the address right, and is the server "
                              "started there (lms server start)?",
                              url->substr(std::string_view("http://").size())));
    }
    return as_optional(std::move(remote));
  }
  if (choice == IfNoService::kGiveNothing) {
    auto service = client::find_local_service(shell.environment.home);
    if (!service) return std::optional<client::Client>();
    return as_optional(client::Client::connect(service->base_url(), token));
  }
  client::ServiceStart start;
  start.home = shell.environment.home;
  start.program = shell.environment.server_program;
  start.on_waiting = [&shell] { shell.console.info("Waking up the Atelier service..."); };
  auto started = client::start_local_service(start);
  if (!started) return std::unexpected(started.error());
  shell.console.debug(fmt::format("Service on {} (process {})", started->service.base_url(), started->service.pid));
  return as_optional(client::Client::connect(started->service.base_url(), token));
}

Result<client::Client> connect(Shell& shell, const ConnectionOptions& options) {
  auto client = try_connect(shell, options, IfNoService::kStartIt);
  if (!client) return std::unexpected(client.error());
  return std::move(**client);
}

}  // namespace atelier::cli
