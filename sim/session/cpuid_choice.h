// SPDX-License-Identifier: Apache-2.0
// The CPUID that a guest gets: "kvm" as KVM offers it, "host" as the CPU reports it, or a file. "default" is
// "host" on bare metal, which is the machine itself, and "kvm" in a VM. A vCPU's CPUID given to bare metal
// makes the oracle: this hardware, without a hypervisor, with those features. Any of them may be followed by
// features to leave out, as with QEMU's -cpu, and by what its PMU has: "kvm,-x2apic,gp=4,fixed=3,version=2".
#pragma once

#include <string>
#include <vector>

#include "arch/cpuid.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "model/cpu_model.h"

namespace pmusim::session {

inline constexpr const char* kDefaultCpuid = "default";
// What "default" stands for; other choices as they are.
std::string resolved_cpuid(const std::string& choice, bool bare_metal);

// The two parts of a choice: "kvm", "host" or a file, and what the table then loses: features, and counters
// (models/counts.h), of which it may have fewer than before. InputError for more.
std::string cpuid_base(const std::string& choice);
void change_cpuid(const std::string& choice, CpuidTable& table);

struct GuestCpuid {
  CpuidTable table;
  u64 perf_capabilities = 0;
};

// counters_in_hardware: of the policy. The form of a file: docs/cpuid-format.md. Throws InputError.
GuestCpuid guest_cpuid(const std::string& choice, const CpuModel& model, hv::KernelRelease release,
                       bool counters_in_hardware);

GuestCpuid read_cpuid_file(const std::string& path);

// The model with only the features of that CPUID. The bit that says "hypervisor" is cleared.
CpuModel reduced_model(const CpuModel& model, const GuestCpuid& cpuid);

struct CpuidFeature {
  std::string name, bit;  // "x2apic", "CPUID.01H.0:ECX[21]"
};
std::vector<CpuidFeature> cpuid_features();  // those that a choice can leave out

void check_cpuid_choice(const std::string& choice);  // InputError for a name that is none

}  // namespace pmusim::session
