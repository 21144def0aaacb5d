#include "app/service.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "api/errors.h"
#include "api/metrics/routes.h"
#include "api/openai/routes.h"
#include "api/rest_v1/routes.h"
#include "api/service/routes.h"
#include "app/build_id.h"
#include "app/port_owner.h"
#include "app/settings.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/process.h"
#include "models/catalog.h"
#include "net/http_server.h"
#include "predict/model_service.h"
#include "predict/predictor.h"
#include "runtime/instances.h"

namespace atelier::app {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Clock = std::chrono::steady_clock;

// Where the SDKs and lms look for a service (decisions: the service).
constexpr std::uint16_t kControlPorts[] = {41343, 52993, 16141, 39414, 22931};
constexpr std::size_t kPoolThreads = 2;
// Answers under way may end in this time once the program is told to end; then they are told why they end.
constexpr std::chrono::seconds kDrainTime{5};
// A listener that is closed by hand ends active requests (rest-api §7), after a moment for those that are done.
constexpr std::chrono::milliseconds kCloseTime{500};

bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  return !error && address.is_loopback();
}

// One service for each home: the lock is held as long as the descriptor is open, also by a process that crashes.
Result<process::OwnedFd> lock_home(const paths::Home& home) {
  const auto path = home.internal() / "service.lock";
  process::OwnedFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return std::unexpected(files::io_error("open", path, errno));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(
        ErrorCode::kConflict,
        fmt::format("Another Atelier service already uses {}. `lms server status` shows it, `lms daemon down` ends "
                    "it; set ATELIER_HOME to run a second one beside it",
                    home.root.string()));
  }
  return file;
}

class Service {
 public:
  Service(ServiceOptions options, paths::Home home, paths::Resources resources, Settings settings,
          runtime::EngineRuntime engine_runtime);

  Result<void> start();
  void run() { loop_.run(); }
  int exit_code() const { return exit_code_; }

 private:
  Result<void> open_control_listener();
  void fill_control();
  awaitable<Result<api::HttpListenerState>> start_http(api::HttpListenerRequest request);
  awaitable<Result<api::HttpListenerState>> stop_http();
  awaitable<void> close_http();
  Result<void> open_http(const ListenerConfig& config);
  awaitable<void> restore_http();
  awaitable<void> watch_signals();
  awaitable<void> shut_down();
  void begin_shutdown();
  json::Value description() const;
  api::HttpListenerState http_state() const;

  ServiceOptions options_;
  paths::Home home_;
  paths::Resources resources_;
  Settings settings_;
  Clock::time_point started_ = Clock::now();

  asio::io_context loop_{1};
  asio::thread_pool pool_{kPoolThreads};
  asio::signal_set signals_{loop_, SIGTERM, SIGINT};
  models::Catalog catalog_;
  std::unique_ptr<runtime::Instances> instances_;
  predict::ModelService models_;
  predict::Predictor predictor_;
  api::ApiContext context_;
  api::ServiceControl control_;
  api::HttpMetrics http_metrics_;
  api::MetricsSources metrics_sources_{http_metrics_, ATELIER_VERSION};
  std::string engine_version_;
  std::unique_ptr<net::HttpServer> server_;

  std::uint16_t control_port_ = 0;
  ListenerConfig listener_;
  bool shutting_down_ = false;
  int exit_code_ = 0;
};

models::CatalogOptions catalog_options(const paths::Home& home, const paths::Resources& resources,
                                       const Settings& settings) {
  models::CatalogOptions options;
  options.roots = {{settings.models_folder, false}, {resources.bundled_models(), true}};
  options.cache_file = home.internal() / "model-catalog.json";
  options.selection_file = home.internal() / "selected-variants.json";
  options.user_defaults_folder = home.user_model_defaults();
  options.template_facts = predict::template_facts;
  return options;
}

runtime::InstancesConfig instances_config(const paths::Home& home, const paths::Resources& resources,
                                          const Settings& settings, runtime::EngineRuntime engine_runtime) {
  runtime::InstancesConfig config;
  config.runtime = std::move(engine_runtime);
  if (!settings.engine_sandbox) config.runtime.arguments.emplace_back("--no-sandbox");
  config.log_folder = home.server_logs();
  config.max_queue = settings.max_queue;
  config.model_folders = {settings.models_folder, resources.bundled_models()};
  config.kv_cache_root = home.kv_cache();
  config.kv_cache_disk_bytes = settings.kv_cache_disk_mib << 20;
  config.jit_single = settings.jit_single;
  return config;
}

