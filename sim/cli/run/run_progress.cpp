// SPDX-License-Identifier: Apache-2.0
// The progress line of a run.
#include "cli/run/run_progress.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <new>

namespace pmusim::cli {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

RunProgress::RunProgress(bool wanted, std::size_t jobs, u64 core_khz)
    : count_(jobs), khz_(core_khz ? core_khz : 1000000), start_(now()) {
  static_assert(std::atomic<u64>::is_always_lock_free, "shared between processes");
  if (!wanted || !::isatty(STDERR_FILENO)) return;
  void* shared =
      ::mmap(nullptr, jobs * sizeof(Job), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return;  // no line
  jobs_ = static_cast<Job*>(shared);
  for (std::size_t i = 0; i < jobs; ++i) new (&jobs_[i]) Job{};
}

RunProgress::~RunProgress() {
  erase();
  if (jobs_) ::munmap(jobs_, count_ * sizeof(Job));
}

void RunProgress::tell(std::size_t job, u64 cycles, u64 instructions) {
  jobs_[job].cycles = cycles;
  jobs_[job].instructions = instructions;
}

void RunProgress::show() {
  const double time = now();
  if (!on() || time - last_ < 0.1) return;
  last_ = time;
  u64 cycles = 0, instructions = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    cycles = std::max<u64>(cycles, jobs_[i].cycles);
    instructions += jobs_[i].instructions;
  }
  if (!cycles) return;
  const double millions = static_cast<double>(instructions) / 1e6;
  fmt::print(stderr, "\r\033[K");
  if (count_ > 1) fmt::print(stderr, "{}/{} runs, ", done_, count_);
  fmt::print(stderr, "{:.1f} ms simulated, {:.0f} M instructions, {:.1f} M/s",
             static_cast<double>(cycles) / static_cast<double>(khz_), millions,
             millions / std::max(time - start_, 1e-3));
  std::fflush(stderr);
  shown_ = true;
}

void RunProgress::erase() {
  if (!shown_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace pmusim::cli
