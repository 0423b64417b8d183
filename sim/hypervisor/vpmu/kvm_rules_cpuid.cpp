// SPDX-License-Identifier: Apache-2.0
// KVM_GET_SUPPORTED_CPUID as far as the PMU and the platform's time and interrupts go, from the host's leaves
// (arch/x86/kvm/cpuid.c). Other leaves are the host's. Nested virtualization is not modelled and not offered.
#include <algorithm>

#include "arch/cpuid_features.h"
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

CpuidTable kvm_supported_cpuid(const CpuModel& host, KernelRelease, bool /*counters_in_hardware*/) {
  CpuidTable table = host.cpuid;
  const auto zero = [&](u32 leaf) {
    for (CpuidEntry& entry : table.entries)
      if (entry.leaf == leaf) entry.regs = {};
  };
  const auto off = [&](std::initializer_list<CpuidBit> which) {
    for (const CpuidBit& bit : which) table.set(bit, false);
  };
  const bool intel = host.vendor == Vendor::Intel;
  const bool pmu = host.caps.version > 0;

  if (CpuidEntry* highest = table.find(0, 0)) highest->regs.eax = std::min<u32>(highest->regs.eax, 0x24);
  off({cpuid::kDtes64, cpuid::kMonitor, cpuid::kDsCpl, cpuid::kVmx, cpuid::kDs});  // DS: no guest PEBS
  if (!intel || !pmu) off({cpuid::kPdcm});
  off({cpuid::kIntelPt, cpuid::kHybrid, cpuid::kArchLbr, cpuid::kArchPerfmonExt});
  for (const CpuidBit& emulated : {cpuid::kX2Apic, cpuid::kTscDeadline, cpuid::kTscAdjust})
    table.set(emulated);
  table.set(cpuid::kHypervisor);
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
    regs.edx = fixed | u32{host.caps.fixed_width} << 5;
    cpuid::kAnyThreadDeprecated.set(regs);  // whatever the version
    table.set(0xa, 0, regs);
  }

  off({cpuid::kSvm, cpuid::kIbs, cpuid::kPerfCtrExtNb, cpuid::kPerfCtrExtLlc});
  if (!pmu || host.caps.gp_count < kKvmMaxAmdGp) off({cpuid::kPerfCtrExtCore});
  for (u32 leaf : {0x8000000au, 0x8000001bu, 0x80000022u}) zero(leaf);
  if (!intel && host.caps.version >= 2 && host.caps.gp_count >= kKvmMaxAmdGp)
    table.set(0x80000022, 0, {1, kKvmMaxAmdGp, 0, 0});

  // KVM's own leaves: signature "KVMKVMKVM"; of its paravirtual features the hypercall that sends IPIs.
  table.set(0x40000000, 0, {0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d});
  table.set(0x40000001, 0, {1u << 11, 0, 0, 0});
  return table;
}

}  // namespace pmusim::hv
