// SPDX-License-Identifier: Apache-2.0
// The child process, its memory and its signals.
#if defined(__x86_64__) && defined(__linux__)
#include "host.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <new>
#include <stdexcept>

#include "core/state/state.h"

namespace pmusim::silicon {

// What host_entry.S and the signal handler share; the offsets are host_entry.S's.
struct alignas(16) HostFrame {
  State state;
  u8 uses_fx, loads_segments, compat;
  u64 host_rsp;
  Outcome* outcome;
  u32 far_offset;
  u16 far_selector;
  void (*how)();  // silicon_enter_long or silicon_enter_compat
};
static_assert(offsetof(HostFrame, state.selectors) == 144 && offsetof(HostFrame, state.fx) == 160 &&
                  offsetof(HostFrame, uses_fx) == 672 && offsetof(HostFrame, host_rsp) == 680 &&
                  offsetof(HostFrame, far_offset) == 696 && offsetof(HostFrame, how) == 704,
              "host_entry.S knows the layout");

extern "C" {
HostFrame silicon_frame;
void silicon_enter();
void silicon_exit();
void silicon_enter_long();
void silicon_enter_compat();
[[noreturn]] void silicon_return();
}

namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
constexpr int kMapFailed = 100, kFaultOfHarness = 101;

void* shared(std::size_t size) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return at;
}

void handler(int, siginfo_t*, void* context) {
  // The kernel clears DF and TF for a handler, not AC.
  asm volatile("pushfq; andl $~0x40000, (%%rsp); popfq" ::: "cc", "memory");
  const ucontext_t& u = *static_cast<ucontext_t*>(context);
  const greg_t* g = u.uc_mcontext.gregs;
  Outcome* out = silicon_frame.outcome;
  if (!out) _exit(kFaultOfHarness);
  static constexpr int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  State& s = silicon_frame.state;
  for (int i = 0; i < 16; ++i) s.gpr[i] = static_cast<u64>(g[order[i]]);
  s.rip = static_cast<u64>(g[REG_RIP]);
  s.rflags = static_cast<u64>(g[REG_EFL]);
  s.selectors[1] = static_cast<u16>(g[REG_CSGSFS]);
  s.selectors[2] = static_cast<u16>(static_cast<u64>(g[REG_CSGSFS]) >> 48);
  asm volatile("mov %%es, %0; mov %%ds, %1" : "=m"(s.selectors[0]), "=m"(s.selectors[3]));
  if (silicon_frame.compat) asm volatile("mov %%gs, %0" : "=m"(s.selectors[5]));
  if (silicon_frame.uses_fx) std::memcpy(&s.fx, u.uc_mcontext.fpregs, sizeof(FxImage));
  out->trap = static_cast<u8>(g[REG_TRAPNO]);
  out->error_code = static_cast<u32>(g[REG_ERR]);
  out->cr2 = out->trap == 14 ? static_cast<u64>(g[REG_CR2]) : 0;
  silicon_return();
}

u8* map(u64 at, u64 size, int protection) {
  void* got = mmap(
      reinterpret_cast<void*>(at), size, protection,
      MAP_PRIVATE | MAP_ANONYMOUS | (protection ? MAP_FIXED : MAP_FIXED_NOREPLACE | MAP_NORESERVE), -1, 0);
  if (got != reinterpret_cast<void*>(at)) _exit(kMapFailed);
  return static_cast<u8*>(got);
}

void replace(u64 at, const u8* bytes, u64 size, int protection) {
  void* to = reinterpret_cast<void*>(at);
  mprotect(to, size, PROT_READ | PROT_WRITE);
  std::memcpy(to, bytes, size);
  mprotect(to, size, protection);
}

}  // namespace

HostCpu::HostCpu()
    : no_compat_(install_segments()),
      batch_(new (shared(sizeof(Batch))) Batch),
      outcomes_(static_cast<Outcome*>(shared(sizeof(Outcome) * kBatch))),
      progress_(static_cast<unsigned*>(shared(kPage))) {}

HostCpu::~HostCpu() {
  end_of_child();
  munmap(batch_, sizeof(Batch));
  munmap(outcomes_, sizeof(Outcome) * kBatch);
  munmap(const_cast<unsigned*>(progress_), kPage);
}

void HostCpu::put_exit(u8* at, u64 address, Mode mode) {
  if (mode != Mode::Long) {
    if (mode == Mode::Compat16) *at++ = 0x66;
    *at++ = 0xea;  // JMP far
    const u32 offset = kExit;
    std::memcpy(at, &offset, 4);
    std::memcpy(at + 4, &kUserCode, 2);
    return;
  }
  u8 jump[] = {0xff, 0x25, 0, 0, 0, 0};  // JMP [RIP + padding]
  jump[2] = static_cast<u8>(-(address + sizeof jump) & 7);
  std::memcpy(at, jump, sizeof jump);
  void (*target)() = silicon_exit;
  std::memcpy(at + sizeof jump + jump[2], &target, sizeof target);
}

