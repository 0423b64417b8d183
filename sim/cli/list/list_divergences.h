// SPDX-License-Identifier: Apache-2.0
// pmusim list divergences: where policies depart from the architecture on which models.
#pragma once

#include "conformance/judge/runner.h"

namespace pmusim::cli {

// Runs the cases with documented divergences at the plan's models, policies, CPUIDs and kernels, in
// functional timing, and prints what departs. Expected and got are what these runs gave, so the list cannot
// be out of date. Exit status: 1 if a case fails there, 77 if nothing could be looked at. Standard error says
// which, and why.
int list_divergences(conformance::RunPlan plan, bool as_json);

}  // namespace pmusim::cli
