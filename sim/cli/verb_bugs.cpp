// SPDX-License-Identifier: Apache-2.0
// pmusim bugs check [ID...]: injects each defect of the bug library where it shows; the cases that its file
// names must catch it there, and must be clean without it. Exit status 1 if one is not caught.
#include <fmt/format.h>

#include <algorithm>

#include "base/cancel.h"
#include "base/error.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "conformance/defects/bug_check.h"
#include "jobs/pool.h"

namespace pmusim::cli {
namespace {

using namespace conformance;
using namespace jobs;

struct BugsOptions {
  Common common;
  std::vector<std::string> ids;
  u64 jobs = default_workers();
};

// One row for each catching case.
void print_row(const BugVerdict& v, std::size_t bug_width, std::size_t case_width, bool color) {
  const std::string not_caught = color ? "\033[31mNOT CAUGHT\033[0m" : "NOT CAUGHT";
  std::string bug = v.bug.id;
  for (const auto& [id, points] : v.caught) {
    fmt::print("{:<{}}  {:<{}}  {}\n", bug, bug_width, id, case_width, fmt::join(points, ", "));
    bug.clear();
  }
  if (v.caught.empty())
    fmt::print("{:<{}}  {} by {}\n", bug, bug_width, not_caught, fmt::join(v.silent, ", "));
  else if (!v.area_caught)
    fmt::print("{:<{}}  {} by a case of its area, {}\n", "", bug_width, not_caught, v.bug.area);
  else if (!v.silent.empty())
    fmt::print("{:<{}}  unnoticed by {}\n", "", bug_width, fmt::join(v.silent, ", "));
}

int check(const BugsOptions& o) {
  check_common(o.common);
  for (auto id = o.ids.begin(); id != o.ids.end(); ++id)
    if (std::find(o.ids.begin(), id, *id) != id)
      throw InputError("bugs check", "", "'" + *id + "' twice", "each name once");
  handle_interrupts();
  RunPlan plan;
  plan.overrides = suite_overrides(o.common);
  plan.seed = o.common.seed;
  plan.jobs = static_cast<unsigned>(o.jobs);
  Progress progress(o.common, "bug library");
  const BugReport report =
      check_bugs(o.ids, plan, [&](std::size_t done, std::size_t total) { progress(done, total); });
  std::size_t bug_width = 6, case_width = 9;
  for (const BugVerdict& v : report.verdicts) {
    bug_width = std::max(bug_width, v.bug.id.size());
    for (const auto& [id, points] : v.caught) case_width = std::max(case_width, id.size());
  }
  fmt::print("{:<{}}  {:<{}}  at\n", "defect", bug_width, "caught by", case_width);
  for (const BugVerdict& v : report.verdicts) print_row(v, bug_width, case_width, use_color(o.common));
  for (const CaseResult& r : report.unclean)
    fmt::print("fails without any defect: {} at {}\n", r.id, r.point());
  for (const std::string& area : report.areas_without_bug) fmt::print("no defect in the area {}\n", area);
  const auto caught = std::count_if(report.verdicts.begin(), report.verdicts.end(),
                                    [](const BugVerdict& v) { return v.ok(); });
  fmt::print("{} of {} defects caught\n", caught, report.verdicts.size());
  if (interrupt_signal()) {
    fmt::print(stderr, "pmusim: interrupted; only these defects were tried\n");
    return interrupted_status();
  }
  return report.ok() ? 0 : 1;
}

}  // namespace

void add_bugs(const VerbOptions& command, Action& action) {
  const VerbOptions bugs = command.verb("bugs", "The bug library");
  bugs.needs_verb();
  const VerbOptions verb = bugs.verb("check", "every injected defect must be caught");
  auto o = std::make_shared<BugsOptions>();
  verb.arguments("ID", o->ids, "defects; none: all");
  verb.number("-j,--jobs", o->jobs, 1, 1024, "worker processes").shown_default(std::to_string(o->jobs));
  add_common(verb, o->common, "model.KEY=V, policy.KEY=V or host.COST=CYCLES");
  verb.parsed([o, &action] { action = [o] { return check(*o); }; });
}

}  // namespace pmusim::cli
