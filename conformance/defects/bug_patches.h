// SPDX-License-Identifier: Apache-2.0
// What each injectable defect changes in KVM's vPMU. What it was, and where it is documented, stands in
// conformance/bugs/ID.json.
#pragma once

#include <map>
#include <string>

#include "hypervisor/vpmu/vpmu_state.h"

namespace pmusim::conformance {

using BugPatch = void (*)(hv::VpmuStrategies&);
using BugPatches = std::map<std::string, BugPatch>;  // by id

const BugPatches& bug_patches();  // all

BugPatches register_bugs();  // bug_patches_registers.cpp: register rules, reset values, RDPMC
BugPatches identity_bugs();  // bug_patches_identity.cpp: CPUID, what a vPMU consists of
BugPatches event_bugs();     // bug_patches_events.cpp: event selection, filter, emulated instructions
BugPatches counter_bugs();   // bug_patches_counters.cpp: counters backed by perf events
BugPatches switch_bugs();    // bug_patches_switch.cpp: counters in hardware

// Changes the rule layer that KVM would use.
void patch_rules(hv::VpmuStrategies& strategies, void (*change)(pmu::RuleLayer&));

}  // namespace pmusim::conformance
