// SPDX-License-Identifier: Apache-2.0
// The simulations of `pmusim run`: one policy in this process, several each in a worker's.
#pragma once

#include <vector>

#include "cli/prepared_run.h"
#include "cli/run_report.h"

namespace pmusim::cli {

// In the order of the policies. A single one's serial line goes to standard output as it is written.
std::vector<PolicyResult> run_policies(const RunConfig& config, const PreparedRun& prepared);

}  // namespace pmusim::cli
