// SPDX-License-Identifier: Apache-2.0
// A policy's properties by name, as policy files write them: every asset, and the axes. What a file says
// about itself (title, sources, first_kernel, extends) is no property: it changes nothing that a guest sees.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hypervisor/vpmu/kernel_release.h"
#include "hypervisor/vpmu/policy.h"

namespace pmusim::hv {

// Words of policy files, in the order of the enumerations.
inline const std::vector<std::string> kHandlingNames = {"emulated", "filtered", "passthrough", "hidden"};
inline const std::vector<std::string> kSwitchAtNames = {"run-loop", "vm-entry-exit", "vcpu-load-put",
                                                        "never"};
inline const std::vector<std::string> kPmiNames = {"host-nmi", "dedicated-vector", "direct"};
inline const std::vector<std::string> kHostPerfNames = {"shared", "exclude-guest-only", "denied"};
inline const std::vector<std::string> kOnExitNames = {"stop-all", "stop-instructions-and-branches",
                                                      "leave-running"};
inline const std::vector<std::string> kEmulatedInstructionsNames = {"lose", "count"};  // as count_emulated

// What some properties depend on besides the policy. What is not known leaves every possibility open.
struct Circumstances {
  std::optional<HandlingFacts> facts;    // for assets with a condition
  std::optional<KernelRelease> release;  // for elide_writes where the policy leaves it to the kernel
};

std::vector<std::string> property_names();
// The values that some policy can have; empty for a name that is no property.
std::vector<std::string> property_values(const std::string& name);
// The policy's own: one value, or all that are possible where the circumstances are not known.
std::vector<std::string> property_of(const Policy& policy, const std::string& name, const Circumstances& at);

// Nothing but what they say about themselves differs.
bool behave_alike(const Policy& a, const Policy& b);

}  // namespace pmusim::hv
