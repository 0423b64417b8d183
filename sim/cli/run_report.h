// SPDX-License-Identifier: Apache-2.0
// What `pmusim run` says about its results: a table of policies side by side, and stats.json.
#pragma once

#include <string>
#include <vector>

#include "session/observation.h"

namespace pmusim::cli {

struct PolicyResult {
  std::string policy;
  std::string unmet;  // why it did not run; "" if it ran
  session::Observation seen;
};

// Instructions, interrupts, cycles in guest and host; for each guest counter in use its event, the visible
// and the true count, the difference by cause and what no cause explains; VM-exits by reason.
// color: headings stand out.
std::string comparison_table(const std::vector<PolicyResult>& results, bool color);

// Guest instructions, cycles and VM-exits in one line, for a run that did not end by itself.
std::string totals_line(const session::Observation& seen);

// Dotted names with units, for each policy; assumed values that the run could touch; what was used and is not
// modelled.
std::string stats_json(const std::string& model, const std::vector<PolicyResult>& results);

}  // namespace pmusim::cli
