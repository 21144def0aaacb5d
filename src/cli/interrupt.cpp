#include "cli/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>

namespace atelier::cli {
namespace {

std::atomic<int> signal_descriptor = -1;

void on_signal(int) {
  int saved = errno;
  char mark = 1;
  [[maybe_unused]] ssize_t written = ::write(signal_descriptor.load(), &mark, 1);
  errno = saved;
}

void open_pipe(int (&ends)[2]) {
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
}

}  // namespace

struct Interrupt::Previous {
  struct sigaction action{};
};

Interrupt::Interrupt() : previous_(std::make_unique<Previous>()) {
  open_pipe(signal_pipe_);
  signal_descriptor = signal_pipe_[1];
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &previous_->action);
}

Interrupt::~Interrupt() {
  ::sigaction(SIGINT, &previous_->action, nullptr);
  signal_descriptor = -1;
  ::close(signal_pipe_[0]);
  ::close(signal_pipe_[1]);
}

bool Interrupt::clear() {
  char marks[64];
  bool any = false;
  while (::read(signal_pipe_[0], marks, sizeof marks) > 0) any = true;
  return any;
}

Interrupt::Watch::Watch(Interrupt& interrupt, std::function<void()> on_interrupt) {
  open_pipe(end_pipe_);
  thread_ = std::thread([signal = interrupt.descriptor(), end = end_pipe_[0], call = std::move(on_interrupt)] {
    pollfd sources[2] = {{signal, POLLIN, 0}, {end, POLLIN, 0}};
    while (::poll(sources, 2, -1) < 0 && errno == EINTR) {
    }
    if (sources[0].revents & POLLIN) call();
  });
}

Interrupt::Watch::~Watch() {
  ::close(end_pipe_[1]);  // wakes the thread: end of file
  thread_.join();
  ::close(end_pipe_[0]);
}

}  // namespace atelier::cli
