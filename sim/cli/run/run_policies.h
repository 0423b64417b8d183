// SPDX-License-Identifier: Apache-2.0
// The simulations of `pmusim run`: one policy in this process, several each in a worker's.
#pragma once

#include <cstdio>
#include <vector>

#include "cli/run/prepared_run.h"
#include "cli/run/run_result.h"

namespace pmusim::cli {

// In the order of the policies, each with its baseline if there is one to run. The serial line of a single
// policy goes to `serial` as it is written, line by line.
std::vector<PolicyResult> run_policies(const RunConfig& config, const PreparedRun& prepared,
                                       std::FILE* serial);

}  // namespace pmusim::cli
