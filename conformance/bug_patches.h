// SPDX-License-Identifier: Apache-2.0
// What each injectable defect changes in KVM's vPMU.
#pragma once

#include <map>
#include <string>

#include "hypervisor/vpmu_state.h"

namespace pmusim::conformance {

using BugPatch = void (*)(hv::VpmuStrategies&);

const std::map<std::string, BugPatch>& bug_patches();  // by id

}  // namespace pmusim::conformance
