// SPDX-License-Identifier: Apache-2.0
// What a vCPU is once KVM_SET_CPUID2 has defined it, and which accesses to MSRs exit: asked of a VM that is
// made for the question on a machine of its own and never runs. A process can do this once (SystemC).
#pragma once

#include <string>
#include <vector>

#include "hypervisor/vpmu/kernel_release.h"
#include "hypervisor/vpmu/policy.h"
#include "model/cpu_model.h"

namespace pmusim::session {

struct MsrView {
  std::string name;
  u32 address = 0;
  bool read_exits = true, write_exits = true;
  std::string why;  // what decided
};

struct VcpuView {
  pmu::Caps caps;  // of the guest
  hv::HandlingFacts facts;
  std::vector<MsrView> registers;  // of the vPMU: every index that the architecture has room for
  std::vector<MsrView> others;     // some that profilers meet
  bool rdpmc_exits = true;
  std::string rdpmc_why;
};

// cpuid: a choice (cpuid_choice.h). InputError if the host or the kernel cannot run the policy.
VcpuView view_vcpu(const CpuModel& model, const hv::Policy& policy, hv::KernelRelease release,
                   const std::string& cpuid);

}  // namespace pmusim::session