Service::Service(ServiceOptions options, paths::Home home, paths::Resources resources, Settings settings,
                 runtime::EngineRuntime engine_runtime)
    : options_(std::move(options)),
      home_(std::move(home)),
      resources_(std::move(resources)),
      settings_(std::move(settings)),
      catalog_(catalog_options(home_, resources_, settings_)),
      instances_(runtime::Instances::create(loop_.get_executor(),
                                            instances_config(home_, resources_, settings_, engine_runtime))),
      models_(catalog_, *instances_, pool_.get_executor(), settings_.models),
      predictor_(loop_.get_executor(), models_, pool_.get_executor()),
      context_{predictor_, models_, pool_.get_executor()},
      engine_version_(engine_runtime.name + " " + engine_runtime.version),
      listener_(ListenerConfig::read(home_)) {
  fill_control();
  control_.build_id = build_id(engine_runtime.exe);

  auto router = std::make_shared<net::Router>();
  api::service::add_routes(*router, context_, control_);
  api::rest_v1::add_routes(*router, context_);
  api::openai::add_routes(*router, context_);
  if (settings_.metrics) api::add_metrics_route(*router, context_, metrics_sources_);

  net::ServerOptions server_options;
  server_options.render_error = api::render_net_error;
  server_options.access_log = [this](const net::AccessRecord& record) {
    if (settings_.metrics) http_metrics_.record(record);
    log::info("{} {} {} {} {} {} bytes {:.1f} ms{}", record.request_id, record.remote_address, record.method,
              record.target, record.status, record.bytes_sent,
              std::chrono::duration<double, std::milli>(record.duration).count(),
              record.complete ? "" : " (client went away)");
  };
  server_options.report_fault = [](std::string_view fault) { log::error("{}", fault); };
  server_ = std::make_unique<net::HttpServer>(loop_.get_executor(), std::move(router), std::move(server_options));
}

void Service::fill_control() {
  control_.version = ATELIER_VERSION;
  control_.nonce = ids::random_hex(32);
  control_.shutting_down = [this] { return shutting_down_; };
  control_.http_state = [this] { return http_state(); };
  control_.http_start = [this](api::HttpListenerRequest request) { return start_http(std::move(request)); };
  control_.http_stop = [this] { return stop_http(); };
  control_.shut_down = [this] { begin_shutdown(); };
  control_.description = [this] { return description(); };
}

Result<void> Service::start() {
  if (!settings_.engine_sandbox) {
    log::warn(
        "Engines run without their sandbox ('engine_sandbox' in settings.json): a model's file is read with your full "
        "rights over files and the network");
  }
  if (const auto opened = open_control_listener(); !opened) return opened;
  if (options_.open_http) {
    ListenerConfig config = listener_;
    if (const char* host = std::getenv("LMS_SERVER_HOST"); host != nullptr && *host != '\0') config.host = host;
    if (options_.port) config.port = *options_.port;
    if (options_.host) config.host = *options_.host;
    if (options_.cors) config.cors = *options_.cors;
    config.allow_unauthenticated = options_.allow_unauthenticated;
    if (const auto opened = open_http(config); !opened) return opened;
  } else if (listener_.running && !options_.end_with_http) {
    asio::co_spawn(loop_, restore_http(), asio::detached);
  }
  listener_.running = listener_.running && options_.open_http;

  // Last: whoever reads this file finds a service that answers.
  const json::Value state = json::Object{{"port", control_port_}, {"pid", ::getpid()}, {"nonce", control_.nonce}};
  if (const auto written =
          files::write_atomically(home_.internal() / "http-server.json", json::dump(state) + "\n", 0600);
      !written) {
    return written;
  }
  asio::co_spawn(loop_, watch_signals(), asio::detached);
  return {};
}

Result<void> Service::open_control_listener() {
  net::ListenOptions listen;
  listen.name = api::service::kControlListener;
  for (const std::uint16_t port : kControlPorts) {
    if (const auto bound = server_->listen("127.0.0.1", port, listen)) {
      control_port_ = *bound;
      return {};
    }
  }
  const auto bound = server_->listen("127.0.0.1", 0, listen);
  if (!bound) return std::unexpected(bound.error());
  control_port_ = *bound;
  return {};
}

Result<void> Service::open_http(const ListenerConfig& config) {
  if (!is_loopback(config.host) && !config.allow_unauthenticated) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("{} can be reached by others, and this server has no authentication yet. Use 127.0.0.1, or "
                            "permit it by name: --allow-unauthenticated (or ATELIER_ALLOW_UNAUTHENTICATED=1)",
                            config.host));
  }
  net::ListenOptions listen;
  listen.name = "http";
  listen.cors = config.cors;
  listen.allowed_hosts = settings_.allowed_hosts;
  const auto bound = server_->listen(config.host, config.port, listen);
  if (!bound) {
    Error error = bound.error();
    if (const std::string owner = port_owner(config.port); error.code == ErrorCode::kConflict && !owner.empty()) {
      error.message =
          fmt::format("Port {} is taken by {}; end it, or choose another port with --port", config.port, owner);
    }
    return std::unexpected(std::move(error));
  }
  listener_ = config;
  listener_.port = *bound;
  listener_.running = true;
  if (const auto written = listener_.write(home_); !written) log::warn("{}", written.error().message);
  log::info("Serving on http://{}:{}", listener_.host, listener_.port);
  return {};
}

awaitable<void> Service::restore_http() {
  ListenerConfig config = listener_;
  listener_.running = false;
  if (const auto opened = open_http(config); !opened) {
    log::warn("The HTTP listener of the last time could not be opened again: {}", opened.error().message);
  }
  co_return;
}

