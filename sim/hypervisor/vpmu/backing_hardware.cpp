// SPDX-License-Identifier: Apache-2.0
// Shadow controls, emulated increments, and when the hardware context is switched.
#include "hypervisor/vpmu/backing_hardware.h"

#include <algorithm>

#include "arch/evtsel.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "hypervisor/vpmu/audit.h"

namespace pmusim::hv {

using pmu::kFixedBase;

namespace {
using evtsel::kEn, evtsel::kGuestOnly, evtsel::kHostOnly;
constexpr u32 kLvtMasked = 1u << 16;
}  // namespace

HardwareBacking::HardwareBacking(VpmuState& state) : VpmuBacking(state) {
  elide_ = state.policy->elides_writes(state.release);
}

HardwareBacking::~HardwareBacking() = default;

void HardwareBacking::reset() {
  if (loaded()) put_context(*loaded_on_);
  std::fill(std::begin(selector_hw_), std::end(selector_hw_), 0);
  fixed_ctrl_hw_ = 0;
  fields_ = nullptr;
  learnt_ = 0;
}

// On AMD the selector itself keeps a counter quiet in host mode, for want of an atomic switch.
u64 HardwareBacking::amd_mode_bits(unsigned counter) const {
  if (intel()) return 0;
  const bool stop = s_.policy->on_exit == OnExit::StopAll ||
                    (s_.policy->on_exit == OnExit::StopInstructionsAndBranches &&
                     (s_.counts_instructions(counter) || s_.counts_branches(counter)));
  return stop ? kGuestOnly : 0;
}

// A selector that the hypervisor does not see stays as the guest wrote it.
u64 HardwareBacking::wanted_selector(unsigned n) const {
  const u64 guest = s_.regs.selector[n];
  if (intel() || !known(Asset::EventSelectors)) return guest;
  return (guest & ~(kGuestOnly | kHostOnly)) | amd_mode_bits(n);
}

void HardwareBacking::controls_written(const pmu::Registers& before) {
  for (unsigned n = 0; n < s_.caps.gp_count; ++n) {
    if (s_.regs.selector[n] == before.selector[n]) continue;
    selector_hw_[n] = wanted_selector(n);
  }
  const u64 changed = changed_counters(s_, before);
  if (s_.regs.fixed_ctrl != before.fixed_ctrl) {
    if (s_.release < KernelRelease::V7_2 || !known(Asset::FixedCtrCtrl)) {
      // Until 9c6e2463c9f3 the whole register: a denied counter whose nibble did not change counted again.
      fixed_ctrl_hw_ = s_.regs.fixed_ctrl;
    } else {
      for (unsigned n = 0; n < kKvmMaxFixed; ++n) {
        const u64 nibble = u64{0xf} << (4 * n);
        if (test_bit(changed, kFixedBase + n))
          fixed_ctrl_hw_ = (fixed_ctrl_hw_ & ~nibble) | (s_.regs.fixed_ctrl & nibble);
      }
    }
  }
  s_.request_reprogram(changed);
}

void HardwareBacking::refresh(unsigned counter) {
  const bool allowed = s_.locally_enabled(counter) && s_.mode_allows(counter) && s_.filter_allows(counter);
  if (counter < kFixedBase) {
    if (!known(Asset::EventSelectors)) return;
    selector_hw_[counter] = (selector_hw_[counter] & ~kEn) | (allowed ? s_.regs.selector[counter] & kEn : 0);
  } else {
    if (!known(Asset::FixedCtrCtrl)) return;
    const u64 nibble = u64{0xf} << (4 * (counter - kFixedBase));
    fixed_ctrl_hw_ = (fixed_ctrl_hw_ & ~nibble) | (allowed ? s_.regs.fixed_ctrl & nibble : 0);
  }
}

void HardwareBacking::handle_requests(PhysicalCpu&) {
  const u64 wanted = s_.reprogram & s_.counters();
  s_.reprogram = 0;
  if (!wanted) return;
  begin_access();
  for (const unsigned counter : set_bits(wanted)) refresh(counter);
  end_access();
}

void HardwareBacking::guest_mode_changed() {
  if (intel()) return;
  begin_access();
  for (unsigned n = 0; n < s_.caps.gp_count; ++n)
    if (s_.regs.selector[n] & (kGuestOnly | kHostOnly)) refresh(n);
  end_access();
}

void HardwareBacking::increment(unsigned counter) {
  if (loaded()) return increment_hardware(*loaded_on_, counter);
  u64& value = s_.stored(counter);
  value = (value + 1) & s_.width_mask(counter);
  if (value) return;
  s_.set_status(counter);
  if (s_.interrupts(counter)) s_.hooks->request_pmi();
}

// The copy in memory is stale. What the host itself adds between the read and the write is overwritten.
void HardwareBacking::increment_hardware(PhysicalCpu& cpu, unsigned counter) {
  const pmu::Caps& host = s_.host->caps;
  const u64 width = mask(counter < kFixedBase ? host.gp_width : host.fixed_width);
  const u64 value = (cpu.rdpmc(rdpmc_index(counter)) + 1) & width;
  cpu.wrmsr(counter_msr(counter), value);
  if (value) return;
  if (has_global_registers())
    cpu.wrmsr(intel() ? msr::kGlobalStatusSet : msr::kAmdGlobalStatusSet, bit(counter));
  if (s_.interrupts(counter)) s_.hooks->request_pmi();
}

// Only what GLOBAL_CTRL enables is worth an RDMSR.
void HardwareBacking::learn_controls() {
  if (!loaded()) return;
  PhysicalCpu& cpu = *loaded_on_;
  if (intel() && !stops_at_exit() && global_ctrl_direct()) cpu.rdmsr(msr::kGlobalCtrl, s_.regs.global_ctrl);
  u64 wanted = s_.counters() & ~learnt_;
  if (s_.caps.version > 1) wanted &= s_.regs.global_ctrl;
  if (!known(Asset::EventSelectors))
    for (const unsigned n : set_bits(wanted & s_.caps.gp_bits())) {
      cpu.rdmsr(selector_msr(n), selector_hw_[n]);
      s_.regs.selector[n] = selector_hw_[n];
    }
  if (!known(Asset::FixedCtrCtrl) && (wanted & ~s_.caps.gp_bits())) {
    cpu.rdmsr(msr::kFixedCtrCtrl, fixed_ctrl_hw_);
    s_.regs.fixed_ctrl = fixed_ctrl_hw_;
    wanted = s_.counters() & (wanted | ~s_.caps.gp_bits());
  }
  learnt_ |= wanted;
}

HardwareBacking::StopBy HardwareBacking::stop_by() const {
  const SwitchAt at = s_.policy->switch_at;
  const bool stays = at == SwitchAt::VcpuLoadPut || at == SwitchAt::Never;
  if (intel() || !stays || s_.policy->on_exit != OnExit::StopAll || known(Asset::EventSelectors))
    return StopBy::Nothing;
  return has_global_registers() ? StopBy::GlobalCtl : StopBy::Selectors;
}

// Where the slow path finds the state in hardware too, it counts no better than the fast one.
bool HardwareBacking::fastpath_allowed() const {
  if (s_.policy->switch_at == SwitchAt::VcpuLoadPut || s_.policy->switch_at == SwitchAt::Never) return true;
  for (const unsigned counter : set_bits(s_.counters() & s_.regs.global_ctrl))
    if (s_.counts_instructions(counter)) return false;
  return true;
}

u64 HardwareBacking::peek(unsigned counter, const AuditProbe& probe) const {
  return loaded() && access_depth_ == 0 ? probe.counter(loaded_on_->id(), counter) : s_.stored(counter);
}

void HardwareBacking::begin_access() {
  if (loaded_on_ && access_depth_++ == 0) put_registers(*loaded_on_);
}

void HardwareBacking::end_access() {
  if (loaded_on_ && --access_depth_ == 0) load_registers(*loaded_on_);
}

void HardwareBacking::load(PhysicalCpu& cpu) {
  if (s_.policy->switch_at == SwitchAt::RunLoop) load_context(cpu);
}
void HardwareBacking::put(PhysicalCpu& cpu) {
  if (s_.policy->switch_at == SwitchAt::RunLoop && loaded()) put_context(cpu);
}

void HardwareBacking::sched_in(PhysicalCpu& cpu) {
  const SwitchAt at = s_.policy->switch_at;
  if (at == SwitchAt::VcpuLoadPut || (at == SwitchAt::Never && !loaded())) load_context(cpu);
}
void HardwareBacking::sched_out(PhysicalCpu& cpu) {
  if (s_.policy->switch_at == SwitchAt::VcpuLoadPut && loaded()) put_context(cpu);
}

bool HardwareBacking::global_ctrl_direct() const {
  return s_.caps.version > 1 && s_.handling(Asset::GlobalCtrl) == Handling::Passthrough;
}

u64 HardwareBacking::global_ctrl_after_exit() const {
  if (s_.policy->on_exit == OnExit::StopAll) return 0;
  u64 running = s_.regs.global_ctrl;
  for (const unsigned counter : set_bits(running & s_.counters())) {
    if (s_.counts_instructions(counter) || s_.counts_branches(counter)) running &= ~bit(counter);
  }
  return running;
}

void HardwareBacking::prepare_entry(PhysicalCpu& cpu, ControlBlockPmuFields& fields) {
  // At every entry, or for the first time since the vCPU was (re)defined.
  if (s_.policy->switch_at != SwitchAt::RunLoop && !loaded()) load_context(cpu);
  if (loaded() && wanted_lvtpc() != lvtpc_written_) write_lvtpc(cpu);
  learnt_ = 0;
  if (loaded()) start_counters(cpu);
  if (!fields.can_load_global_ctrl()) return;
  const bool load = stops_at_exit(), save = load && global_ctrl_direct();
  const bool fresh = fields_ != &fields;
  if (fresh || load != fields_load_ || save != fields_save_) fields.use_global_ctrl(load, save);
  fields_ = &fields;
  fields_load_ = load;
  fields_save_ = save;
  if (!load) return;
  const u64 host = global_ctrl_after_exit();
  if (fresh || fields_guest_ != s_.regs.global_ctrl)
    fields.set_guest_global_ctrl(fields_guest_ = s_.regs.global_ctrl);
  if (fresh || fields_host_ != host) fields.set_host_global_ctrl(fields_host_ = host);
}

// The guest's global control changes without an exit where it is passed through.
void HardwareBacking::save_global_ctrl(PhysicalCpu& cpu, ControlBlockPmuFields& fields) {
  if (!global_ctrl_direct()) return;
  if (fields_save_ && fields.can_load_global_ctrl()) {
    s_.regs.global_ctrl = fields_guest_ = fields.guest_global_ctrl();
    // From the MSR-store list: the field that the next entry loads does not have it yet.
    if (!fields.can_save_global_ctrl()) fields.set_guest_global_ctrl(fields_guest_);
  } else if (!intel()) {
    cpu.rdmsr(msr::kAmdGlobalCtl, s_.regs.global_ctrl);
  }
}

void HardwareBacking::after_exit(PhysicalCpu& cpu, ControlBlockPmuFields& fields) {
  save_global_ctrl(cpu, fields);
  stop_counters(cpu);
  if (s_.policy->switch_at == SwitchAt::VmEntryExit) put_context(cpu);
}

u32 HardwareBacking::wanted_lvtpc() const {
  const u32 guest = s_.hooks->virtual_lvtpc();
  if (s_.policy->pmi == PmiPath::Direct) return guest;
  return kMediatedPmiVector | (guest & kLvtMasked);
}

}  // namespace pmusim::hv
