// SPDX-License-Identifier: Apache-2.0
// Runs the named cases: once without a defect for all defects that show at the same points, then per defect.
#include "conformance/defects/bug_check.h"

#include <algorithm>
#include <set>

#include "base/cancel.h"
#include "conformance/defects/bug.h"
#include "conformance/judge/runner.h"
#include "conformance/language/case.h"

namespace pmusim::conformance {
namespace {

using Where = std::vector<std::vector<std::string>>;
using Key = std::pair<std::string, std::string>;  // case, point

Where where_of(const Bug& bug) {
  return {bug.models, bug.policies, bug.kernels};
}
Key key_of(const CaseResult& result) {
  return {result.id, result.model + " / " + result.policy + " / " + result.kernel};
}
bool failed(const CaseResult& result) {
  return result.verdict == Verdict::Fail || result.verdict == Verdict::Error;
}

std::vector<CaseResult> run(RunPlan plan, const Where& where, std::vector<std::string> cases,
                            const std::string& inject) {
  plan.models = where[0];
  plan.policies = where[1];
  plan.kernels = where[2];
  plan.selection.patterns = std::move(cases);
  plan.strategies = inject.empty() ? nullptr : load_bug(inject).strategies;
  return run_conformance(plan, [](std::size_t, std::size_t) {});
}

void judge(BugVerdict& verdict, const std::vector<CaseResult>& results, const std::set<Key>& passing) {
  for (const CaseResult& result : results) {
    if (!failed(result) || !passing.count(key_of(result))) continue;
    verdict.caught[result.id].push_back(key_of(result).second);
    verdict.area_caught = verdict.area_caught || result.area == verdict.bug.area;
  }
  for (const std::string& id : verdict.bug.cases)
    if (!verdict.caught.count(id)) verdict.silent.push_back(id);
}

}  // namespace

bool BugReport::ok() const {
  return unclean.empty() && areas_without_bug.empty() &&
         std::all_of(verdicts.begin(), verdicts.end(), [](const BugVerdict& v) { return v.ok(); });
}

BugReport check_bugs(const std::vector<std::string>& ids, const RunPlan& plan, const BugProgress& progress) {
  BugReport report;
  std::map<Where, std::set<std::string>> clean;
  std::set<std::string> areas;
  for (const std::string& id : ids.empty() ? bug_ids() : ids) {
    BugVerdict verdict;
    verdict.bug = load_bug(id);
    clean[where_of(verdict.bug)].insert(verdict.bug.cases.begin(), verdict.bug.cases.end());
    areas.insert(verdict.bug.area);
    report.verdicts.push_back(std::move(verdict));
  }
  if (ids.empty())
    for (const std::string& area : case_areas())
      if (!areas.count(area)) report.areas_without_bug.push_back(area);

  const std::size_t total = clean.size() + report.verdicts.size();
  std::size_t done = 0;
  std::map<Where, std::set<Key>> passing;
  for (const auto& [where, cases] : clean) {
    for (CaseResult& result : run(plan, where, {cases.begin(), cases.end()}, "")) {
      if (result.verdict == Verdict::Pass) passing[where].insert(key_of(result));
      if (failed(result)) report.unclean.push_back(std::move(result));
    }
    progress(++done, total);
  }
  std::size_t judged = 0;
  for (BugVerdict& verdict : report.verdicts) {
    const Where where = where_of(verdict.bug);
    const std::vector<CaseResult> results = run(plan, where, verdict.bug.cases, verdict.bug.id);
    if (interrupt_signal()) break;
    judge(verdict, results, passing[where]);
    ++judged;
    progress(++done, total);
  }
  report.verdicts.resize(judged);
  return report;
}

}  // namespace pmusim::conformance