awaitable<Result<api::HttpListenerState>> Service::start_http(api::HttpListenerRequest request) {
  if (shutting_down_) co_return fail(ErrorCode::kShuttingDown, "The service is ending");
  ListenerConfig config = listener_;
  if (request.port) config.port = *request.port;
  if (request.host) config.host = *request.host;
  config.cors = request.cors.value_or(false);
  config.allow_unauthenticated = request.allow_unauthenticated || options_.allow_unauthenticated;
  if (listener_.running) {
    const bool same = (!request.port || *request.port == 0 || *request.port == listener_.port) &&
                      config.host == listener_.host && config.cors == listener_.cors;
    if (same) co_return http_state();
    const ListenerConfig previous = listener_;
    co_await close_http();
    const auto opened = open_http(config);
    if (opened) co_return http_state();
    // What ran before goes on: a wish that cannot be met must not end a working server.
    if (const auto reopened = open_http(previous); !reopened) log::warn("{}", reopened.error().message);
    co_return std::unexpected(opened.error());
  }
  if (const auto opened = open_http(config); !opened) co_return std::unexpected(opened.error());
  co_return http_state();
}

awaitable<Result<api::HttpListenerState>> Service::stop_http() {
  if (!listener_.running) co_return fail(ErrorCode::kConflict, "The server is not running.");
  co_await close_http();
  if (options_.end_with_http) begin_shutdown();
  co_return http_state();
}

awaitable<void> Service::close_http() {
  listener_.running = false;
  const std::uint16_t port = listener_.port;
  co_await server_->stop_listening(port, Clock::now() + kCloseTime);
  if (const auto written = listener_.write(home_); !written) log::warn("{}", written.error().message);
  log::info("Stopped serving on port {}", port);
}

awaitable<void> Service::watch_signals() {
  const auto token = asio::as_tuple(asio::use_awaitable);
  const auto [error, number] = co_await signals_.async_wait(token);
  if (error) co_return;
  log::info("Ending on signal {}", number);
  begin_shutdown();
  const auto [second_error, second] = co_await signals_.async_wait(token);
  if (second_error) co_return;
  std::_Exit(128 + second);
}

void Service::begin_shutdown() {
  if (shutting_down_) return;
  shutting_down_ = true;
  asio::co_spawn(loop_, shut_down(), asio::detached);
}

awaitable<void> Service::shut_down() {
  // Nobody must find a service that is about to go.
  std::error_code ignored;
  std::filesystem::remove(home_.internal() / "http-server.json", ignored);
  co_await server_->drain(Clock::now() + kDrainTime);
  co_await instances_->shutdown();
  log::info("Ended");
  loop_.stop();
}

api::HttpListenerState Service::http_state() const { return {listener_.running, listener_.port, listener_.host}; }

json::Value Service::description() const {
  const auto uptime = std::chrono::duration<double>(Clock::now() - started_).count();
  json::Object http{
      {"running", listener_.running}, {"port", listener_.port}, {"host", listener_.host}, {"cors", listener_.cors}};
  return json::Object{{"version", control_.version},
                      {"build_id", control_.build_id},
                      {"pid", ::getpid()},
                      {"uptime_seconds", uptime},
                      {"control_port", control_port_},
                      {"http", std::move(http)},
                      {"engine", engine_version_},
                      {"models_folder", settings_.models_folder.string()},
                      {"ends_with_http", options_.end_with_http},
                      {"settings", json::Object{{"jit", settings_.models.jit},
                                                {"jit_auto_unload", settings_.models.jit_auto_unload},
                                                {"jit_ttl_seconds", settings_.models.jit_ttl.count()},
                                                {"jit_single", settings_.jit_single},
                                                {"max_queue", settings_.max_queue}}}};
}

int complain(const Error& error) {
  fmt::print(stderr, "Error: {}\n", error.message);
  return 1;
}

}  // namespace

int run_service(const ServiceOptions& options) {
  const auto home = paths::find_home();
  if (!home) return complain(home.error());
  if (const auto created = home->create(); !created) return complain(created.error());
  const auto resources = paths::find_resources();
  if (!resources) return complain(resources.error());
  const auto lock = lock_home(*home);
  if (!lock) return complain(lock.error());
  const log::Options log_options{.console = options.log_to_console, .folder = home->server_logs()};
  if (const auto ready = log::init(log_options); !ready) return complain(ready.error());
  const auto settings = Settings::read(*home);
  if (!settings) return complain(settings.error());
  const auto engine_runtime = runtime::EngineRuntime::read(resources->default_runtime());
  if (!engine_runtime) return complain(engine_runtime.error());

  // A client that goes away while it is written to must not end the process.
  std::signal(SIGPIPE, SIG_IGN);
  Service service(options, *home, *resources, *settings, *engine_runtime);
  if (const auto started = service.start(); !started) return complain(started.error());
  if (options.log_to_console) {
    log::info("Atelier {} is ready; Ctrl+C ends it", ATELIER_VERSION);
  }
  service.run();
  return service.exit_code();
}

}  // namespace atelier::app
