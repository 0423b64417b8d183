// SPDX-License-Identifier: Apache-2.0
// The host CPU executes batches in a child process that lives as long as it survives them: the arena is
// mapped there and only there, faults arrive as signals on an alternate stack. Straight-line instructions
// leave by a jump, so that only faults cost a signal. Limits: x86-64 Linux; the kernel's view of a fault
// (trap number, error code, CR2) is what it reports in the signal frame, which hides the present bit of
// kernel addresses: states never touch those.
#pragma once

#include <string>

#include "arena.h"

namespace pmusim::silicon {

class HostCpu {
 public:
  HostCpu();
  ~HostCpu();
  HostCpu(const HostCpu&) = delete;
  HostCpu& operator=(const HostCpu&) = delete;

  // Why the host cannot execute in this mode, or nullptr.
  const char* lacks(Mode mode) const { return mode == Mode::Long ? nullptr : no_compat_; }

  // The batch to fill and, after wait(), its outcomes.
  Batch& batch() { return *batch_; }
  const Outcome& outcome(unsigned i) const { return outcomes_[i]; }

  void start();
  // Empty, or how the child died (state number and status).
  std::string wait();

  // A jump out of the arena, to follow an instruction; `address` is its own. 64-bit code: its pointer is
  // aligned, because the instruction may have set AC; other code: by kExit.
  static void put_exit(u8* at, u64 address, Mode mode);
  static u64 fs_base();

 private:
  void create_child();
  [[noreturn]] void child(int requests, int answers);
  void execute_batch();
  std::string end_of_child();

  const char* no_compat_;
  Batch* batch_;
  Outcome* outcomes_;
  volatile unsigned* progress_;
  int pid_ = 0, requests_ = -1, answers_ = -1;
};

}  // namespace pmusim::silicon
