// SPDX-License-Identifier: Apache-2.0
// Version, number and width of a CPU's counters, and what has to follow where they are changed: the leaves of
// CPUID that enumerate them, the counters that events may use. Both a machine (--set model.pmu...) and a
// guest's CPUID (--cpuid kvm,gp=4) are changed by this.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "arch/cpuid.h"
#include "pmu/description.h"

namespace pmusim::models {

// What is not said stays, or follows: no fixed counters before version 2, AMD's four or six without
// PerfMonV2.
struct CountRequest {
  std::optional<unsigned> version, gp, fixed, width;  // width: of all counters, bits
  bool empty() const { return !version && !gp && !fixed && !width; }
};
pmu::Caps with_counts(pmu::Caps caps, const CountRequest& request);

// Writes version, counts and widths into the leaves that enumerate them (Intel: 0AH; AMD: 80000001H and
// 80000022H), which are added if they are missing: the inverse of VendorRules::caps_from. Version 0: no PMU.
void enumerate_counts(const pmu::Caps& caps, CpuidTable& cpuid);

// Why CPUID cannot enumerate such counters, as what is expected instead; "" if it can.
std::string impossible_counts(const pmu::Caps& caps);
// For people: "version 2, 4 general and 3 fixed counters of 48 bits".
std::string counts_text(const pmu::Caps& caps);

// Events of a machine whose counters have become others: one of all counters stays one of all, any other
// keeps those that are left, and one that has none left is gone.
void fit_events(const pmu::Caps& before, const pmu::Caps& after, std::vector<pmu::EventInfo>& events);

}  // namespace pmusim::models
