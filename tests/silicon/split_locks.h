// SPDX-License-Identifier: Apache-2.0
// Locked accesses across a cache line. Kernels that detect them may stop the process for 10 ms and more at
// each (split_lock_detect=warn, /proc/sys/kernel/split_lock_mitigate; a hypervisor below may too), or end it
// (split_lock_detect=fatal). What one costs here is measured, and so many are allowed as fit into a bound.
#pragma once

#include "base/types.h"

namespace pmusim::silicon {

// Nanoseconds that one takes on this host, the most of three that are far enough apart; kRefused where the
// process gets a signal.
inline constexpr u64 kRefused = ~u64{0};
u64 split_lock_cost();

class SplitLocks {
 public:
  // `seconds`: all of them together; `per_form`: of one form, so that no form takes them all. Both hold only
  // where one costs more than is noticed.
  SplitLocks(u64 cost, u64 seconds, u64 per_form);

  void begin_form() { left_of_form_ = per_form_; }
  // May another state have one? Counted either way.
  bool take();
  u64 taken() const { return taken_; }
  u64 refused() const { return refused_; }

 private:
  u64 left_, per_form_, left_of_form_;
  u64 taken_ = 0, refused_ = 0;
};

}  // namespace pmusim::silicon
