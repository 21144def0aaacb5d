// Finding, starting and ending the Atelier service of this machine and this home folder.
//
// The service writes HOME/.internal/http-server.json {port, pid, nonce} for its control listener, which answers only
// on loopback. The file alone proves nothing: it may have been left by a service that was killed, and its port may
// belong to another program by now. A service counts as ours only if GET /lms-status on the port names the package
// "atelier" and repeats the nonce of the file. If the file's port does not, the ports that a service prefers are
// asked the same question.
//
// All functions block. start_local_service holds a lock in the home folder, so that two programs that start at once end
// up with one service.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "base/error.h"

namespace atelier::client {

struct LocalService {
  std::uint16_t control_port = 0;
  std::int64_t pid = 0;
  std::string nonce{};
  std::string version{};

  std::string base_url() const;
};

// Nothing where no service of this home answers.
std::optional<LocalService> find_local_service(const std::filesystem::path& home);

struct ServiceStart {
  std::filesystem::path home{};
  std::filesystem::path program{};     // the `atelier` program
  bool end_with_http = false;          // the service ends when its HTTP listener is closed
  std::chrono::seconds patience{60};   // until it must answer
  std::function<void()> on_waiting{};  // called once, when a service has been started and is waited for; may be empty
};

struct StartedService {
  LocalService service{};
  bool started_here = false;  // false: it ran already
};

// The running service of this home; started if there is none, detached from this process and its terminal, with its
// output in HOME/server-logs/service-DATE.log. The error of a service that dies early holds its last lines.
Result<StartedService> start_local_service(const ServiceStart& start);

// Waits until the process of a service that is ending is gone.
Result<void> wait_for_end(const LocalService& service, std::chrono::seconds patience = std::chrono::seconds(30));

// Asks the service to end and waits until its process is gone.
Result<void> stop_local_service(const LocalService& service, std::chrono::seconds patience = std::chrono::seconds(30));

// What `PROGRAM --build-id` prints.
Result<std::string> build_id_of(const std::filesystem::path& program);

}  // namespace atelier::client
