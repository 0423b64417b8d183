// SPDX-License-Identifier: Apache-2.0
// The context that everything executing inside one core shares, and the system instructions, which are
// plain functions over it. next_rip is the address after the current instruction. Functions that transfer
// control (far_jump, far_call, far_return, iret, software_interrupt, deliver_through_idt, syscall, sysret)
// set s->rip, and next_rip to the same. A function that throws has changed no register, unless it has set
// `committed`. Sizes, operand_size too, are in bytes.
#pragma once

#include "core/memory/mmu.h"
#include "core/state/env.h"
#include "core/state/fault.h"
#include "core/state/intercepts.h"
#include "core/state/unimplemented.h"
#include "core/system/config.h"

namespace pmusim::core {

struct Exec {
  CpuState* s = nullptr;
  Mmu* mmu = nullptr;
  CoreEnv* env = nullptr;
  Timing* timing = nullptr;
  const Intercepts* intercepts = nullptr;  // non-null: guest mode
  const CoreConfig* config = nullptr;
  u64 next_rip = 0;
  bool committed = false;  // the current instruction has had its effect: a fault from now on is not its own
  bool task_trap = false;  // the instruction or event has switched to a task that wants #DB before it begins
  // Brings counts and time up to date before anything outside the core is asked. Set by Core.
  void (*sync)(void* core) = nullptr;
  void* core = nullptr;
  void synchronize() { sync(core); }
  // Of the current address space, in fact and in the timing model.
  void flush_current() {
    mmu->flush_current();
    timing->flush_translations(false);
  }
  void flush_non_global() {
    mmu->flush_non_global();
    timing->flush_translations(true);
  }
  void stall(Cost cost) { timing->stall(config->costs[cost]); }
};

// Throws ExitRequest if the current control block intercepts that instruction.
void check_intercept(Exec& x, ExitKind kind, u64 qualification = 0, u64 value = 0);

// --- segments.cpp: descriptor loads and far transfers (SDM Vol. 3, "Protected-Mode Memory Management").
// Linear address of a data access outside 64-bit code; #GP(0) or #SS(0) where the segment does not allow it.
u64 data_linear(const CpuState& s, u8 seg, u64 offset, unsigned size, bool store);
// The same in every mode: 64-bit code knows the bases of FS and GS, and no limits.
u64 linear_address(const CpuState& s, u8 seg, u64 offset, unsigned size, bool store);
void load_segment(Exec& x, Seg seg,
                  u16 selector);  // the caller sets the interrupt shadow of MOV SS and POP SS
// What LAR, LSL, VERR and VERW learn of a descriptor; false: nothing may be learnt (ZF is cleared).
enum class Examine : u8 { Rights, Limit, Readable, Writable };
bool examine_segment(Exec& x, Examine what, u16 selector, u64& value);
void load_ldtr(Exec& x, u16 selector);
void load_tr(Exec& x, u16 selector);
void far_jump(Exec& x, u16 selector, u64 offset, unsigned operand_size);
void far_call(Exec& x, u16 selector, u64 offset, unsigned operand_size);
void far_return(Exec& x, unsigned operand_size, u16 pop_bytes);
void iret(Exec& x, unsigned operand_size);

// --- interrupts.cpp: delivery through the IDT, with error codes, IST, RSP0, double and triple faults.
// Software interrupts push next_rip; everything else pushes s->rip. Throws Fault for a fault during delivery.
// Takes its cost (Cost::Interrupt for interrupts and NMIs, else Cost::Exception).
void deliver_through_idt(Exec& x, const PendingEvent& event);
// What an event does to the CPU's state beside its registers: when it has been delivered, and before a
// VM-exit that its delivery causes.
void recognize_event(CpuState& state, const PendingEvent& event);
void take_event(Exec& x, const PendingEvent& event);  // with its cost
// The event that a fault becomes; and what #PF does to CR2 when it is delivered (not when it is intercepted).
PendingEvent event_of(const Fault& fault);
void set_cr2(CpuState& state, const Fault& fault);
void software_interrupt(Exec& x, u8 vector, EventType type);  // INT n, INT3, INTO
// The exception that results when `second` occurs while delivering `first` (contributory rules); false: none,
// deliver `second` alone. A fault while delivering #DF is a triple fault.
enum class Escalation : u8 { Serial, DoubleFault, TripleFault };
Escalation escalate(u8 first, bool first_is_exception, u8 second);

// #AC(0) for a misaligned access of `size` bytes, a power of two, that is not made (yet), under these flags.
void check_alignment(const Exec& x, u64 rflags, u64 linear, unsigned size);

// --- system.cpp: privileged and system instructions. All check CPL, intercepts and reserved bits, in the
// architecture's order, and take their cost.
void rdmsr(Exec& x);
void wrmsr(Exec& x);
void rdpmc(Exec& x);
void rdtsc(Exec& x, bool with_aux);
void cpuid(Exec& x);
void hlt(Exec& x);
void monitor(Exec& x, u8 seg, u64 offset);
void mwait(Exec& x);
void cli(Exec& x);
void sti(Exec& x);
void check_8086_iopl(const Exec& x);  // PUSHF, POPF, INT n and IRET: #GP(0) in virtual-8086 mode below IOPL 3
void popf_value(Exec& x, u64 value, unsigned operand_size);
u64 pushf_value(Exec& x);
u64 mov_from_cr(Exec& x, unsigned cr, unsigned gpr);
void mov_to_cr(Exec& x, unsigned cr, u64 value, unsigned gpr);
void clts(Exec& x);
void lmsw(Exec& x, u16 value);
u64 mov_from_dr(Exec& x, unsigned dr, unsigned gpr = RAX);
void mov_to_dr(Exec& x, unsigned dr, u64 value, unsigned gpr = RAX);
void load_descriptor_table(Exec& x, bool interrupt_table, u64 linear, unsigned operand_size);
void store_descriptor_table(Exec& x, bool interrupt_table, u64 linear, unsigned operand_size);
void invlpg(Exec& x, u64 linear);
void invalidate_caches(Exec& x, bool write_back);  // WBINVD, INVD
void invpcid(Exec& x, u64 type, u64 linear);
void clflush(Exec& x, u64 linear);
void check_io_permission(Exec& x, u16 port, unsigned size);  // in() and out() do so themselves
u64 in(Exec& x, u16 port, unsigned size);
void out(Exec& x, u16 port, u64 value, unsigned size);
void swapgs(Exec& x);
void syscall(Exec& x);
void sysenter(Exec& x);
void sysexit(Exec& x, unsigned operand_size);
void sysret(Exec& x, unsigned operand_size);
void vmcall(Exec& x, bool amd_encoding);  // VMCALL / VMMCALL; #UD outside guest mode
u64 rdpid(Exec& x);

}  // namespace pmusim::core