u64 HostCpu::fs_base() {
  u64 base = 0;
  syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
  return base;
}

void HostCpu::create_child() {
  int requests[2], answers[2];
  if (pipe2(requests, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0)
    throw std::runtime_error("cannot create a pipe");
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot create a child process");
  if (pid_ == 0) {
    close(requests[1]);
    close(answers[0]);
    child(requests[0], answers[1]);
  }
  close(requests[0]);
  close(answers[1]);
  requests_ = requests[1];
  answers_ = answers[0];
}

// Without requests a child ends.
std::string HostCpu::end_of_child() {
  if (pid_ == 0) return {};
  close(requests_);
  close(answers_);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kMapFailed) return "the arena cannot be mapped";
  return fmt::format("the child died at state {} ({} {})", *progress_,
                     WIFSIGNALED(status) ? "signal" : "status",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

void HostCpu::start() {
  if (pid_ == 0) create_child();
  const u8 go = 1;
  if (write(requests_, &go, 1) != 1) throw std::runtime_error("the child process takes no requests");
}

// A state that takes so long, on a busy machine too, never ends; the kernel may put the child to sleep over
// and over, so that its own time says nothing.
std::string HostCpu::wait() {
  constexpr int kPatience = 120'000;  // milliseconds
  for (unsigned seen = *progress_;;) {
    pollfd answer{answers_, POLLIN, 0};
    const int ready = poll(&answer, 1, kPatience);
    if (ready > 0) break;
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0 || *progress_ == seen) {
      kill(pid_, SIGKILL);
      return end_of_child();
    }
    seen = *progress_;
  }
  u8 done;
  if (read(answers_, &done, 1) == 1) return {};
  return end_of_child();
}

void HostCpu::child(int requests, int answers) {
  static u8 stack[1 << 16];
  stack_t alternate{};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof stack;
  sigaltstack(&alternate, nullptr);
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);

  // An address of 32 bits can be any.
  constexpr u64 lowest = 0x10000, end = u64{1} << 32;
  map(lowest, kArena - lowest, PROT_NONE);
  map(kArena, kArenaSize, PROT_NONE);
  map(kArena + kArenaSize, end - kArena - kArenaSize, PROT_NONE);
  put_exit(map(kExit, kPage, PROT_READ | PROT_WRITE), kExit, Mode::Long);
  mprotect(reinterpret_cast<void*>(kExit), kPage, PROT_READ | PROT_EXEC);
  map(kCode, kCodeSize, PROT_READ | PROT_EXEC);
  std::memset(map(kLanding, kPage, PROT_READ | PROT_WRITE), 0xcc, kPage);
  mprotect(reinterpret_cast<void*>(kLanding), kPage, PROT_READ | PROT_EXEC);
  map(kData, kDataSize, PROT_READ | PROT_WRITE);
  map(kReadOnly, kPage, PROT_READ);
  for (u8 byte; read(requests, &byte, 1) == 1;) {
    execute_batch();
    if (write(answers, &byte, 1) != 1) break;
  }
  _exit(0);
}

void HostCpu::execute_batch() {
  const Batch& b = *batch_;
  replace(kCode, b.code, kCodeSize, PROT_READ | PROT_EXEC);
  replace(kReadOnly, b.read_only, kPage, PROT_READ);
  u8* data = reinterpret_cast<u8*>(kData);
  std::memcpy(data, b.data, kDataSize);
  if (b.mode == Mode::Long) syscall(SYS_arch_prctl, ARCH_SET_GS, b.gs_base);
  silicon_frame.compat = b.mode != Mode::Long;
  silicon_frame.how = silicon_frame.compat ? silicon_enter_compat : silicon_enter_long;
  silicon_frame.uses_fx = b.uses_fx;
  silicon_frame.loads_segments = b.loads_segments;

  for (unsigned i = 0; i < b.count; ++i) {
    const Input& in = b.inputs[i];
    Outcome& out = outcomes_[i];
    *progress_ = i;
    for (const Patch& p : in.patches) apply(p, data);
    std::memcpy(&silicon_frame.state, &in.state, b.uses_fx ? sizeof(State) : offsetof(State, fx));
    silicon_frame.far_offset = static_cast<u32>(in.state.rip);
    silicon_frame.far_selector = in.state.selectors[core::CS];
    silicon_frame.outcome = &out;
    out.trap = kNoTrap;
    out.error_code = 0;
    out.cr2 = 0;
    silicon_enter();
    silicon_frame.outcome = nullptr;
    std::memcpy(&out.state, &silicon_frame.state, b.uses_fx ? sizeof(State) : offsetof(State, fx));
    if (out.trap == kNoTrap) {  // observed behind the way out
      out.state.rip = in.state.rip + in.length;
      out.state.selectors[core::CS] = in.state.selectors[core::CS];
    }
    take_changes(out, data, b.data);
  }
}

}  // namespace pmusim::silicon
#endif
