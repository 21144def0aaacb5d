// The last n tokens of a sequence and how often each occurs among them. Decode thread.
//
// What is read every step is a dense list, without order. A table by hash says where in the list a token is; it is
// asked twice for each token that comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace atelier::engine {

class TokenWindow {
 public:
  struct Count {
    std::int32_t token = 0;
    std::int32_t count = 0;
  };

  explicit TokenWindow(std::size_t length) : length_(length) {}

  void push(std::int32_t token);
  // The different tokens of the window.
  std::span<const Count> counts() const { return counts_; }

 private:
  static constexpr std::uint32_t kFree = ~std::uint32_t{0};

  std::size_t home(std::int32_t token) const;
  std::size_t find(std::int32_t token) const;
  void grow();
  void add(std::int32_t token);
  void remove(std::int32_t token);
  void free_slot(std::size_t slot);

  std::size_t length_;
  std::size_t next_ = 0;  // the oldest, once the window is full
  std::vector<std::int32_t> tokens_;
  std::vector<Count> counts_;
  std::vector<std::uint32_t> slots_;  // index in counts_, or kFree; a power of two of them, at most half in use
};

}  // namespace atelier::engine
