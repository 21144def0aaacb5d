// Says who holds a TCP port of this machine, for the message "port 1234 is taken by …".
#pragma once

#include <cstdint>
#include <string>

namespace atelier::app {

// "llama-server (PID 4711)", or an empty text where it cannot be told (another user's process, no /proc).
std::string port_owner(std::uint16_t port);

}  // namespace atelier::app
