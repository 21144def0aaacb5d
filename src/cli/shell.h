// What every command gets: where to write, where Atelier lives, and whom to talk to.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "cli/console.h"
#include "client/client.h"

namespace atelier::cli {

// The process around a command; tests make their own.
struct Environment {
  std::filesystem::path home;            // $ATELIER_HOME
  std::filesystem::path server_program;  // `atelier`, beside lms
  std::string api_token;                 // LM_API_TOKEN or LMSTUDIO_API_TOKEN
  std::string bind_address;              // LMS_SERVER_HOST
  int input = 0;                         // the descriptor of standard input

  // kIo where there is no home folder.
  static Result<Environment> of_this_process();
};

struct Shell {
  Console& console;
  const Environment& environment;
};

// --host, --port, --api-token.
struct ConnectionOptions {
  std::string host;
  std::optional<std::uint16_t> port;
  std::string api_token;
};

enum class IfNoService { kStartIt, kGiveNothing };

// A client for the server that the options name, or for this home's service. An optional without value: there is no
// service, and none was to be started.
Result<std::optional<client::Client>> try_connect(Shell& shell, const ConnectionOptions& options, IfNoService choice);

// The same, starting the service where there is none.
Result<client::Client> connect(Shell& shell, const ConnectionOptions& options);

// "http://HOST:PORT" for a host as people give it: a name or an address, without scheme and port.
Result<std::string> base_url_of(const ConnectionOptions& options);

}  // namespace atelier::cli
