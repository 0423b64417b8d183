// SPDX-License-Identifier: Apache-2.0
// What belongs to a CPU's state. TLBs and decoded code do not: the machine flushes the former when it saves
// and restores, the latter has no effect on results.
#include <type_traits>

#include "platform/cpu/cpu_parts.h"

namespace pmusim::platform {
namespace {

void visit(Archive& a, core::Segment& s) {
  a(s.base, s.limit, s.access, s.selector);
}

void visit(Archive& a, core::FpuState& f) {
  a(f.xmm);
  for (core::X87Register& r : f.r) a(r.significand, r.exponent);
  a(f.instruction, f.operand, f.xcr0, f.mxcsr, f.control, f.status, f.opcode, f.tags);
}

void visit(Archive& a, core::CpuState& s) {
  a(s.gpr, s.rip, s.rflags);
  for (core::Segment& seg : s.seg) visit(a, seg);
  visit(a, s.ldtr);
  visit(a, s.tr);
  a(s.gdtr.base, s.gdtr.limit, s.idtr.base, s.idtr.limit);
  a(s.cr0, s.cr2, s.cr3, s.cr4, s.efer, s.dr);
  a(s.star, s.lstar, s.cstar, s.sfmask, s.kernel_gs_base, s.tsc_aux, s.sysenter_cs, s.sysenter_esp,
    s.sysenter_eip, s.pat, s.cpl, s.interrupt_shadow, s.debug_shadow, s.nmi_blocked, s.repeat_flags,
    s.activity);
  visit(a, s.fpu);
}

// Registers are 64-bit values only, so their bytes are their state.
void visit(Archive& a, pmu::Registers& r) {
  static_assert(std::has_unique_object_representations_v<pmu::Registers>, "padding would enter the state");
  a.bytes(&r, sizeof r);
}

}  // namespace

void Cpu::Arrival::archive(Archive& a) {
  a(cycle, from, message.delivery, message.shorthand, message.vector, message.logical, message.level_trigger,
    message.deassert, message.broadcast, message.destination, message.source);
}

void Cpu::archive(Archive& a) {
  visit(a, state_);
  mtrr_.archive(a);
  u64 random = random_.state();
  a(random);
  if (!a.saving()) random_ = Rng(random);
  std::vector<u64> time = timing_->save();
  a.list(time);
  if (!a.saving()) timing_->restore(time);
  EventCounts& counts = core_->mutable_counts();
  for (unsigned c = 0; c < kContexts; ++c) {
    CountVector v = counts[c];
    for (u64& n : v) a(n);
    if (v != counts[c]) counts.in(c) = v;
  }

  pmu::Pmu::Snapshot pmu = pmu_->save();
  visit(a, pmu.regs);
  a(pmu.svme);
  a.list(pmu.base);
  a.list(pmu.edge);
  apic_.archive(a);
  a(tsc_offset_, tsc_adjust_, debugctl_, misc_enable_, spec_ctrl_, mcg_status_, syscfg_, hwcr_, nb_cfg_);
  a.list(pmi_due_);
  a.list(inbox_);
  a(host_if_, in_nmi_, handled_, idle_, parked_, finished_);
  u64 line = monitor_->line();
  a(line, stored_at_);
  if (!a.saving()) line == kNever ? ram_.disarm(*monitor_) : ram_.arm(*monitor_, line);
  if (a.saving()) return;
  core_->set_state(&state_);
  core_->discard_time();
  pmu_->restore(pmu);
  follow_pmu();
}

}  // namespace pmusim::platform
