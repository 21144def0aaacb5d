#include "client/local_service.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <thread>
#include <vector>

#include "base/json.h"
#include "client/client.h"
#include "client/detached_process.h"
#include "client/transport.h"

namespace atelier::client {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

// The ports that a service's control listener tries first.
constexpr std::array<std::uint16_t, 5> kPreferredPorts = {41343, 52993, 16141, 39414, 22931};
constexpr std::chrono::milliseconds kRecordedPortPatience{3000};
constexpr std::chrono::milliseconds kOtherPortPatience{500};
constexpr std::chrono::milliseconds kPollInterval{50};
constexpr std::size_t kLogLinesInError = 15;

struct ServiceRecord {
  std::uint16_t port = 0;
  std::int64_t pid = 0;
  std::string nonce;
};

std::optional<ServiceRecord> read_record(const fs::path& home) {
  std::ifstream file(home / ".internal" / "http-server.json");
  if (!file) return std::nullopt;
  std::string text(64 * 1024, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  auto parsed = json::parse(text);
  if (!parsed) return std::nullopt;
  const json::Value* port = parsed->find("port");
  const json::Value* pid = parsed->find("pid");
  const json::Value* nonce = parsed->find("nonce");
  ServiceRecord record;
  auto number = port ? port->integer() : std::nullopt;
  if (!number || *number < 1 || *number > 65535) return std::nullopt;
  if (!nonce || !nonce->if_string() || nonce->if_string()->empty()) return std::nullopt;
  record.port = static_cast<std::uint16_t>(*number);
  record.pid = pid ? pid->integer().value_or(0) : 0;
  record.nonce = *nonce->if_string();
  return record;
}

// The version of the service with this nonce, if it is the one that answers on the port.
std::optional<std::string> ask(std::uint16_t port, const std::string& nonce, std::chrono::milliseconds patience) {
  Transport transport;
  HttpRequest request;
  request.url = fmt::format("http://127.0.0.1:{}/lms-status", port);
  request.connect_timeout = patience;
  request.total_timeout = patience;
  std::string body;
  auto head = transport.perform(request, [&body](const HttpHead&, std::string_view bytes) -> Result<void> {
    if (body.size() + bytes.size() > 64 * 1024) return fail(ErrorCode::kBodyTooLarge, "This is no status.");
    body.append(bytes);
    return {};
  });
  if (!head || head->status != 200) return std::nullopt;
  auto parsed = json::parse(body);
  if (!parsed) return std::nullopt;
  auto text = [&parsed](std::string_view key) {
    const json::Value* value = parsed->find(key);
    return value && value->if_string() ? *value->if_string() : std::string();
  };
  if (text("package") != "atelier" || text("nonce") != nonce) return std::nullopt;
  return text("version");
}

// Held while a service is being started; waits for another program that does the same.
class StartLock {
 public:
  explicit StartLock(const fs::path& file) : descriptor_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    while (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~StartLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  StartLock(const StartLock&) = delete;
  StartLock& operator=(const StartLock&) = delete;

 private:
  int descriptor_;
};

std::string last_lines(const fs::path& file, std::uintmax_t from) {
  std::ifstream stream(file);
  stream.seekg(static_cast<std::streamoff>(from));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    if (line.size() > 1000) line.resize(1000);
    lines.push_back(std::move(line));
    if (lines.size() > kLogLinesInError) lines.erase(lines.begin());
  }
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

Result<void> make_folders(const fs::path& home) {
  for (const char* name : {".internal", "server-logs"}) {
    std::error_code problem;
    fs::create_directories(home / name, problem);
    if (problem) {
      return fail(ErrorCode::kIo, fmt::format("Cannot create {}: {}. Set ATELIER_HOME to a folder that can be written.",
                                              (home / name).string(), problem.message()));
    }
  }
  return {};
}

}  // namespace

std::string LocalService::base_url() const { return fmt::format("http://127.0.0.1:{}", control_port); }

std::optional<LocalService> find_local_service(const fs::path& home) {
  auto record = read_record(home);
  if (!record) return std::nullopt;
  auto version = ask(record->port, record->nonce, kRecordedPortPatience);
  std::uint16_t port = record->port;
  for (std::size_t i = 0; !version && i < kPreferredPorts.size(); ++i) {
    port = kPreferredPorts[i];
    if (port != record->port) version = ask(port, record->nonce, kOtherPortPatience);
  }
  if (!version) return std::nullopt;
  return LocalService{port, record->pid, record->nonce, *version};
}

Result<StartedService> start_local_service(const ServiceStart& start) {
  if (auto running = find_local_service(start.home)) return StartedService{*running, false};
  if (auto made = make_folders(start.home); !made) return std::unexpected(made.error());
  StartLock lock(start.home / ".internal" / "service-start.lock");
  if (auto running = find_local_service(start.home)) return StartedService{*running, false};

  std::error_code ignored;
  if (!fs::exists(start.program, ignored)) {
    return fail(ErrorCode::kNotFound,
                fmt::format("The server program is missing: {} should be there. Install Atelier again, or build it.",
                            start.program.string()));
  }
  fs::path log =
      start.home / "server-logs" / fmt::format("service-{:%Y-%m-%d}.log", fmt::localtime(std::time(nullptr)));
  std::uintmax_t log_begin = fs::exists(log, ignored) ? fs::file_size(log, ignored) : 0;
  DetachedStart detached{start.program, {"service"}, {"ATELIER_HOME=" + start.home.string()}, log};
  if (start.end_with_http) detached.arguments.push_back("--end-with-http");
  auto pid = start_detached(detached);
  if (!pid) return std::unexpected(pid.error());
  if (start.on_waiting) start.on_waiting();

  Clock::time_point deadline = Clock::now() + start.patience;
  while (Clock::now() < deadline) {
    // Asked for before looking: a service may answer and end between the two.
    std::string end = exit_of_child(*pid);
    if (auto running = find_local_service(start.home)) return StartedService{*running, true};
    if (!end.empty()) {
      return fail(ErrorCode::kUnavailable, fmt::format("The service ended while it was starting ({}). Its log, {}:{}",
                                                       end, log.string(), last_lines(log, log_begin)));
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  return fail(ErrorCode::kUnavailable,
              fmt::format("The service was started (process {}) but did not answer within {} s. Its log, {}:{}", *pid,
                          start.patience.count(), log.string(), last_lines(log, log_begin)));
}

Result<void> stop_local_service(const LocalService& service, std::chrono::seconds patience) {
  auto client = Client::connect(service.base_url());
  if (!client) return std::unexpected(client.error());
  if (auto asked = client->shutdown_service(); !asked) return asked;
  return wait_for_end(service, patience);
}

Result<void> wait_for_end(const LocalService& service, std::chrono::seconds patience) {
  Clock::time_point deadline = Clock::now() + patience;
  while (Clock::now() < deadline) {
    bool gone = service.pid > 0 ? !process_exists(static_cast<pid_t>(service.pid))
                                : !ask(service.control_port, service.nonce, kOtherPortPatience);
    if (gone) return {};
    std::this_thread::sleep_for(kPollInterval);
  }
  return fail(ErrorCode::kUnavailable,
              fmt::format("The service (process {}) did not end within {} s.", service.pid, patience.count()));
}

Result<std::string> build_id_of(const fs::path& program) {
  auto output = output_of(program, {"--build-id"});
  if (!output) return output;
  while (!output->empty() && std::isspace(static_cast<unsigned char>(output->back()))) output->pop_back();
  return output;
}

}  // namespace atelier::client
