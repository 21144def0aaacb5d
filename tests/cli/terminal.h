// A pseudo-terminal for tests of what a person types and sees.
#pragma once

#include <poll.h>
#include <pty.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace atelier::test {

class Terminal {
 public:
  Terminal() {
    winsize size{24, 80, 0, 0};
    if (::openpty(&master_, &slave_, nullptr, nullptr, &size) != 0) throw std::runtime_error("no pseudo-terminal");
  }
  ~Terminal() {
    ::close(master_);
    if (slave_ >= 0) ::close(slave_);
  }
  // What the program under test uses.
  int program_side() const { return slave_; }
  int person_side() const { return master_; }

  void type(std::string_view keys) {
    if (::write(master_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size())) {
      throw std::runtime_error("the terminal takes no keys");
    }
  }

  // Reads what appears until the text was seen; everything that appeared so far.
  const std::string& wait_for(std::string_view text) {
    std::size_t from = seen_;
    while (screen_.find(text, from) == std::string::npos) {
      pollfd source{master_, POLLIN, 0};
      if (::poll(&source, 1, 30'000) <= 0)
        throw std::runtime_error("never appeared: " + std::string(text) + "\n" + screen_);
      char bytes[4096];
      ssize_t count = ::read(master_, bytes, sizeof bytes);
      if (count <= 0) throw std::runtime_error("the program ended before: " + std::string(text) + "\n" + screen_);
      screen_.append(bytes, static_cast<std::size_t>(count));
    }
    seen_ = screen_.find(text, from) + text.size();
    return screen_;
  }

 private:
  int master_ = -1, slave_ = -1;
  std::string screen_;
  std::size_t seen_ = 0;
};

}  // namespace atelier::test
