// SPDX-License-Identifier: Apache-2.0
// KVM_GET_SUPPORTED_CPUID as far as the PMU and the platform's time and interrupts go, from the host's leaves
// (arch/x86/kvm/cpuid.c). Other leaves are the host's. Nested virtualization is not modelled and not offered.
#include <algorithm>

#include "base/bits.h"
#include "hypervisor/vpmu/kvm_rules.h"

namespace pmusim::hv {

using pmu::Vendor;

u64 kvm_supported_perf_capabilities(const CpuModel& host) {
  // Full-width writes always, even where the host has none: emulated counters need no hardware for it. The
  // LBR format and PEBS bits would need features that are not modelled; a mediated vPMU never has them.
  if (host.vendor != Vendor::Intel || host.caps.version == 0) return 0;
  return bit(13);
}

CpuidTable kvm_supported_cpuid(const CpuModel& host, KernelRelease, bool) {
  CpuidTable table = host.cpuid;
  const auto edit = [&](u32 leaf, u32 subleaf, auto change) {
    if (CpuidEntry* entry = table.find(leaf, subleaf)) change(entry->regs);
  };
  const auto zero = [&](u32 leaf) {
    for (CpuidEntry& entry : table.entries)
      if (entry.leaf == leaf) entry.regs = {};
  };
  const auto off = [](u32& reg, std::initializer_list<unsigned> which) {
    for (unsigned n : which) reg &= ~static_cast<u32>(bit(n));
  };
  const bool intel = host.vendor == Vendor::Intel;
  const bool pmu = host.caps.version > 0;

  edit(0, 0, [](CpuidRegs& r) { r.eax = std::min<u32>(r.eax, 0x24); });
  edit(1, 0, [&](CpuidRegs& r) {
    off(r.ecx, {2, 3, 4, 5});  // DTES64, MONITOR, DS-CPL, VMX
    off(r.edx, {21});          // DS: no guest PEBS
    if (!intel || !pmu) off(r.ecx, {15});
    r.ecx |= 1u << 21 | 1u << 24 | 1u << 31;  // x2APIC and TSC-deadline timer are emulated; hypervisor
  });
  edit(7, 0, [&](CpuidRegs& r) {
    r.ebx |= 1u << 1;      // TSC_ADJUST is emulated
    off(r.ebx, {25});      // processor trace
    off(r.edx, {15, 19});  // hybrid, architectural LBR
  });
  edit(7, 1, [&](CpuidRegs& r) { off(r.eax, {8}); });  // leaf 23H
  for (u32 leaf : {5u, 0x14u, 0x1au, 0x1cu, 0x23u}) zero(leaf);

  // do_cpuid_func 0AH
  zero(0xa);
  if (intel && pmu) {
    CpuidRegs regs;
    const u32 version = std::min<u32>(host.caps.version, 2);
    const CpuidRegs own = host.cpuid.read(0xa, 0);
    const u32 length = static_cast<u32>(bits(own.eax, 31, 24));
    regs.eax = version | std::min<u32>(host.caps.gp_count, kKvmMaxIntelGp) << 8 |
               u32{host.caps.gp_width} << 16 | length << 24;
    regs.ebx = own.ebx;
    const u32 fixed = std::min<u32>(host.caps.fixed_count(), kKvmMaxFixed);
    regs.edx =
        fixed | u32{host.caps.fixed_width} << 5 | 1u << 15;  // AnyThread deprecated, whatever the version
    table.set(0xa, 0, regs);
  }

  edit(0x80000001, 0, [&](CpuidRegs& r) {
    off(r.ecx, {2, 10, 24, 28});  // SVM, IBS, NB and LLC counters
    if (!pmu || host.caps.gp_count < kKvmMaxAmdGp) off(r.ecx, {23});
  });
  for (u32 leaf : {0x8000000au, 0x8000001bu, 0x80000022u}) zero(leaf);
  if (!intel && host.caps.version >= 2 && host.caps.gp_count >= kKvmMaxAmdGp)
    table.set(0x80000022, 0, {1, kKvmMaxAmdGp, 0, 0});

  // KVM's own leaves: signature "KVMKVMKVM"; of its paravirtual features the hypercall that sends IPIs.
  table.set(0x40000000, 0, {0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d});
  table.set(0x40000001, 0, {1u << 11, 0, 0, 0});
  return table;
}

}  // namespace pmusim::hv
