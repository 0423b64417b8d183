// SPDX-License-Identifier: Apache-2.0
// Observers of execution: free when none is attached. LBR-like recorders, threshold (CMASK) counters, true
// counts and tracing hang here and never change timing.
#pragma once

#include "arch/count_fwd.h"
#include "base/types.h"

namespace pmusim::core {

enum class BranchKind : u8 { Conditional, DirectJump, IndirectJump, DirectCall, IndirectCall, Return, Far };

class Observer {
 public:
  enum Level : u8 { kBlock = 1, kBranch = 2, kRetire = 4, kCycle = 8 };
  virtual ~Observer() = default;
  virtual u8 levels() const = 0;  // union of Level; asked when attached
  virtual void on_block(u64 /*rip*/, unsigned /*instructions*/) {}
  virtual void on_branch(u64 /*from*/, u64 /*to*/, BranchKind, bool /*taken*/) {}
  virtual void on_retire(u64 /*rip*/, unsigned /*context*/) {}
  // `delta[k]` happenings of kind k in one unhalted cycle; `repeat` such cycles in a row.
  virtual void on_cycle(unsigned /*context*/, const CountVector& /*delta*/, u64 /*repeat*/) {}
};

}  // namespace pmusim::core
