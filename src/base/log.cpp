#include "base/log.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include <spdlog/logger.h>
#include <spdlog/sinks/daily_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

namespace atelier::log {
namespace {

constexpr const char* kPattern = "%Y-%m-%d %H:%M:%S.%e %^%-5l%$ %v";

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarn: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
    case Level::kOff: break;
  }
  return spdlog::level::off;
}

std::shared_ptr<spdlog::logger> make_logger(std::vector<spdlog::sink_ptr> sinks, Level level) {
  auto logger = std::make_shared<spdlog::logger>("atelier", sinks.begin(), sinks.end());
  logger->set_pattern(kPattern);
  logger->set_level(to_spdlog(level));
  // Every line reaches the file at once: people follow it while the server runs.
  logger->flush_on(spdlog::level::trace);
  return logger;
}

// Replaced by init while other threads may write, hence atomic. Never destroyed: lines may come from
// destructors that run late.
std::atomic<std::shared_ptr<spdlog::logger>>& current() {
  static auto& logger = *new std::atomic<std::shared_ptr<spdlog::logger>>(
      make_logger({std::make_shared<spdlog::sinks::stderr_color_sink_mt>()}, Level::kWarn));
  return logger;
}

// spdlog's own level check reads a shared_ptr; this keeps lines that are off nearly free.
std::atomic<Level> current_level{Level::kWarn};

void append_visible(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
}

}  // namespace

std::string visible(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  append_visible(out, text);
  return out;
}

std::optional<Level> level_from(std::string_view name) {
  if (name == "debug") return Level::kDebug;
  if (name == "info") return Level::kInfo;
  if (name == "warn") return Level::kWarn;
  if (name == "error") return Level::kError;
  if (name == "off") return Level::kOff;
  return std::nullopt;
}

Result<void> init(const Options& options) {
  std::vector<spdlog::sink_ptr> sinks;
  if (options.console) sinks.push_back(std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  if (!options.folder.empty()) {
    const std::filesystem::path file = options.folder / "atelier.log";
    try {
      std::filesystem::create_directories(options.folder);
      const auto keep = static_cast<std::uint16_t>(std::max(options.keep_days, 0));
      sinks.push_back(std::make_shared<spdlog::sinks::daily_file_sink_mt>(file.string(), 0, 0, false, keep));
    } catch (const std::exception& e) {
      return fail(ErrorCode::kIo,
                  fmt::format("The log in {} cannot be written: {}", options.folder.string(), e.what()));
    }
  }
  current().store(make_logger(std::move(sinks), options.level));
  current_level.store(options.level);
  return {};
}

bool enabled(Level level) { return level >= current_level.load(std::memory_order_relaxed); }

void write(Level level, std::string_view message) {
  if (!enabled(level)) return;
  std::string line;
  line.reserve(message.size());
  append_visible(line, message);
  current().load()->log(to_spdlog(level), line);
}

void write(Level level, std::string_view id, std::string_view message) {
  if (!enabled(level)) return;
  std::string line;
  line.reserve(id.size() + message.size() + 3);
  line += '[';
  append_visible(line, id);
  line += "] ";
  append_visible(line, message);
  current().load()->log(to_spdlog(level), line);
}

}  // namespace atelier::log
