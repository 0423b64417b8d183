// SPDX-License-Identifier: Apache-2.0
// The two vendors' KVM rule layers, without what they share.
#pragma once

#include "hypervisor/vpmu/kvm_rules.h"

namespace pmusim::hv {

pmu::RuleLayer kvm_intel_rules(const KvmRuleOptions& options);
pmu::RuleLayer kvm_amd_rules(const KvmRuleOptions& options);

}  // namespace pmusim::hv
