#include "engine/system_call_filter.h"

#include <asm/ioctls.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace atelier::engine {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
// Numbers of the x32 interface have this bit; nobody uses it.
constexpr std::uint32_t kForeignNumbers = 0x40000000;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kForeignNumbers = 0x40000000;
#else
constexpr std::uint32_t kArchitecture = 0;
constexpr std::uint32_t kForeignNumbers = 0;
#endif

// Numbers that the system's headers may not know yet are the same on all of Linux's newer architectures.
constexpr long kPidfdGetfd = 438;
constexpr long kPidfdSendSignal = 424;
constexpr long kIoUringSetup = 425;
constexpr long kOpenTree = 428;
constexpr long kMoveMount = 429;
constexpr long kFsOpen = 430;
constexpr long kFsMount = 432;
constexpr long kFsPick = 433;
constexpr long kClone3 = 435;
constexpr long kProcessMadvise = 440;
constexpr long kMountSetattr = 442;

constexpr long kRefused[] = {
    // The network, and any other socket.
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    // Programs and processes (clone: see below).
    SYS_execve,
    SYS_execveat,
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
    // Other processes.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    kProcessMadvise,
    SYS_kcmp,
    SYS_kill,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    kPidfdGetfd,
    kPidfdSendSignal,
    // Ways around a filter, and large targets in the kernel.
    kIoUringSetup,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    // The machine.
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    kOpenTree,
    kMoveMount,
    kFsOpen,
    kFsMount,
    kFsPick,
    kMountSetattr,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
#endif
};

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t refuse(int error) { return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error); }

// A program of the kernel's packet filter machine over struct seccomp_data.
class Program {
 public:
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  void load_number() { load(offsetof(seccomp_data, nr)); }
  // The low half; what is looked at here has 32 bits.
  void load_argument(std::size_t index) {
    load(offsetof(seccomp_data, args) + 8 * index + (std::endian::native == std::endian::big ? 4 : 0));
  }
  void answer(std::uint32_t value) { add(BPF_RET | BPF_K, value); }
  void answer_if_equal(std::uint32_t wanted, std::uint32_t value) {
    add(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 1);
    answer(value);
  }
  void answer_unless_equal(std::uint32_t wanted, std::uint32_t value) {
    add(BPF_JMP | BPF_JEQ | BPF_K, wanted, 1, 0);
    answer(value);
  }
  // Does not go into the next `count` instructions unless the loaded value is this.
  void skip_unless_equal(std::uint32_t wanted, std::uint8_t count) { add(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, count); }
  void answer_if_any_bit(std::uint32_t bits, std::uint32_t value) {
    add(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    answer(value);
  }

  bool install() {
    sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    // Before Linux 5.16 a filter also slows down loads that follow stores (a measure against Spectre), unless told that
    // no code of strangers runs here.
    constexpr unsigned long kAllThreads = SECCOMP_FILTER_FLAG_TSYNC;
    for (const unsigned long flags : {kAllThreads | SECCOMP_FILTER_FLAG_SPEC_ALLOW, kAllThreads}) {
      if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0) return true;
    }
    return false;
  }

 private:
  void add(int code, std::uint32_t value, std::uint8_t if_true = 0, std::uint8_t if_false = 0) {
    code_.push_back({static_cast<std::uint16_t>(code), if_true, if_false, value});
  }
  std::vector<sock_filter> code_;
};

}  // namespace

bool filter_system_calls() {
  if (kArchitecture == 0) return false;
  Program program;
  // Numbers of another interface (32-bit x86's) would mean something else.
  program.load(offsetof(seccomp_data, arch));
  program.answer_unless_equal(kArchitecture, refuse(EPERM));
  program.load_number();
  program.answer_if_any_bit(kForeignNumbers, refuse(EPERM));
  for (const long number : kRefused) program.answer_if_equal(static_cast<std::uint32_t>(number), refuse(EPERM));
  // The C library falls back on clone, whose flags can be looked at.
  program.answer_if_equal(static_cast<std::uint32_t>(kClone3), refuse(ENOSYS));

  // Threads, but no processes.
  program.skip_unless_equal(SYS_clone, 4);
  program.load_argument(0);
  program.answer_if_any_bit(CLONE_THREAD, kAllow);
  program.answer(refuse(EPERM));

  // Signals to threads of this process alone.
  program.skip_unless_equal(SYS_tgkill, 4);
  program.load_argument(0);
  program.answer_if_equal(static_cast<std::uint32_t>(::getpid()), kAllow);
  program.answer(refuse(EPERM));

  // Nothing typed into somebody's terminal.
  program.skip_unless_equal(SYS_ioctl, 5);
  program.load_argument(1);
  program.answer_if_equal(TIOCSTI, refuse(EPERM));
  program.answer_if_equal(TIOCLINUX, refuse(EPERM));
  program.answer(kAllow);
  return program.install();
}

}  // namespace atelier::engine
