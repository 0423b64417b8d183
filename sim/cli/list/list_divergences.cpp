// SPDX-License-Identifier: Apache-2.0
// The list is a run of a part of the suite.
#include "cli/list/list_divergences.h"

#include <fmt/format.h>

#include "base/cancel.h"
#include "cli/options.h"
#include "conformance/judge/report_formats.h"
#include "jobs/pool.h"

namespace pmusim::cli {

using namespace conformance;

int list_divergences(RunPlan plan, bool as_json) {
  plan.selection.diverging = true;
  plan.interval = false;
  plan.jobs = jobs::default_workers();
  handle_interrupts();
  const std::vector<CaseResult> results = run_conformance(plan, [](std::size_t, std::size_t) {});
  if (interrupt_signal()) return interrupted_status();
  fmt::print("{}", as_json ? divergences_json(results) : divergences_text(results));
  const Totals totals = totals_of(results);
  if (!totals.diverged && !as_json) fmt::print(stderr, "no documented divergence was met\n");
  if (totals.failed)
    fmt::print(stderr, "pmusim: {} case runs failed there; 'pmusim conform' says why\n", totals.failed);
  return totals.failed ? 1 : 0;
}

}  // namespace pmusim::cli
