// How much memory a load takes, read from the inference library's own log: its public interface has no function for
// that. Written for llama.cpp 0.7.0; lines that look different one day are passed over, and what they would have told
// is absent. Figures have the log's precision, a hundredth of a MiB. Any one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace atelier::engine {

class MemoryLines {
 public:
  void take(std::string_view line);

  // Bytes; absent where no line told. A load without allocation says 0 of the weights.
  std::optional<std::uint64_t> weights() const { return weights_; }
  // The cache as planned, which is also told where nothing is allocated; and the buffers as allocated.
  std::optional<std::uint64_t> kv_cache() const { return kv_cache_; }
  std::optional<std::uint64_t> kv_buffers() const { return kv_buffers_; }
  // Of recurrent layers; both as above.
  std::optional<std::uint64_t> state() const { return state_; }
  std::optional<std::uint64_t> state_buffers() const { return state_buffers_; }
  // Space for the largest graph, and rows of logits.
  std::optional<std::uint64_t> compute() const { return sum(compute_); }
  std::optional<std::uint64_t> output() const { return sum(output_); }
  // Of both, what is on this device ("CUDA0").
  std::uint64_t work_on(const std::string& device) const;

 private:
  using PerDevice = std::map<std::string, std::uint64_t, std::less<>>;
  static std::optional<std::uint64_t> sum(const PerDevice& buffers);

  std::optional<std::uint64_t> weights_;
  std::optional<std::uint64_t> kv_cache_;
  std::optional<std::uint64_t> kv_buffers_;
  std::optional<std::uint64_t> state_;
  std::optional<std::uint64_t> state_buffers_;
  // These are reserved anew when the library finds that it must; the last one is what stays.
  PerDevice compute_;
  PerDevice output_;
};

}  // namespace atelier::engine
