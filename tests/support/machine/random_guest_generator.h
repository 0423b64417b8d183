// SPDX-License-Identifier: Apache-2.0
// The maker of random guests: the guest's memory map, and what it has chosen.
// Registers: r14 is the data area, r15 where the next fault continues; rsp is the stack. Everything else is
// random. Handlers keep all registers. Other CPUs run the same program from one of its units on, with stacks
// and a task of their own; data, variables and log are everybody's. The last to leave user mode ends the
// guest.
#pragma once

#include "tests/support/assembler.h"
#include "tests/support/machine/random_guest.h"

namespace pmusim::platform::test {

inline constexpr u32 kBoot = 0x100000, kHandlers = 0x110000, kKernel = 0x120000, kUser = 0x160000;
inline constexpr u32 kGdt = 0x200000, kGdtPointer = kGdt + 0x80, kIdt = 0x201000, kTss = 0x202000,
                     kTssPerCpu = 0x80, kPml4 = 0x203000, kPdpt = 0x204000, kPdLow = 0x205000,
                     kPdApic = 0x206000;
inline constexpr u32 kInterruptStack = 0x320000, kNmiStack = 0x330000, kKernelStack = 0x310000,
                     kUserStack = 0x340000;
inline constexpr u32 kData = 0x400000, kVariables = 0x408000, kReadOnly = 0xa00000, kUnmapped = 0xe00000,
                     kFar = 0x10000;
inline constexpr u32 kPmiBudget = kVariables + 8, kTimerCount = kVariables + 16,
                     kFaultCount = kVariables + 24;
inline constexpr u32 kApicPage = 0xfee00000;
inline constexpr u8 kPmiVector = 0x40, kTimerVector = 0x41, kSoftware = 0x80, kLeaveUser = 0x81;
inline constexpr u32 kCpusLeft = kVariables + 32, kStarted = kVariables + 40;
inline constexpr u32 kTrampoline = 0x8000, kOtherBoot = 0x150000, kPerCpu = 0x1000, kStackPerCpu = 0x4000;
inline constexpr unsigned kCodeSelector = 0x08, kDataSelector = 0x10, kUserData = 0x1b, kUserCode = 0x23,
                          kTaskSelector = 0x28, kProtectedCode = 0x68;
inline constexpr u32 kInit = 0x4500, kStartUp = 0x4600;  // with level asserted

class Generator {
 public:
  Generator(const CpuModel& model, const GuestPlan& plan)
      : model_(model), plan_(plan), rng_(plan.seed * 4 + 1), intel_(model.vendor == pmu::Vendor::Intel) {
    sampling_ = plan.counters == CounterPlan::Sampling;
    nmi_ = rng_.below(2);
    full_width_ = model.caps.full_width_writes() && rng_.below(2);
  }

  Image image();

 private:
  u64 pick(u64 n) { return rng_.below(n); }
  bool one_in(u64 n) { return rng_.below(n) == 0; }
  unsigned reg() {  // its number: rax, rcx, rdx, rbx, rbp, rsi, rdi, r8 to r13
    static const unsigned list[] = {0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13};
    return list[pick(13)];
  }
  u32 offset() {  // into the data; every eighth far away, behind the variables and the log, for the caches
    const u64 far = one_in(8) ? kFar + pick(kReadOnly - kData - 2 * kFar) : 0;
    return static_cast<u32>((far & ~u64{7}) + pick(0x700) * 8 + (one_in(4) ? pick(8) : 0));
  }

  // PMU programming
  u32 selector_msr(unsigned n) const { return address(pmu::Reg::GpSelector, n); }
  u32 counter_msr(unsigned n) const {
    return address(full_width_ ? pmu::Reg::GpCounterFull : pmu::Reg::GpCounter, n);
  }
  u32 address(pmu::Reg r, unsigned n) const { return pmu::address_of(model_.vendor, r, n); }
  u64 near_overflow(unsigned counter);
  u64 random_selector(unsigned n);
  u64 random_fixed_control();
  bool global() const { return intel_ || model_.caps.version >= 2; }
  u64 all_counters() const { return model_.caps.counter_bits(); }
  void program_pmu(Assembler& a);
  void write_counter(Assembler& a, unsigned counter, u64 value);

  // Program
  void handlers();
  void exception(u8 vector, bool code);
  void pmi_handler();
  void enter_long_mode(Assembler& a);
  void start(Assembler& a, unsigned cpu);
  void boot();
  void boot_other(std::vector<Part>& parts, unsigned cpu);
  void simple(Assembler& a, bool keep_counter);
  void memory(Assembler& a);
  void string(Assembler& a, bool user);
  void faulting(Assembler& a, bool user);
  void system(Assembler& a, bool user);
  void unit(Assembler& a, bool user, unsigned depth);
  void tables(std::vector<Part>& parts);
  void gate(u8 vector, u32 target, unsigned dpl, unsigned ist = 0);
  // Emits `body`; a fault in its last instruction goes on behind it.
  template <typename Body>
  void recoverable(Assembler& a, Body body) {
    const pmusim::test::Label behind = a.label();
    a.mov(pmusim::test::r15d, behind);
    body();
    a.bind(behind);
  }

  const CpuModel& model_;
  const GuestPlan& plan_;
  Rng rng_;
  bool intel_, sampling_, nmi_, full_width_;
  std::vector<u8> idt_ = std::vector<u8>(0x1000);
  std::vector<u32> units_;  // of the kernel
  Assembler boot_{kBoot}, handlers_{kHandlers, Assembler::Mode::Long},
      kernel_{kKernel, Assembler::Mode::Long}, user_{kUser, Assembler::Mode::Long};
};

}  // namespace pmusim::platform::test
