// SPDX-License-Identifier: Apache-2.0
// What the core needs from the rest of the machine (or, when the core serves as a hypervisor's instruction
// emulator, from the hypervisor). Called with the core's counts and time brought up to date.
#pragma once

#include "arch/cpuid.h"
#include "base/types.h"

namespace pmusim::core {

class CoreEnv {
 public:
  virtual ~CoreEnv() = default;

  // MSRs that are not core state (core handles EFER, STAR family, FS/GS bases, SYSENTER, PAT, TSC_AUX
  // itself). false: #GP(0).
  virtual bool rdmsr(u32 index, u64& value) = 0;
  virtual bool wrmsr(u32 index, u64 value) = 0;

  // ECX as given; privilege (CPL, CR4.PCE) is checked by the core. false: #GP(0).
  virtual bool rdpmc(u32 ecx, u64& value) = 0;

  virtual u64 rdtsc() = 0;
  virtual u64 random() = 0;                            // of RDRAND and RDSEED
  virtual CpuidRegs cpuid(u32 leaf, u32 subleaf) = 0;  // dynamic bits (OSXSAVE, APIC) included

  virtual u64 io_read(u16 port, unsigned size) = 0;
  virtual void io_write(u16 port, u64 value, unsigned size) = 0;
  virtual u64 mmio_read(u64 physical, unsigned size) = 0;
  virtual void mmio_write(u64 physical, u64 value, unsigned size) = 0;

  // MONITOR of the line at a host-physical address, and whether MWAIT waits (nothing monitored: it does not).
  virtual void monitor(u64 /*physical*/) {}
  virtual bool monitor_armed() { return false; }

  virtual u64 read_cr8() = 0;
  virtual bool write_cr8(u64 value) = 0;  // false: #GP(0)
};

}  // namespace pmusim::core
