// SPDX-License-Identifier: Apache-2.0
// The table of a run: its policies side by side. Rows: docs/audit.md.
#pragma once

#include <string>
#include <vector>

#include "cli/run/run_result.h"

namespace pmusim::cli {

// Instructions, interrupts, cycles, overheads; for each guest counter in use its event, the visible and the
// true count, the difference by cause and what no cause explains; VM-exits by reason and by MSR; the host's
// cycles by cause. color: headings stand out.
std::string run_table(const std::vector<PolicyResult>& results, bool color);

// Guest instructions, cycles and VM-exits in one line, for a run that did not end by itself.
std::string totals_line(const session::Observation& seen);

}  // namespace pmusim::cli
