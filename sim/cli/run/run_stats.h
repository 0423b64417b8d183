// SPDX-License-Identifier: Apache-2.0
// The results of a run for programs: stats.json, and the same values as rows. Every key:
// docs/stats-format.md.
#pragma once

#include <string>
#include <vector>

#include "cli/run/run_config.h"
#include "cli/run/run_result.h"

namespace pmusim::cli {

// What was run, and for each policy the values by dotted names, how the guest ended, the assumed values that
// the run could touch, and what was used and is not modelled. image_sha256: of the image's file.
std::string stats_json(const RunConfig& config, const std::string& image_sha256,
                       const std::vector<PolicyResult>& results);

// policy,name,value,unit: a header, then a row for each value. A policy that did not run has one row,
// "not_run".
std::string stats_csv(const std::vector<PolicyResult>& results);

}  // namespace pmusim::cli
