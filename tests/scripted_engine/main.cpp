// An engine without a model, for exact tests of everything above the engine: README.md.
#include <signal.h>
#include <stdlib.h>

#include <cstdio>
#include <string_view>

#include "tests/scripted_engine/player.h"

int main(int argc, char** argv) {
  atelier::scripted::StartOptions options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--hello") {
      options.hello = value;
    } else if (name == "--protocol-version") {
      options.protocol_version = static_cast<std::uint32_t>(atoi(value));
    } else if (name == "--ignore-end") {
      options.ignore_end = std::string_view(value) == "true";
    } else if (name == "--print") {
      std::fprintf(stderr, "%s\n", value);
    } else if (name != "--backends") {  // the server passes it; there are none here
      std::fprintf(stderr, "unknown option %s\n", argv[i]);
      return 2;
    }
  }
  if (options.ignore_end) signal(SIGTERM, SIG_IGN);
  return atelier::scripted::Player(atelier::wire::kEngineSocketFd, options).run();
}
