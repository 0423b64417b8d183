// SPDX-License-Identifier: Apache-2.0
// One instruction executed without letting an exception out: for callers through whose frames none may pass,
// as generated code is. What was thrown stays in the executor, as data, and becomes an exception again by
// raise_kept() once control is back in the run loop.
#pragma once

#include "core/execute/execute.h"

namespace pmusim::core {

enum class Outcome : u8 {
  Done,  // the instruction has executed; whether the block goes on is for Executor::end, slice and recheck to
         // say
  Fault,  // Executor::kept has it; the instruction has changed nothing, or x.committed is set
  Exit,   // the same of a VM-exit
  Error   // anything else, Unimplemented among it
};

Outcome try_execute(Executor& x, const MicroOp& op, Handler run) noexcept;

// `outcome` is not Done, and of the last try_execute().
[[noreturn]] void raise_kept(Executor& x, Outcome outcome);

}  // namespace pmusim::core
