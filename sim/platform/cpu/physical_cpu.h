// SPDX-License-Identifier: Apache-2.0
// The physical CPU's port: the only way hypervisor (policy) code touches simulated hardware. Every call costs
// cycles and counts host instructions, and is interruptible: a pending NMI or interrupt reaches the host's
// handler before the call returns (interrupts only while they are enabled). Calls are made on the CPU's own
// SystemC thread and may suspend it.
#pragma once

#include "arch/cpuid.h"
#include "core/memory/ram.h"
#include "core/state/intercepts.h"
#include "core/state/state.h"
#include "model/cpu_model.h"
#include "platform/cpu/host_cause.h"

namespace pmusim::platform {

// Code the host executes between the register accesses and VM instructions that policy code performs.
// Counts advance linearly over the segment's cycles: after c of C cycles, floor(n x c / C) of n happenings.
struct HostWork {
  u64 cycles = 0;
  u64 instructions = 0;
  u64 branches = 0;  // counted as taken conditional branches
  u64 loads = 0;
  u64 stores = 0;
  bool user = false;  // CPL 3 (the VMM process) instead of the kernel
};

class HostHandler {
 public:
  virtual ~HostHandler() = default;
  virtual void host_nmi() = 0;                 // NMIs are blocked until it returns
  virtual void host_interrupt(u8 vector) = 0;  // interrupts are disabled until it returns; it must EOI
};

// A control block (VMCS or VMCB) as the CPU uses it. Owned by the hypervisor.
class ControlBlock : public core::Intercepts {
 public:
  virtual core::CpuState& guest_state() = 0;
  virtual const core::SecondStage& second_stage() const = 0;
  virtual u16 tag() const = 0;  // VPID or ASID, not 0
  // Hardware's own work at VM-entry, in order: checks, MSR loads. Non-empty string: entry fails, with the
  // reason. Runs with the port's costs but is not host instructions.
  virtual std::string load(class PhysicalCpu& cpu) = 0;
  // ... and at VM-exit: MSR stores, saves and loads, exit fields.
  virtual void store(class PhysicalCpu& cpu, const core::VmExit& exit) = 0;
  virtual PendingEvent take_injection() = 0;  // event to deliver at entry
  virtual s64 tsc_offset() const = 0;
  virtual s8 vcpu() const { return -1; }  // whom the CPU's own events name while the guest runs; -1: nobody
};

class PhysicalCpu {
 public:
  virtual ~PhysicalCpu() = default;
  virtual unsigned id() const = 0;
  virtual const CpuModel& model() const = 0;
  virtual void set_handler(HostHandler* handler) = 0;

  // Instructions of the host at CPL 0. rdmsr and wrmsr return false on #GP.
  virtual bool rdmsr(u32 index, u64& value) = 0;
  virtual bool wrmsr(u32 index, u64 value) = 0;
  virtual u64 rdpmc(u32 ecx) = 0;
  virtual u64 rdtsc() = 0;
  virtual CpuidRegs cpuid(u32 leaf, u32 subleaf) = 0;
  virtual u32 apic_read(u32 offset) = 0;  // local APIC register, xAPIC offset
  virtual void apic_write(u32 offset, u32 value) = 0;
  virtual void set_interrupts(bool enabled) = 0;  // STI, CLI; also releases what is pending
  virtual bool interrupts_enabled() const = 0;
  virtual void work(const HostWork& work) = 0;
  virtual void vmaccess(bool write) = 0;  // cost of one VMREAD/VMWRITE (VMX); memory access on SVM
  // HLT with interrupts enabled: returns after some interrupt or NMI has been handled, or at tsc deadline.
  virtual void halt() = 0;

  // VM-entry until the next VM-exit. Never returns with ExitKind::None.
  virtual core::VmExit enter_guest(ControlBlock& block) = 0;

  // Hardware-internal accesses for ControlBlock::load/store: no instruction is counted. A field of the
  // control block is part of the entry's or exit's own cost; an entry of an MSR list costs
  // Cost::MsrListEntry.
  enum class Source : u8 { Field, List };
  virtual bool hw_rdmsr(u32 index, u64& value, Source source) = 0;
  virtual bool hw_wrmsr(u32 index, u64 value, Source source) = 0;

  virtual u64 cycle() const = 0;
  virtual u64 tsc() const = 0;  // for events and diagnostics; not an instruction

  // On whose account the host's cycles pass from now on; returns whose they were. Costs nothing.
  virtual HostCause charge_to(HostCause cause) { return cause; }
};

// The host works on that account until the end of the block.
class Charged {
 public:
  Charged(PhysicalCpu& cpu, HostCause cause) : cpu_(cpu), before_(cpu.charge_to(cause)) {}
  ~Charged() { cpu_.charge_to(before_); }
  Charged(const Charged&) = delete;
  Charged& operator=(const Charged&) = delete;

 private:
  PhysicalCpu& cpu_;
  HostCause before_;
};

}  // namespace pmusim::platform
