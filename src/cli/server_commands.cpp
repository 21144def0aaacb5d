// lms server and lms daemon: the service of this machine. Always local.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/files.h"
#include "cli/commands.h"
#include "client/local_service.h"

namespace atelier::cli {
namespace {

using client::Client;
using client::HttpListener;
using client::LocalService;

constexpr int kProbes = 5;
constexpr std::chrono::milliseconds kProbeInterval{1000};

bool is_loopback(const std::string& address) {
  return address.empty() || address == "localhost" || address == "::1" || address.starts_with("127.");
}

// Where a listener on that address can be reached from here.
std::string reachable_host(const std::string& bound) {
  if (bound.empty() || bound == "0.0.0.0") return "127.0.0.1";
  return bound == "::" ? "::1" : bound;
}

Result<client::StartedService> start_service(Shell& shell, bool end_with_http) {
  client::ServiceStart start;
  start.home = shell.environment.home;
  start.program = shell.environment.server_program;
  start.end_with_http = end_with_http;
  start.on_waiting = [&shell] { shell.console.info("Waking up the Atelier service..."); };
  return client::start_local_service(start);
}

bool of_another_build(Shell& shell, const client::ServerInfo& info) {
  auto installed = client::build_id_of(shell.environment.server_program);
  if (!installed) {
    shell.console.debug(installed.error().message);
    return false;
  }
  return !info.build_id.empty() && info.build_id != *installed;
}

// The running service of this build; one of another build is replaced. Where there is none, one is started that
// `server stop` will end with its listener.
Result<LocalService> current_service(Shell& shell) {
  bool end_with_http = true;
  if (auto running = client::find_local_service(shell.environment.home)) {
    auto client = Client::connect(running->base_url());
    if (!client) return std::unexpected(client.error());
    auto info = client->server_info();
    if (!info) return std::unexpected(info.error());
    if (!of_another_build(shell, *info)) return *running;
    end_with_http = info->ends_with_http;
    shell.console.info("The running service is of another build; replacing it...");
    if (auto stopped = client::stop_local_service(*running); !stopped) return std::unexpected(stopped.error());
  }
  auto started = start_service(shell, end_with_http);
  if (!started) return std::unexpected(started.error());
  return started->service;
}

Result<void> wait_until_it_answers(const HttpListener& listener) {
  auto url = base_url_of({.host = reachable_host(listener.host), .port = listener.port, .api_token = {}});
  if (!url) return std::unexpected(url.error());
  auto probe = Client::connect(*url);
  if (!probe) return std::unexpected(probe.error());
  Result<void> answer;
  for (int i = 0; i < kProbes; ++i) {
    if (i > 0) std::this_thread::sleep_for(kProbeInterval);
    answer = probe->probe(kProbeInterval);
    if (answer) return answer;
  }
  return answer;
}

std::string dump_line(json::Object object) { return json::dump(json::Value(std::move(object))) + "\n"; }

}  // namespace

int run_server_start(Shell& shell, const ServerStartOptions& options) {
  client::HttpStart wanted;
  wanted.port = options.port;
  const std::string& bind = options.bind_address.empty() ? shell.environment.bind_address : options.bind_address;
  if (!bind.empty()) wanted.bind_address = bind;
  wanted.cors = options.cors;
  wanted.allow_unauthenticated = options.allow_unauthenticated;
  if (options.cors) {
    shell.console.warn("CORS is on: any web page that you open in a browser may use this server.");
  }
  if (!is_loopback(bind)) {
    shell.console.warn(fmt::format("The server will listen on {}: other machines of the network can reach it.", bind));
  }
  auto service = current_service(shell);
  if (!service) return report(shell, service.error());
  auto client = Client::connect(service->base_url(), shell.environment.api_token);
  if (!client) return report(shell, client.error());
  auto listener = client->start_http(wanted);
  if (!listener) {
    int code = report(shell, listener.error());
    if (listener.error().code == ErrorCode::kConflict) {
      shell.console.info(fmt::format("Try another port, for example: lms server start --port {}",
                                     options.port.value_or(1234) == 65535 ? 1234 : options.port.value_or(1234) + 1));
    }
    return code;
  }
  if (auto answers = wait_until_it_answers(*listener); !answers) {
    shell.console.error(
        fmt::format("The server was started on port {} but does not answer there: {} Try another port, for "
                    "example: lms server start --port 1235",
                    listener->port.value_or(0), answers.error().message));
    return 1;
  }
  if (options.json) {
    shell.console.data(dump_line(json::Object{{"running", true}, {"port", listener->port}, {"host", listener->host}}));
    return 0;
  }
  shell.console.info(fmt::format("{} Server is now running on port {}",
                                 paint(Paint::kGreen, "Success!", shell.console.error_colour()),
                                 listener->port.value_or(0)));
  return 0;
}

int run_server_stop(Shell& shell) {
  auto service = client::find_local_service(shell.environment.home);
  std::optional<std::uint16_t> port;
  bool ends = false;
  if (service) {
    auto client = Client::connect(service->base_url(), shell.environment.api_token);
    if (!client) return report(shell, client.error());
    auto info = client->server_info();
    if (!info) return report(shell, info.error());
    if (info->http.running) {
      auto stopped = client->stop_http();
      if (!stopped) return report(shell, stopped.error());
      port = *stopped ? *stopped : info->http.port.value_or(0);
      ends = info->ends_with_http;
    }
  }
  if (!port) {
    shell.console.error("The server is not running.");
    return 1;
  }
  if (ends) {
    if (auto ended = client::wait_for_end(*service); !ended) return report(shell, ended.error());
  }
  shell.console.info(fmt::format("Stopped the server on port {}.", *port));
  return 0;
}

int run_server_status(Shell& shell, bool json) {
  HttpListener listener;
  if (auto service = client::find_local_service(shell.environment.home)) {
    auto client = Client::connect(service->base_url(), shell.environment.api_token);
    if (!client) return report(shell, client.error());
    auto info = client->server_info();
    if (!info) return report(shell, info.error());
    listener = info->http;
  } else {
    // The last port that was used, from the settings that the service leaves behind.
    auto text = files::read_file(shell.environment.home / ".internal" / "http-server-config.json", 64 * 1024);
    auto settings = text ? json::parse(*text) : Result<json::Value>(json::Value());
    const json::Value* port = settings ? settings->find("port") : nullptr;
    auto number = port ? port->integer() : std::nullopt;
    if (number && *number > 0 && *number <= 65535) listener.port = static_cast<std::uint16_t>(*number);
  }
  if (json) {
    json::Object out{{"running", listener.running}};
    if (listener.port) out.append("port", *listener.port);
    shell.console.data(dump_line(std::move(out)));
    return 0;
  }
  shell.console.info(listener.running ? fmt::format("The server is running on port {}.", listener.port.value_or(0))
                                      : std::string("The server is not running."));
  return 0;
}

int run_daemon_up(Shell& shell, bool json) {
  auto started = start_service(shell, false);
  if (!started) return report(shell, started.error());
  const LocalService& service = started->service;
  if (json) {
    shell.console.data(dump_line(
        json::Object{{"status", "running"}, {"pid", service.pid}, {"isDaemon", true}, {"version", service.version}}));
    return 0;
  }
  shell.console.info(started->started_here ? fmt::format("Atelier started (PID: {}).", service.pid)
                                           : fmt::format("The daemon is already running (PID: {}).", service.pid));
  return 0;
}

int run_daemon_down(Shell& shell) {
  auto service = client::find_local_service(shell.environment.home);
  if (!service) {
    shell.console.error("Daemon is not running.");
    return 1;
  }
  shell.console.info("Shutting down Atelier...");
  if (auto stopped = client::stop_local_service(*service); !stopped) return report(shell, stopped.error());
  shell.console.info("Done.");
  return 0;
}

int run_daemon_status(Shell& shell, bool json) {
  auto service = client::find_local_service(shell.environment.home);
  if (json) {
    json::Object out{{"status", service ? "running" : "not-running"}};
    if (service) {
      out.append("pid", service->pid);
      out.append("isDaemon", true);
    }
    shell.console.data(dump_line(std::move(out)));
    return 0;
  }
  shell.console.info(service ? fmt::format("Atelier v{} is running (PID: {})", service->version, service->pid)
                             : std::string("Atelier is not running"));
  return 0;
}

int run_daemon_run(Shell& shell) {
  if (auto service = client::find_local_service(shell.environment.home)) {
    shell.console.error(fmt::format("The daemon is already running (PID: {}).", service->pid));
    return 1;
  }
  const std::string program = shell.environment.server_program.string();
  ::setenv("ATELIER_HOME", shell.environment.home.c_str(), 1);
  ::execl(program.c_str(), program.c_str(), "service", "--log-to-console", static_cast<char*>(nullptr));
  shell.console.error(fmt::format("Cannot run {}: {}.", program, std::strerror(errno)));
  return 1;
}

}  // namespace atelier::cli
