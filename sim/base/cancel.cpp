// SPDX-License-Identifier: Apache-2.0
// The flags are lock-free atomics, which a signal handler may touch.
#include "base/cancel.h"

#include <atomic>
#include <csignal>
#include <ctime>

namespace pmusim {
namespace {

std::atomic<int> first_signal{0};
std::atomic<bool> second_signal_ends{true};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free &&
              std::atomic<long>::is_always_lock_free);

std::atomic<long> first_time{0};  // milliseconds

long now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void on_signal(int signal) {
  if (interrupt_signal() && second_signal_ends && now() - first_time >= 500) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    return;
  }
  request_interrupt(signal);
}

}  // namespace

void handle_interrupts(bool second_ends) {
  second_signal_ends = second_ends;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

int interrupt_signal() {
  return first_signal;
}

void request_interrupt(int signal) {
  int none = 0;
  if (first_signal.compare_exchange_strong(none, signal)) first_time = now();
}

}  // namespace pmusim
