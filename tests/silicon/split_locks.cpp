// SPDX-License-Identifier: Apache-2.0
// What a locked access across a cache line costs here.
#include "split_locks.h"

#include <algorithm>

#if defined(__x86_64__) && defined(__linux__)
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#endif

namespace pmusim::silicon {

// In a child process, which may be killed for it.
u64 split_lock_cost() {
#if defined(__x86_64__) && defined(__linux__)
  static const u64 cost = [] {
    int answer[2];
    if (pipe(answer) != 0) return kRefused;
    const pid_t pid = fork();
    if (pid == 0) {
      alignas(64) static volatile u8 lines[128];
      u64 most = 0;
      for (int n = 0; n < 3; ++n) {
        // After one, Linux looks away for two ticks.
        usleep(30'000);
        const auto start = std::chrono::steady_clock::now();
        asm volatile("lock addl $1, %0" : "+m"(*reinterpret_cast<volatile u32*>(&lines[62])) : : "cc");
        const auto passed = std::chrono::steady_clock::now() - start;
        most = std::max<u64>(
            most, static_cast<u64>(std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count()));
      }
      _exit(write(answer[1], &most, sizeof most) != sizeof most);
    }
    close(answer[1]);
    u64 most = kRefused;
    if (pid < 0 || read(answer[0], &most, sizeof most) != sizeof most) most = kRefused;
    close(answer[0]);
    if (pid > 0) waitpid(pid, nullptr, 0);
    return most;
  }();
  return cost;
#else
  return kRefused;
#endif
}

SplitLocks::SplitLocks(u64 cost, u64 seconds, u64 per_form) : left_(~u64{0}), per_form_(~u64{0}) {
  constexpr u64 unnoticed = 100'000, second = 1'000'000'000;
  if (cost == kRefused)
    left_ = 0;
  else if (cost > unnoticed)
    left_ = seconds * second / cost;
  if (cost > unnoticed) per_form_ = per_form;
  left_of_form_ = per_form_;
}

bool SplitLocks::take() {
  if (!left_ || !left_of_form_) {
    ++refused_;
    return false;
  }
  --left_;
  --left_of_form_;
  ++taken_;
  return true;
}

}  // namespace pmusim::silicon
