// What one engine prints: the last lines kept for error messages, the rest in a file that cannot fill the disk.
//
// Bounds: a line is cut after kLineBytes; the file is rotated at kFileBytes (one older generation is kept,
// FILE.1); more than kBurstLines at once or kLinesPerSecond over time are counted instead of written. An engine
// in a loop of complaints costs the server reading, nothing else. No threads, no clock: time is handed in.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace atelier::runtime {

class EngineLog {
 public:
  using Time = std::chrono::steady_clock::time_point;

  static constexpr std::size_t kLineBytes = 2000;
  static constexpr std::size_t kKeptLines = 20;
  static constexpr std::size_t kFileBytes = 4 * 1024 * 1024;
  static constexpr double kBurstLines = 2000;
  static constexpr double kLinesPerSecond = 200;

  // An empty path: nothing is written. A file that cannot be written is no error for the engine.
  explicit EngineLog(std::filesystem::path file) : file_(std::move(file)) {}

  // Bytes as they came from the pipe.
  void feed(std::string_view output, Time now);
  // One whole line (a Log message).
  void add_line(std::string_view line, Time now);
  // The engine has ended: what it printed last may lack its line break.
  void finish(Time now);

  // At most kKeptLines, oldest first.
  std::vector<std::string> last_lines() const { return {kept_.begin(), kept_.end()}; }

 private:
  void write(std::string_view line, Time now);
  void write_to_file(std::string_view line);

  std::filesystem::path file_;
  std::ofstream out_;
  std::size_t file_bytes_ = 0;
  std::string partial_;       // the line that is still coming, at most kLineBytes
  bool partial_cut_ = false;  // the rest of that line is dropped
  std::deque<std::string> kept_;
  double allowance_ = kBurstLines;
  Time last_refill_{};
  std::uint64_t dropped_ = 0;
};

}  // namespace atelier::runtime
