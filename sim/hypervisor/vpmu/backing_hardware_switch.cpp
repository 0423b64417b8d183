// SPDX-License-Identifier: Apache-2.0
// The world switch's register accesses, in KVM's order (kvm_mediated_pmu_load, kvm_mediated_pmu_put, and the
// vendors' mediated_load and mediated_put).
#include "arch/evtsel.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "hypervisor/vpmu/backing_hardware.h"

namespace pmusim::hv {

using pmu::kFixedBase;

namespace {
using evtsel::kEn;
}

u32 HardwareBacking::counter_msr(unsigned counter) const {
  if (counter >= kFixedBase) return msr::kFixedCtr0 + (counter - kFixedBase);
  if (intel()) return (s_.host->caps.full_width_writes() ? msr::kAPmc0 : msr::kPerfCtr0) + counter;
  return s_.host->caps.perfctr_core ? msr::kAmdPerfCtr0 + 2 * counter : msr::kK7PerfCtr0 + counter;
}

u32 HardwareBacking::selector_msr(unsigned n) const {
  if (intel()) return msr::kPerfEvtSel0 + n;
  return s_.host->caps.perfctr_core ? msr::kAmdPerfCtl0 + 2 * n : msr::kK7EvntSel0 + n;
}

u32 HardwareBacking::rdpmc_index(unsigned counter) const {
  return counter >= kFixedBase ? 0x40000000u | (counter - kFixedBase) : counter;
}

void HardwareBacking::write_lvtpc(PhysicalCpu& cpu) {
  lvtpc_written_ = wanted_lvtpc();
  s_.perf->load_guest_lvtpc(cpu, lvtpc_written_);
}

void HardwareBacking::load_context(PhysicalCpu& cpu) {
  s_.perf->load_guest_context(cpu);
  if (has_global_registers()) cpu.wrmsr(intel() ? msr::kGlobalCtrl : msr::kAmdGlobalCtl, 0);
  write_lvtpc(cpu);
  load_registers(cpu);
  loaded_on_ = &cpu;
}

void HardwareBacking::put_context(PhysicalCpu& cpu) {
  put_registers(cpu);
  loaded_on_ = nullptr;
  s_.perf->put_guest_lvtpc(cpu);
  s_.perf->put_guest_context(cpu);
}

void HardwareBacking::load_registers(PhysicalCpu& cpu) {
  for (const unsigned counter : set_bits(s_.counters())) {
    const u64 value = s_.stored(counter);
    if (!elide_ || cpu.rdpmc(rdpmc_index(counter)) != value) cpu.wrmsr(counter_msr(counter), value);
    if (counter < kFixedBase) cpu.wrmsr(selector_msr(counter), stopped_selector(counter));
  }
  load_vendor(cpu);
}

void HardwareBacking::load_vendor(PhysicalCpu& cpu) {
  const u64 guest = s_.regs.global_status;
  u64 status = 0;
  if (intel()) {
    cpu.rdmsr(msr::kGlobalStatus, status);
    if (status & ~guest) cpu.wrmsr(msr::kGlobalStatusReset, status & ~guest);
    if (guest & ~status) cpu.wrmsr(msr::kGlobalStatusSet, guest & ~status);
    if (s_.caps.version > 1) cpu.wrmsr(msr::kFixedCtrCtrl, fixed_ctrl_hw_);
    if (!stops_at_exit()) cpu.wrmsr(msr::kGlobalCtrl, s_.regs.global_ctrl);  // no VM-entry will load it
  } else if (has_global_registers()) {
    cpu.rdmsr(msr::kAmdGlobalStatus, status);
    if (status) cpu.wrmsr(msr::kAmdGlobalStatusClr, status);
    cpu.wrmsr(msr::kAmdGlobalStatusSet, guest);
    if (stop_by() != StopBy::GlobalCtl) cpu.wrmsr(msr::kAmdGlobalCtl, s_.regs.global_ctrl);
  }
}

void HardwareBacking::put_vendor(PhysicalCpu& cpu) {
  u64& status = s_.regs.global_status;
  if (intel()) {
    if (s_.policy->on_exit != OnExit::StopAll) {
      if (!stops_at_exit() && global_ctrl_direct()) cpu.rdmsr(msr::kGlobalCtrl, s_.regs.global_ctrl);
      cpu.wrmsr(msr::kGlobalCtrl, 0);
    }
    cpu.rdmsr(msr::kGlobalStatus, status);
    if (status) cpu.wrmsr(msr::kGlobalStatusReset, status);
    if (s_.caps.version > 1) {
      if (!known(Asset::FixedCtrCtrl)) {
        cpu.rdmsr(msr::kFixedCtrCtrl, fixed_ctrl_hw_);
        s_.regs.fixed_ctrl = fixed_ctrl_hw_;
      }
      if (fixed_ctrl_hw_) cpu.wrmsr(msr::kFixedCtrCtrl, 0);
    }
  } else if (has_global_registers()) {
    cpu.wrmsr(msr::kAmdGlobalCtl, 0);
    cpu.rdmsr(msr::kAmdGlobalStatus, status);
    if (status) cpu.wrmsr(msr::kAmdGlobalStatusClr, status);
  }
}

void HardwareBacking::put_registers(PhysicalCpu& cpu) {
  put_vendor(cpu);
  learnt_ = s_.counters();
  for (const unsigned counter : set_bits(s_.counters())) {
    u64& value = s_.stored(counter);
    value = cpu.rdpmc(rdpmc_index(counter));
    const bool selector = counter < kFixedBase;
    // No shadow: read it back, unless the latest exit did.
    if (selector && !known(Asset::EventSelectors) && stop_by() != StopBy::Selectors) {
      cpu.rdmsr(selector_msr(counter), selector_hw_[counter]);
      s_.regs.selector[counter] = selector_hw_[counter];
    }
    if (value) cpu.wrmsr(counter_msr(counter), 0);
    if (selector && selector_hw_[counter]) cpu.wrmsr(selector_msr(counter), 0);
  }
}

u64 HardwareBacking::stopped_selector(unsigned n) const {
  return selector_hw_[n] & ~(stop_by() == StopBy::Selectors ? kEn : 0);
}

void HardwareBacking::start_counters(PhysicalCpu& cpu) {
  const StopBy by = stop_by();
  if (by == StopBy::GlobalCtl) cpu.wrmsr(msr::kAmdGlobalCtl, s_.regs.global_ctrl);
  if (by != StopBy::Selectors) return;
  for (unsigned n = 0; n < s_.caps.gp_count; ++n)
    if (selector_hw_[n] & kEn) cpu.wrmsr(selector_msr(n), selector_hw_[n]);
}

// Only the selectors themselves tell what the guest has programmed.
void HardwareBacking::stop_counters(PhysicalCpu& cpu) {
  const StopBy by = stop_by();
  if (by == StopBy::GlobalCtl) cpu.wrmsr(msr::kAmdGlobalCtl, 0);
  if (by != StopBy::Selectors) return;
  for (unsigned n = 0; n < s_.caps.gp_count; ++n) {
    cpu.rdmsr(selector_msr(n), selector_hw_[n]);
    s_.regs.selector[n] = selector_hw_[n];
    if (selector_hw_[n] & kEn) cpu.wrmsr(selector_msr(n), stopped_selector(n));
  }
  learnt_ = s_.counters();
}

}  // namespace pmusim::hv
