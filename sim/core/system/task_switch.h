// SPDX-License-Identifier: Apache-2.0
// Hardware task switches, by far transfers, IRET, the IDT, or a hypervisor that completes a guest's.
#pragma once

#include "core/system/exec.h"

namespace pmusim::core {

// As the exit qualification of VMX numbers them.
enum class TaskSource : u8 { Call, Iret, Jump, Gate };

struct TaskSwitch {
  u16 selector = 0;  // of the new TSS
  TaskSource source = TaskSource::Jump;
  u64 rip = 0, flags = 0;  // saved in the old TSS
  u32 ext = 0;             // bit 0 of error codes: by an event that no instruction asked for
  bool has_error_code = false;
  u32 error_code = 0;                   // pushed on the new task's stack
  const PendingEvent* event = nullptr;  // the gate's, taken at the commit point
};

// The checks of privilege are the caller's: they depend on where the selector was found. Sets x.committed
// once faults are the new task's, and x.task_trap for a T flag.
void switch_task(Exec& x, const TaskSwitch& t);

}  // namespace pmusim::core
