// SPDX-License-Identifier: Apache-2.0
// Observers of execution: free when none is attached. LBR-like recorders, threshold (CMASK) counters, true
// counts and tracing hang here and never change timing. Branches are observed at two levels: kBranch sees
// those not taken too and, as kRetire and kCycle do, has every instruction executed alone; kTaken leaves
// execution as it is. While anyone watches, no loop is advanced at once, but for loops of one block where all
// who watch are at kTaken and keep only the last few branches (branches_kept()).
#pragma once

#include "arch/count_fwd.h"
#include "base/types.h"

namespace pmusim::core {

enum class BranchKind : u8 { Conditional, DirectJump, IndirectJump, DirectCall, IndirectCall, Return, Far };

// A branch that was taken or, with `event`, an exception or interrupt that was delivered: Far, from where it
// returns to. VM-entries and VM-exits are not branches. Not known here: mispredictions. Not
// told: a task switch whose new task faults at once (the event is). Of software events that a VM-entry
// injects `from` is the instruction itself.
struct TakenBranch {
  u64 from, to;
  BranchKind kind;
  bool event;
  u64 cycle;  // once it has retired, or the event was delivered
};

class Observer {
 public:
  enum Level : u8 { kBlock = 1, kBranch = 2, kRetire = 4, kCycle = 8, kTaken = 16 };
  virtual ~Observer() = default;
  virtual u8 levels() const = 0;  // union of Level; asked when attached
  virtual void on_block(u64 /*rip*/, unsigned /*instructions*/) {}
  virtual void on_branch(u64 /*from*/, u64 /*to*/, BranchKind, bool /*taken*/) {}
  virtual void on_taken(const TakenBranch&) {}
  // How many of the last branches an observer at kTaken keeps: of a loop that takes one branch over and over,
  // no more need be told. Asked when attached.
  virtual u64 branches_kept() const { return kNever; }
  virtual void on_retire(u64 /*rip*/, unsigned /*context*/) {}
  // `delta[k]` happenings of kind k in one unhalted cycle; `repeat` such cycles in a row.
  virtual void on_cycle(unsigned /*context*/, const CountVector& /*delta*/, u64 /*repeat*/) {}
};

}  // namespace pmusim::core
