// SPDX-License-Identifier: Apache-2.0
// What the current control block (VMCS or VMCB) intercepts while the core is in guest mode, and the VM-exit
// that results. The control blocks in sim/hypervisor/ implement this over their real fields and bitmaps.
#pragma once

#include "arch/vector.h"
#include "base/types.h"

namespace pmusim::core {

enum class ExitKind : u8 {
  None,
  Exception,
  ExternalInterrupt,
  Nmi,
  TripleFault,
  InitSignal,
  Sipi,
  InterruptWindow,
  NmiWindow,
  Cpuid,
  Hlt,
  Invd,
  Invlpg,
  Rdpmc,
  Rdtsc,
  Rdtscp,
  Vmcall,
  VmInstruction,
  CrAccess,
  DrAccess,
  Io,
  Rdmsr,
  Wrmsr,
  Mwait,
  Monitor,
  Pause,
  SecondStageFault,
  Wbinvd,
  Xsetbv,
  TaskSwitch,  // qualification: selector of the TSS | TaskSource << 30
  PreemptionTimer,
  EntryFailure,
  InvalidGuest,
  Number
};

struct VmExit {
  ExitKind kind = ExitKind::None;
  u8 instruction_length = 0;  // of the exiting instruction, or of the injected event's; 0 for other events
  // Io: port | size << 16 | in << 24 | string << 25; CrAccess and DrAccess: number | write << 8 | gpr << 16,
  // CR's value in `value`; Exception: vector; Rdmsr, Wrmsr and Rdpmc: ECX.
  u64 qualification = 0;
  u64 value = 0;           // Wrmsr: EDX:EAX; CR write: the value; exception with error code: the code
  u64 guest_physical = 0;  // SecondStageFault
  u64 guest_linear = 0;    // SecondStageFault
  bool write = false, fetch = false;
  u32 error_code = 0;
  bool has_error_code = false;
  PendingEvent vectoring;  // event whose delivery was interrupted by this exit
};

class Intercepts {
 public:
  virtual ~Intercepts() = default;
  virtual bool instruction(ExitKind kind) const = 0;  // Cpuid, Hlt, Rdpmc, Rdtsc, Invlpg, Pause, Mwait, ...
  virtual bool msr(u32 index, bool write) const = 0;  // from the MSR bitmap
  virtual bool io(u16 port, unsigned size) const = 0;
  virtual bool exception(u8 vector, u32 error_code) const = 0;
  virtual bool cr(unsigned cr, bool write, u64 value) const = 0;
  virtual bool external_interrupt() const = 0;  // asked by the CPU when it recognises an event
  virtual bool nmi() const = 0;
  // SVM checks RDPMC's counter number, the operands of MONITOR and MWAIT, and everything about MOV DR before
  // the intercept (APM Vol. 2, 15.9), VMX after it.
  virtual bool faults_before_intercept() const = 0;
};

}  // namespace pmusim::core
