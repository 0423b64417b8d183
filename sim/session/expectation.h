// SPDX-License-Identifier: Apache-2.0
// What the kernel of this machine is expected to be like, so that what is documented of such a kernel is not
// taken for its fault: the policy that it implements, its release, the model of its CPU.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hypervisor/vpmu/policy.h"
#include "model/cpu_model.h"

namespace pmusim::session {

struct Expectation {
  hv::Policy policy;
  std::string release;            // "": not said
  std::optional<CpuModel> model;  // nothing: not said
};

// Each list has at most one name, as the command line gives it; none: the policy is the one that KVM's
// parameters say it implements. Throws InputError for what this machine cannot be: several names, bare metal,
// a policy that keeps the guest's counters elsewhere (in hardware, in host perf's events) than this kernel
// does, a model of another vendor, a policy that the model or release refuses.
Expectation expected_of_this_kernel(const std::vector<std::string>& models,
                                    const std::vector<std::string>& policies,
                                    const std::vector<std::string>& kernels);

// What the policy's conditions ask of a guest with that CPUID on the expected model.
hv::HandlingFacts facts_of(const CpuModel& model, const Expectation& expected, const std::string& cpuid);

}  // namespace pmusim::session
