// atelier-engine: one model, served over the socket on descriptor 3 (proto/engine.proto).
#include <fmt/format.h>
#include <ggml-backend.h>
#include <llama.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>

#include "engine/cpu_topology.h"
#include "engine/engine.h"
#include "engine/sandbox.h"
#include "wire/framing.h"

namespace {

// How long the library may go on computing after the server is gone.
constexpr std::chrono::milliseconds kLongestFarewell{1500};

constexpr std::string_view kHelp =
    "atelier-engine: serves one model over a socket to the Atelier server, which starts it\n"
    "\n"
    "  --backends DIR   folder of the inference library's processor and GPU plug-ins\n"
    "                   (default: where the library looks by itself)\n"
    "  --no-sandbox     keep the user's full rights over files and the network\n"
    "  --version        print the version and the library's, and exit\n"
    "  --help           print this and exit\n"
    "\n"
    "The socket is descriptor 3; the protocol is described in proto/engine.proto.\n";

bool is_socket(int descriptor) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

// Where processors have memory of their own and reach the others' slowly, threads stay on one node each and weights are
// read by whoever is near them: the strategy that llama.cpp recommends there. On one node it does nothing good.
void spread_over_memory_nodes() {
  if (atelier::engine::memory_nodes(atelier::engine::allowed_processors()).size() < 2) return;
  // The library asserts that the processor's plug-in is there; a load tells of its absence in words.
  if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) == nullptr) return;
  llama_numa_init(GGML_NUMA_STRATEGY_DISTRIBUTE);
}

}  // namespace

int main(int argc, char** argv) {
  std::string backends;
  bool sandbox = atelier::engine::sandbox_is_possible();
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help") {
      fmt::print("{}", kHelp);
      return 0;
    }
    if (argument == "--version") {
      fmt::print("atelier-engine {} (llama.cpp {})\n", ATELIER_VERSION, llama_version());
      return 0;
    }
    // For tests: a sandbox for a model in this folder, tried from inside.
    if (argument == "--sandbox-self-test" && i + 1 < argc) return atelier::engine::test_sandbox(argv[i + 1]);
    if (argument == "--no-sandbox") {
      sandbox = false;
    } else if (argument == "--backends" && i + 1 < argc) {
      backends = argv[++i];
    } else if (argument.starts_with("--backends=")) {
      backends = argument.substr(std::string_view("--backends=").size());
    } else {
      fmt::print(stderr, "atelier-engine: unknown argument \"{}\"; --help tells what there is\n", argument);
      return 2;
    }
  }
  if (!is_socket(atelier::wire::kEngineSocketFd)) {
    fmt::print(stderr, "atelier-engine: descriptor {} is no socket; the server starts this program\n",
               atelier::wire::kEngineSocketFd);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  // Interrupts in a terminal go to the whole group; the server decides when engines end.
  ::signal(SIGINT, SIG_IGN);

  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  if (backends.empty())
    ggml_backend_load_all();
  else
    ggml_backend_load_all_from_path(backends.c_str());
  llama_backend_init();
  spread_over_memory_nodes();

  atelier::engine::Engine::Options options;
  options.sandbox = sandbox;
  options.backends = backends;
  options.on_closed = [](int exit_code) {
    std::thread([exit_code] {
      std::this_thread::sleep_for(kLongestFarewell);
      ::_exit(exit_code);
    }).detach();
  };
  int code = 0;
  {
    atelier::engine::Engine engine(atelier::wire::kEngineSocketFd, options);
    code = engine.run();
  }
  llama_backend_free();
  std::fflush(nullptr);
  // Threads of the library and plug-ins may still be around; there is nothing left to destroy in order.
  ::_exit(code);
}
