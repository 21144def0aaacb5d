#include "runtime/engine_log.h"

#include <algorithm>
#include <ctime>
#include <system_error>

#include <fmt/format.h>

#include "base/log.h"
#include "base/utf8.h"

namespace atelier::runtime {
namespace {

std::string time_of_day() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  localtime_r(&now, &parts);
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S ", &parts));
}

}  // namespace

void EngineLog::feed(std::string_view output, Time now) {
  while (!output.empty()) {
    const std::size_t end = output.find_first_of("\r\n");  // progress displays use a bare carriage return
    const std::string_view part = output.substr(0, end);
    const std::size_t room = kLineBytes - partial_.size();
    partial_.append(part.substr(0, room));
    partial_cut_ = partial_cut_ || part.size() > room;
    if (end == std::string_view::npos) return;
    finish(now);
    output.remove_prefix(end + 1);
  }
}

void EngineLog::finish(Time now) {
  if (!partial_.empty()) write(partial_ + (partial_cut_ ? " …" : ""), now);
  partial_.clear();
  partial_cut_ = false;
}

void EngineLog::add_line(std::string_view line, Time now) {
  write(std::string(line.substr(0, kLineBytes)) + (line.size() > kLineBytes ? " …" : ""), now);
}

void EngineLog::write(std::string_view raw, Time now) {
  std::string line = log::visible(utf8::repair(raw));
  if (kept_.size() == kKeptLines) kept_.pop_front();
  kept_.push_back(line);

  const double seconds = last_refill_ == Time{} ? 0 : std::chrono::duration<double>(now - last_refill_).count();
  allowance_ = std::min(kBurstLines, allowance_ + std::max(0.0, seconds) * kLinesPerSecond);
  last_refill_ = now;
  if (allowance_ < 1) {
    ++dropped_;
    return;
  }
  allowance_ -= 1;
  if (dropped_ > 0) write_to_file(fmt::format("({} lines were left out: they came too fast)", dropped_));
  dropped_ = 0;
  write_to_file(line);
}

void EngineLog::write_to_file(std::string_view line) {
  if (file_.empty()) return;
  std::error_code error;
  if (!out_.is_open()) {
    file_bytes_ = std::filesystem::exists(file_, error) ? std::filesystem::file_size(file_, error) : 0;
    if (error) file_bytes_ = 0;
    out_.open(file_, std::ios::app | std::ios::binary);
  }
  if (file_bytes_ >= kFileBytes) {
    out_.close();
    std::filesystem::rename(file_, std::filesystem::path(file_) += ".1", error);
    out_.open(file_, std::ios::trunc | std::ios::binary);
    file_bytes_ = 0;
  }
  if (!out_) {  // a full disk: the engine and its last lines matter more; it may have room again later
    out_.close();
    out_.clear();
    return;
  }
  const std::string stamp = time_of_day();
  out_ << stamp << line << '\n' << std::flush;
  file_bytes_ += stamp.size() + line.size() + 1;
}

}  // namespace atelier::runtime
