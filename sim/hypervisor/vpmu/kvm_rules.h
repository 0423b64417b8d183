// SPDX-License-Identifier: Apache-2.0
// KVM's rule layers for the registers of a vPMU, by kernel release, and what KVM makes of and offers in
// CPUID. After arch/x86/kvm/{pmu.c, vmx/pmu_intel.c, svm/pmu.c, cpuid.c, msrs.c}; releases differ only where
// stated. Not modelled: guest PEBS and LBR (their capability bits are never offered), nested virtualization.
#pragma once

#include <vector>

#include "hypervisor/vpmu/kernel_release.h"
#include "model/cpu_model.h"
#include "pmu/rules.h"

namespace pmusim::hv {

inline constexpr unsigned kKvmMaxIntelGp = 8, kKvmMaxFixed = 3, kKvmMaxAmdGp = 6;

struct KvmRuleOptions {
  pmu::Vendor vendor = pmu::Vendor::Intel;
  KernelRelease release = kDefaultRelease;
  bool counters_in_hardware = false;
  bool guest_svm = false;  // guest CPUID has SVM
  bool guest_ds = false;   // guest CPUID has the debug store
};

pmu::RuleLayer kvm_rules(const KvmRuleOptions& options);

// kvm_pmu_refresh: the vPMU that a guest's CPUID describes, limited by host and KVM. Version 0: none.
pmu::Caps kvm_caps(const CpuidTable& guest, u64 perf_capabilities, const CpuModel& host);
// Of a guest's CPUID, for KvmRuleOptions.
bool guest_has_svm(const CpuidTable& guest);
bool guest_has_ds(const CpuidTable& guest);

// kvm_pmu_refresh: GLOBAL_CTRL at (re)definition of the vCPU.
u64 kvm_initial_global_ctrl(const pmu::Caps& caps, bool counters_in_hardware);

// intel_rdpmc_ecx_to_pmc, amd_rdpmc_ecx_to_pmc: counter, or -1.
int kvm_rdpmc_counter(const pmu::Caps& caps, u32 ecx);

// The write mask that KVM accepts in IA32_PERF_GLOBAL_STATUS and its reset register.
u64 kvm_status_bits(const pmu::Caps& caps);

// KVM_GET_SUPPORTED_CPUID, and IA32_PERF_CAPABILITIES as KVM supports it. Release and where the counters are
// make no difference: what a mediated vPMU is not offered, PEBS and LBR, no guest is here. They are in
// VpmuStrategies' signature for what a release or a defect offers.
CpuidTable kvm_supported_cpuid(const CpuModel& host, KernelRelease, bool counters_in_hardware);
u64 kvm_supported_perf_capabilities(const CpuModel& host);

// MSRs that userspace is told to save for a vPMU (msrs_to_save_pmu), for this host.
std::vector<u32> kvm_msrs_to_save(const CpuModel& host);

// Legacy PMU MSRs of both vendors: never a fault, even where the vCPU has no such register.
bool kvm_legacy_pmu_msr(u32 msr);

}  // namespace pmusim::hv
