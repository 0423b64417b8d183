// SPDX-License-Identifier: Apache-2.0
// The port by which hypervisor code uses the CPU. Every operation: its effect, then its cost in the current
// context, then one retired instruction, then overflow and whatever interrupt is due. The effect precedes the
// cost as it does for the core's own instructions, so an enabling WRMSR counts itself and a disabling one
// does not.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include "arch/event_counts.h"
#include "arch/msr.h"
#include "platform/cpu/cpu_parts.h"

namespace pmusim::platform {
using core::Cost;

// What has passed since the last booking passed on the present account.
void Cpu::book_host_cycles() {
  constexpr ContextMask kHost = 0x00f;
  const u64 passed = core_->counts().sum(mask_of(Count::Cycles), kHost);
  host_cycles_[static_cast<unsigned>(cause_)] += passed - std::exchange(booked_, passed);
}

HostCause Cpu::charge_to(HostCause cause) {
  if (cause != cause_) book_host_cycles();
  return std::exchange(cause_, cause);
}

const HostCycles& Cpu::host_cycles() {
  book_host_cycles();
  return host_cycles_;
}

// A register access of KVM is a cause by itself; one by another part of the host belongs to that part.
HostCause Cpu::access_cause() const {
  return cause_ == HostCause::WorldSwitch || cause_ == HostCause::Handlers ? HostCause::Msr : cause_;
}

void Cpu::spend(Cost cost) {
  timing_->stall(costs_[cost]);
  core_->account_time();
}

void Cpu::retire_host(u64 loads, u64 stores) {
  timing_->retire(1);
  core_->account_time();
  CountVector& at = core_->mutable_counts().in(core_->context());
  at[static_cast<unsigned>(Count::Instructions)] += 1;
  at[static_cast<unsigned>(Count::Loads)] += loads;
  at[static_cast<unsigned>(Count::Stores)] += stores;
  host_boundary();
}

void Cpu::host_event(u8 vector, bool nmi) {
  const Charged charged(*this, HostCause::Interrupts);
  const bool old_if = host_if_;
  const u8 old_cpl = state_.cpl;
  host_if_ = false;
  state_.cpl = 0;
  count_interrupt();
  spend(Cost::Interrupt);
  pmu_->sync();
  ++handled_;
  if (nmi) {
    in_nmi_ = true;
    if (handler_) handler_->host_nmi();
    in_nmi_ = false;
  } else if (handler_) {
    handler_->host_interrupt(vector);
  }
  core_->account_time();
  state_.cpl = old_cpl;
  host_if_ = old_if;
}

void Cpu::host_boundary() {
  pmu_->sync();
  follow_pmu();
  for (;;) {
    boundary();
    take_due();
    if (apic_.nmi_pending() && !in_nmi_) {
      apic_.take_nmi();
      host_event(kNMI, true);
      continue;
    }
    if (!apic_.interrupt_pending() || !host_if_) return;
    host_event(take_interrupt(), false);
  }
}

void Cpu::emit_host_msr(const char* text, u32 index, u64 value, bool write, bool fault) {
  EventSink* sink = fabric_.sink();
  if (!sink) return;
  Event e = {};
  e.kind = EventKind::HostMsr;
  e.cpu = static_cast<u8>(id_);
  e.vcpu = vcpu_;
  e.write = write;
  e.fault = fault;
  e.cycle = cycle();
  e.tsc = tsc();
  e.a = index;
  e.b = value;
  e.text = text;
  sink->on_event(e);
}

bool Cpu::rdmsr(u32 index, u64& value) {
  const Charged charged(*this, access_cause());
  core_->account_time();
  bool ok = true;
  if (const u64* own = core_msr(index))
    value = *own;
  else
    ok = msr_read(index, value);
  emit_host_msr("rdmsr", index, value, false, !ok);
  spend(Cost::Rdmsr);
  retire_host();
  return ok;
}

bool Cpu::wrmsr(u32 index, u64 value) {
  const Charged charged(*this, access_cause());
  core_->account_time();
  u64* own = core_msr(index);
  if (own) *own = value;
  const bool ok = own && index != msr::kEfer ? true : msr_write(index, value);
  emit_host_msr("wrmsr", index, value, true, !ok);
  spend(Cost::Wrmsr);
  retire_host();
  return ok;
}

bool Cpu::hw_rdmsr(u32 index, u64& value, Source source) {
  core_->account_time();
  bool ok = true;
  if (const u64* own = core_msr(index))
    value = *own;
  else
    ok = msr_read(index, value);
  emit_host_msr("hw_rdmsr", index, value, false, !ok);
  if (source == Source::List) spend(Cost::MsrListEntry);
  return ok;
}

bool Cpu::hw_wrmsr(u32 index, u64 value, Source source) {
  core_->account_time();
  u64* own = core_msr(index);
  if (own) *own = value;
  const bool ok = own && index != msr::kEfer ? true : msr_write(index, value);
  emit_host_msr("hw_wrmsr", index, value, true, !ok);
  if (source == Source::List) spend(Cost::MsrListEntry);
  return ok;
}

u64 Cpu::rdpmc(u32 ecx) {
  const Charged charged(*this, access_cause());
  core_->account_time();
  u64 value = 0;
  const bool ok = pmu_->rdpmc(ecx, value);
  emit_host_msr("rdpmc", ecx, value, false, !ok);
  if (!ok) throw std::logic_error("hypervisor code executed RDPMC of a counter that the CPU does not have");
  spend(Cost::Rdpmc);
  retire_host();
  return value;
}

u64 Cpu::rdtsc() {
  const u64 value = tsc();
  spend(Cost::Rdtsc);
  retire_host();
  return value;
}

CpuidRegs Cpu::cpuid(u32 leaf, u32 subleaf) {
  const CpuidRegs regs = physical_cpuid(leaf, subleaf);
  spend(Cost::Cpuid);
  retire_host();
  return regs;
}

u32 Cpu::apic_read(u32 offset) {
  const Charged charged(*this, access_cause());
  core_->account_time();
  u64 value = 0;
  if (apic_.x2apic()) {
    if (!apic_.read_msr(msr::kX2ApicFirst + offset / 16, value))
      throw std::logic_error("hypervisor code read an APIC register that does not exist in x2APIC mode");
    spend(Cost::Rdmsr);
    retire_host();
  } else {
    value = apic_.read(offset);
    spend(Cost::Mmio);
    retire_host(1, 0);
  }
  return static_cast<u32>(value);
}

void Cpu::apic_write(u32 offset, u32 value) {
  const Charged charged(*this, access_cause());
  core_->account_time();
  if (apic_.x2apic()) {
    if (!apic_.write_msr(msr::kX2ApicFirst + offset / 16, value))
      throw std::logic_error("hypervisor code wrote an APIC register that does not exist in x2APIC mode");
    spend(Cost::Wrmsr);
    retire_host();
  } else {
    apic_.write(offset, value);
    spend(Cost::Mmio);
    retire_host(0, 1);
  }
}

void Cpu::set_interrupts(bool enabled) {
  host_if_ = enabled;
  retire_host();
}

// VMREAD and VMWRITE are instructions with a cost; an SVM control block is ordinary memory.
void Cpu::vmaccess(bool write) {
  const bool vmx = model().vendor == pmu::Vendor::Intel;
  if (vmx) spend(write ? Cost::Vmwrite : Cost::Vmread);
  retire_host(!vmx && !write, !vmx && write);
}

void Cpu::halt() {
  spend(Cost::Hlt);
  const u64 before = handled_;
  host_if_ = true;  // STI; HLT: nothing pending is handled before the count above
  retire_host();
  while (handled_ == before) {
    sleep();
    host_boundary();
  }
}

// How many of the remaining cycles can pass in one go: to the next deadline, the bound, and no further than
// the counters' horizon; at least one.
u64 Cpu::work_step(const HostWork& w, u64 done) const {
  const pmu::Horizon h = pmu_->horizon();
  u64 step = std::min(w.cycles - done, h.cycles);
  const u64 stop = std::min(next_event(), bound_), now = cycle();
  if (stop > now) step = std::min(step, stop - now);
  const u64 most = std::max(std::max(w.instructions, w.branches), std::max(w.loads, w.stores));
  if (h.instructions != kNever && most) {
    // The largest c with floor(most x c / C) <= so far + horizon.
    const u128 reach = static_cast<u128>(Ratio{done, w.cycles}.floor(most)) + h.instructions + 1;
    const u128 c = (reach * w.cycles - 1) / most;
    if (c < w.cycles) step = std::min(step, static_cast<u64>(c) > done ? static_cast<u64>(c) - done : 1);
  }
  return std::max<u64>(step, 1);
}

void Cpu::work(const HostWork& w) {
  const u8 cpl = w.user ? 3 : 0;
  core_->account_time();
  const u8 old_cpl = state_.cpl;
  u64 done = 0;
  auto add = [&](u64 from, u64 to) {
    const u64 cycles = std::max<u64>(w.cycles, 1);
    CountVector& at = core_->mutable_counts().in(core_->context());
    auto part = [&](Count kind, u64 n) {
      at[static_cast<unsigned>(kind)] += Ratio{to, cycles}.floor(n) - Ratio{from, cycles}.floor(n);
    };
    part(Count::Instructions, w.instructions);
    part(Count::CondTaken, w.branches);
    part(Count::Loads, w.loads);
    part(Count::Stores, w.stores);
  };
  state_.cpl = cpl;
  if (w.cycles == 0) {
    add(0, 1);
    host_boundary();
  } else {  // steps are whole cycles, from the end of the one that was begun
    const u64 begun = cycle();
    timing_->stall(0);
    core_->account_time();
    if (cycle() != begun) host_boundary();
  }
  while (done < w.cycles) {
    const u64 step = work_step(w, done);
    timing_->stall(step);
    core_->account_time();
    add(done, done + step);
    done += step;
    host_boundary();
  }
  core_->account_time();
  state_.cpl = old_cpl;
}

}  // namespace pmusim::platform
