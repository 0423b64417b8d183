// SPDX-License-Identifier: Apache-2.0
// KVM's questions about one counter (pmu.h, pmu.c) and the default strategies.
#include "hypervisor/vpmu/vpmu_state.h"

#include "arch/evtsel.h"
#include "base/bits.h"
#include "core/state/state.h"
#include "hypervisor/vpmu/backing_hardware.h"
#include "hypervisor/vpmu/backing_host_perf.h"

namespace pmusim::hv {

using namespace evtsel;
using pmu::kFixedBase;
using pmu::Vendor;

namespace {

constexpr u64 kEventAndUmask = kEvent | kUmask | kEventHigh;

// perf's generic encodings (PERF_COUNT_HW_INSTRUCTIONS, _BRANCH_INSTRUCTIONS).
u64 generic_instructions(Vendor) {
  return 0xc0;
}
u64 generic_branches(Vendor vendor) {
  return vendor == Vendor::Intel ? 0xc4 : 0xc2;
}

bool is_fixed(unsigned counter) {
  return counter >= kFixedBase;
}

bool matches(const VpmuState& s, unsigned counter, u64 generic) {
  return ((s.selector(counter) ^ generic) & kEventAndUmask) == 0;  // EDGE, INV, CMASK play no part
}

bool counts_emulated(const VpmuState& s, unsigned counter, bool branch, bool user) {
  if (!s.globally_enabled(counter) || !s.locally_enabled(counter) || !s.mode_allows(counter)) return false;
  if (!(s.selector(counter) & (user ? kUsr : kOs))) return false;
  return matches(s, counter,
                 branch ? generic_branches(s.caps.vendor) : generic_instructions(s.caps.vendor)) &&
         s.filter_allows(counter);
}

}  // namespace

std::shared_ptr<const VpmuStrategies> default_strategies() {
  auto made = std::make_shared<VpmuStrategies>();
  made->rules = kvm_rules;
  made->caps = kvm_caps;
  made->supported_cpuid = kvm_supported_cpuid;
  made->initial_global_ctrl = kvm_initial_global_ctrl;
  made->serves_rdpmc = [](const pmu::Caps& caps, u32) { return caps.version != 0; };
  made->rdpmc_counter = kvm_rdpmc_counter;
  made->filter_allows = [](const VpmuState& s, unsigned counter) {
    if (!s.filter) return true;
    return is_fixed(counter) ? s.filter->allows_fixed(counter - kFixedBase)
                             : s.filter->allows_gp(s.regs.selector[counter]);
  };
  made->counts_emulated = counts_emulated;
  // a16eb25b09c0, and its exemption of AMD: the vCPU's APIC behaves as the vendor's.
  made->masks_lvtpc_on_pmi = [](const CpuModel& host) { return host.vendor == Vendor::Intel; };
  made->host_perf_backing = [](VpmuState& s) { return std::make_unique<HostPerfBacking>(s); };
  made->hardware_backing = [](VpmuState& s) { return std::make_unique<HardwareBacking>(s); };
  return made;
}

Handling VpmuState::handling(Asset asset) const {
  const Handling h = (*policy)[asset].resolve(facts);
  const bool control = asset == Asset::EventSelectors || asset == Asset::FixedCtrCtrl;
  return locked_down && control && h == Handling::Passthrough ? Handling::Filtered : h;
}

u64 VpmuState::width_mask(unsigned counter) const {
  return mask(is_fixed(counter) ? caps.fixed_width : caps.gp_width);
}

u64& VpmuState::stored(unsigned counter) {
  return is_fixed(counter) ? regs.fixed[counter - kFixedBase] : regs.gp[counter];
}
u64 VpmuState::stored(unsigned counter) const {
  return is_fixed(counter) ? regs.fixed[counter - kFixedBase] : regs.gp[counter];
}

u64 VpmuState::selector(unsigned counter) const {
  if (!is_fixed(counter)) return regs.selector[counter];
  constexpr u64 generic[kKvmMaxFixed] = {0xc0, 0x3c, 0x300};  // instructions, cycles, reference cycles
  const u64 nibble = control_nibble(counter - kFixedBase);
  return generic[counter - kFixedBase] | (nibble & 1 ? kOs : 0) | (nibble & 2 ? kUsr : 0) |
         (nibble & 8 ? kInt : 0);
}

bool VpmuState::globally_enabled(unsigned counter) const {
  return caps.version < 2 || test_bit(regs.global_ctrl, counter);
}

bool VpmuState::locally_enabled(unsigned counter) const {
  return is_fixed(counter) ? control_nibble(counter - kFixedBase) & 3 : regs.selector[counter] & kEn;
}

bool VpmuState::interrupts(unsigned counter) const {
  return selector(counter) & kInt;
}

bool VpmuState::mode_allows(unsigned counter) const {
  if (caps.vendor != Vendor::Amd || is_fixed(counter)) return true;
  const bool guest_only = test_bit(regs.selector[counter], 40),
             host_only = test_bit(regs.selector[counter], 41);
  if (!guest_only && !host_only) return true;
  // The guest's own bits reach hardware: it is in guest mode as long as the guest runs.
  if (handling(Asset::EventSelectors) == Handling::Passthrough) return guest_only;
  if (!(hooks->guest_efer() & core::kEferSvme)) return false;
  if (guest_only && host_only) return true;
  return guest_only == hooks->in_guest_hypervisor_mode();
}

bool VpmuState::counts_instructions(unsigned counter) const {
  return locally_enabled(counter) && matches(*this, counter, generic_instructions(caps.vendor));
}
bool VpmuState::counts_branches(unsigned counter) const {
  return locally_enabled(counter) && matches(*this, counter, generic_branches(caps.vendor));
}

void atomic_switch_perf_msrs(const HostPerf& perf, const platform::PhysicalCpu& cpu,
                             ControlBlockPmuFields& fields) {
  for (const MsrSwitch& m : perf.guest_msrs(cpu.id())) fields.atomic_switch(m.msr, m.guest, m.host);
}

u64 changed_counters(const VpmuState& s, const pmu::Registers& before) {
  u64 changed = s.regs.global_ctrl ^ before.global_ctrl;
  for (unsigned n = 0; n < s.caps.gp_count; ++n)
    if (s.regs.selector[n] != before.selector[n]) changed |= bit(n);
  for (unsigned n = 0; n < kKvmMaxFixed; ++n)
    if ((s.regs.fixed_ctrl ^ before.fixed_ctrl) >> (4 * n) & 0xf) changed |= bit(kFixedBase + n);
  return changed & s.counters();
}

}  // namespace pmusim::hv
