// The last n tokens of a sequence and how often each occurs among them. Decode thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace atelier::engine {

class TokenWindow {
 public:
  explicit TokenWindow(std::size_t length) : length_(length) {}

  void push(std::int32_t token) {
    if (length_ == 0) return;
    if (tokens_.size() < length_) {
      tokens_.push_back(token);
    } else {
      const std::int32_t oldest = tokens_[next_];
      if (--counts_[oldest] == 0) counts_.erase(oldest);
      tokens_[next_] = token;
      next_ = (next_ + 1) % length_;
    }
    ++counts_[token];
  }

  const std::unordered_map<std::int32_t, std::int32_t>& counts() const { return counts_; }

 private:
  std::size_t length_;
  std::size_t next_ = 0;  // the oldest, once the window is full
  std::vector<std::int32_t> tokens_;
  std::unordered_map<std::int32_t, std::int32_t> counts_;
};

}  // namespace atelier::engine
