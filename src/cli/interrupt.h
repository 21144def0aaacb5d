// Ctrl+C as something that a program can wait for.
//
// While an Interrupt lives, SIGINT does not end the process: it makes the descriptor readable, and a watch() scope
// calls its function. One Interrupt at a time in a process; it is made and destroyed on the main thread.
#pragma once

#include <functional>
#include <memory>
#include <thread>

namespace atelier::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Readable since the last Ctrl+C; for poll().
  int descriptor() const { return signal_pipe_[0]; }
  // Forgets what came so far; true if there was something.
  bool clear();

  // Calls `on_interrupt`, on a thread of its own, at the first Ctrl+C of its lifetime.
  class Watch {
   public:
    Watch(Interrupt& interrupt, std::function<void()> on_interrupt);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    int end_pipe_[2] = {-1, -1};
    std::thread thread_;
  };

 private:
  struct Previous;
  int signal_pipe_[2] = {-1, -1};
  std::unique_ptr<Previous> previous_;
};

}  // namespace atelier::cli
