// SPDX-License-Identifier: Apache-2.0
// What KVM takes from a guest's CPUID, RDPMC decoding, and the choice of the vendor's rule layer.
#include "hypervisor/vpmu/kvm_rules.h"

#include <algorithm>

#include "arch/cpuid_features.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "hypervisor/vpmu/kvm_rules_vendor.h"

namespace pmusim::hv {

using pmu::Caps;
using pmu::Outcome;
using pmu::Vendor;

bool kvm_legacy_pmu_msr(u32 msr) {
  return (msr >= msr::kPerfCtr0 && msr < msr::kPerfCtr0 + 2) ||
         (msr >= msr::kPerfEvtSel0 && msr < msr::kPerfEvtSel0 + 2) ||
         (msr >= msr::kK7EvntSel0 && msr < msr::kK7PerfCtr0 + 4);
}

pmu::RuleLayer kvm_rules(const KvmRuleOptions& options) {
  pmu::RuleLayer layer = options.vendor == Vendor::Intel ? kvm_intel_rules(options) : kvm_amd_rules(options);
  layer.name = std::string("kvm-") + release_name(options.release);
  // kvm_set_msr_common, kvm_get_msr_common: MSRs that old guests touch blindly read 0 and swallow writes.
  layer.absent = [](u32 msr, const Caps&, bool) {
    return kvm_legacy_pmu_msr(msr) ? Outcome::Ignored : Outcome::Fault;
  };
  return layer;
}

bool guest_has_svm(const CpuidTable& guest) {
  return guest.has(cpuid::kSvm);
}
bool guest_has_ds(const CpuidTable& guest) {
  return guest.has(cpuid::kDs);
}

Caps kvm_caps(const CpuidTable& guest, u64 perf_capabilities, const CpuModel& host) {
  Caps caps;
  caps.vendor = host.vendor;
  if (host.caps.version == 0) return caps;
  if (host.vendor == Vendor::Intel) {  // intel_pmu_refresh
    const CpuidRegs leaf = guest.read(0xa, 0);
    caps.version = static_cast<u8>(bits(leaf.eax, 7, 0));  // as the VMM says, not limited
    if (caps.version == 0) return caps;
    const auto least = [](u64 a, u64 b) { return static_cast<u8>(std::min(a, b)); };
    caps.gp_count = least(bits(leaf.eax, 15, 8), std::min<u64>(host.caps.gp_count, kKvmMaxIntelGp));
    caps.gp_width = least(bits(leaf.eax, 23, 16), host.caps.gp_width);
    const unsigned length = static_cast<unsigned>(std::min<u64>(bits(leaf.eax, 31, 24), 32));
    caps.arch_events = static_cast<u32>(~leaf.ebx & mask(length));
    if (caps.version > 1) {
      const unsigned fixed =
          least(bits(leaf.edx, 4, 0), std::min<u64>(host.caps.fixed_count(), kKvmMaxFixed));
      caps.fixed_mask = static_cast<u32>(mask(fixed));
      caps.fixed_width = least(bits(leaf.edx, 12, 5), host.caps.fixed_width);
    }
    caps.anythread_deprecated = cpuid::kAnyThreadDeprecated.in(leaf);
    caps.pdcm = guest.has(cpuid::kPdcm);
    caps.perf_capabilities = caps.pdcm ? perf_capabilities : 0;
    caps.rtm = host.caps.rtm && (guest.has(cpuid::kHle) || guest.has(cpuid::kRtm));
    return caps;
  }
  // amd_pmu_refresh. CPUID cannot hide the four legacy counters.
  const CpuidRegs v2 = guest.read(0x80000022, 0);
  const unsigned most = host.caps.gp_count >= kKvmMaxAmdGp ? kKvmMaxAmdGp : 4;
  caps.perfctr_core = guest.has(cpuid::kPerfCtrExtCore);
  caps.version = cpuid::kPerfMonV2.in(v2) ? 2 : 1;
  const unsigned wanted = caps.version == 2   ? static_cast<unsigned>(bits(v2.ebx, 3, 0))
                          : caps.perfctr_core ? kKvmMaxAmdGp
                                              : 4;
  caps.gp_count = static_cast<u8>(std::min(wanted, most));
  caps.gp_width = 48;
  return caps;
}

u64 kvm_initial_global_ctrl(const Caps& caps, bool counters_in_hardware) {
  // Software of before version 2 must not find its counters globally off; a hardware-backed version-1 vPMU
  // needs the invisible register to be set so that the hardware counts.
  return caps.version > 1 || (counters_in_hardware && caps.version > 0) ? caps.gp_bits() : 0;
}

u64 kvm_status_bits(const Caps& caps) {
  if (caps.vendor == Vendor::Amd) return caps.counter_bits();
  return caps.counter_bits() | bit(62) | bit(63);  // buffer overflow, condition changed
}

int kvm_rdpmc_counter(const Caps& caps, u32 ecx) {
  if (caps.vendor == Vendor::Amd) return ecx < caps.gp_count ? static_cast<int>(ecx) : -1;
  const u32 type = ecx >> 16, index = ecx & 0xffff;  // bit 31, the old fast mode, is part of the type here
  if (type == 0) return index < caps.gp_count ? static_cast<int>(index) : -1;
  if (type == 0x4000) return index < caps.fixed_count() ? static_cast<int>(pmu::kFixedBase + index) : -1;
  return -1;
}

std::vector<u32> kvm_msrs_to_save(const CpuModel& host) {
  std::vector<u32> list;
  if (host.caps.version == 0) return list;
  const auto limit = [&](const pmu::RegDescription& d) {
    if (d.storage.array == &pmu::Registers::fixed) return kKvmMaxFixed;
    return host.vendor == Vendor::Intel ? kKvmMaxIntelGp : kKvmMaxAmdGp;
  };
  for (const pmu::RegDescription& d : pmu::register_descriptions(host.vendor)) {
    const pmu::Rule& hardware = host.rules->hardware()[d.reg];
    for (unsigned i = 0; d.saved && i < std::min(d.count, limit(d)); ++i)
      if (hardware.exists && hardware.exists({host.caps, i, true})) list.push_back(d.address + i * d.stride);
  }
  return list;
}

}  // namespace pmusim::hv
