// SPDX-License-Identifier: Apache-2.0
// What a schema cannot say about a model file: that its parts fit each other. Each check throws InputError at
// the place that is wrong.
#pragma once

#include "base/json.h"
#include "model/cpu_model.h"

namespace pmusim::models {

// Version, counts, widths and capability bits against the CPUID leaves that the guest will see.
void check_cpuid(const JsonView& root, const pmu::Caps& caps);

// Events: names occur once; counters and fixed counters exist; all entries of one encoding count the same;
// architectural events are reported available exactly where they are counted.
void check_events(const JsonView& root, const pmu::Caps& caps, const std::vector<pmu::EventInfo>& events);

// Assumed values: each path names a value of the file; a cost marked as assumed is listed.
void check_assumed(const JsonView& root);

}  // namespace pmusim::models
