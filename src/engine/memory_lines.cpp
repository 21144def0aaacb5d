#include "engine/memory_lines.h"

#include <charconv>
#include <cmath>
#include <numeric>
#include <system_error>

namespace atelier::engine {

namespace {

// Above any machine's memory, in MiB; keeps a made-up number from wrapping around.
constexpr double kMostMib = 1e9;

std::string_view trim_left(std::string_view text) {
  const auto begin = text.find_first_not_of(' ');
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

// The bytes behind `label` in "… label =   12.34 MiB…".
std::optional<std::uint64_t> bytes_behind(std::string_view line, std::string_view label) {
  const auto at = line.find(label);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = trim_left(line.substr(at + label.size()));
  if (!rest.starts_with('=')) return std::nullopt;
  rest = trim_left(rest.substr(1));
  double mib = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), mib);
  if (error != std::errc() || !(mib >= 0) || mib > kMostMib) return std::nullopt;
  const auto unit = static_cast<std::size_t>(end - rest.data());
  if (!trim_left(rest.substr(unit)).starts_with("MiB")) return std::nullopt;
  return static_cast<std::uint64_t>(std::llround(mib * 1024 * 1024));
}

// "function:   CUDA0 compute buffer…": CUDA0.
std::string device_before(std::string_view line, std::string_view label) {
  std::string_view before = line.substr(0, line.find(label));
  const auto colon = before.find(": ");
  before = trim_left(colon == std::string_view::npos ? before : before.substr(colon + 1));
  const auto end = before.find_last_not_of(' ');
  return std::string(end == std::string_view::npos ? std::string_view() : before.substr(0, end + 1));
}

void add(std::optional<std::uint64_t>& to, std::uint64_t bytes) { to = to.value_or(0) + bytes; }

}  // namespace

void MemoryLines::take(std::string_view line) {
  // A line is mostly something else.
  if (line.find("MiB") == std::string_view::npos || line.find("size") == std::string_view::npos) return;
  constexpr std::string_view kCompute = "compute buffer size";
  constexpr std::string_view kOutput = "output buffer size";
  if (const auto bytes = bytes_behind(line, "model buffer size")) return add(weights_, *bytes);
  if (const auto bytes = bytes_behind(line, "KV buffer size")) return add(kv_buffers_, *bytes);
  if (const auto bytes = bytes_behind(line, "RS buffer size")) return add(state_buffers_, *bytes);
  if (const auto bytes = bytes_behind(line, "state buffer size")) return add(state_buffers_, *bytes);
  if (const auto bytes = bytes_behind(line, kCompute)) {
    compute_[device_before(line, kCompute)] = *bytes;
    return;
  }
  if (const auto bytes = bytes_behind(line, kOutput)) {
    output_[device_before(line, kOutput)] = *bytes;
    return;
  }
  // "llama_kv_cache: size = 4.00 MiB (4096 cells, 2 layers, 8/1 seqs), K (f16): …, V (f16): …", one for each cache
  // that a model has; recurrent ones tell of R and S.
  const auto bytes = bytes_behind(line, ": size");
  if (!bytes || line.find(" cells,") == std::string_view::npos) return;
  if (line.find(" K (") != std::string_view::npos) add(kv_cache_, *bytes);
  if (line.find(" R (") != std::string_view::npos) add(state_, *bytes);
}

std::optional<std::uint64_t> MemoryLines::sum(const PerDevice& buffers) {
  if (buffers.empty()) return std::nullopt;
  return std::accumulate(buffers.begin(), buffers.end(), std::uint64_t{0},
                         [](std::uint64_t all, const auto& entry) { return all + entry.second; });
}

std::uint64_t MemoryLines::work_on(const std::string& device) const {
  std::uint64_t bytes = 0;
  for (const PerDevice* buffers : {&compute_, &output_}) {
    if (const auto found = buffers->find(device); found != buffers->end()) bytes += found->second;
  }
  return bytes;
}

}  // namespace atelier::engine
