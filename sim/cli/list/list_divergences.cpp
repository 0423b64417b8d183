// SPDX-License-Identifier: Apache-2.0
// The list is a run of a part of the suite.
#include "cli/list/list_divergences.h"

#include <fmt/format.h>

#include <set>

#include "base/cancel.h"
#include "cli/options.h"
#include "conformance/judge/report_formats.h"
#include "jobs/pool.h"

namespace pmusim::cli {

using namespace conformance;

int list_divergences(RunPlan plan, bool as_json) {
  plan.verb = "list divergences";
  plan.selection.diverging = true;
  plan.interval = false;
  plan.jobs = jobs::default_workers();
  handle_interrupts();
  const std::vector<CaseResult> results = run_conformance(plan, [](std::size_t, std::size_t) {});
  if (interrupt_signal()) return interrupted_status();
  fmt::print("{}", as_json ? divergences_json(results) : divergences_text(results));
  std::set<std::string> told;  // what was not looked at, and why
  for (const CaseResult& r : results) {
    const std::string text = r.verdict == Verdict::Skip   ? "not looked at: " + r.reason
                             : r.verdict == Verdict::Pass ? ""
                                                          : r.id + " fails there; 'pmusim conform' says why";
    const std::string line = fmt::format("pmusim: {}: {}\n", r.point(), text);
    if (!text.empty() && told.insert(line).second) fmt::print(stderr, "{}", line);
  }
  const Totals totals = totals_of(results);
  if (totals.failed) return 1;
  if (totals.nothing_tested()) return kNothingTested;
  if (!totals.diverged) fmt::print(stderr, "pmusim: no documented divergence was met\n");
  return 0;
}

}  // namespace pmusim::cli
