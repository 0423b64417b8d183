// SPDX-License-Identifier: Apache-2.0
// pmusim bugs check [ID...]: injects each defect of the bug library where it shows; the suite must catch it,
// and must be clean there without it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>

#include "cli/options.h"
#include "cli/verbs.h"
#include "conformance/bug.h"
#include "conformance/runner.h"
#include "conformance/worker.h"

namespace pmusim::cli {
namespace {

using namespace conformance;

struct BugsOptions {
  Common common;
  std::vector<std::string> ids;
  unsigned jobs = default_workers();
};

std::vector<CaseResult> run(const Bug& bug, const std::string& inject, const BugsOptions& o,
                            const char* what) {
  RunPlan plan;
  plan.models = bug.models;
  plan.policies = bug.policies;
  plan.kernels = bug.kernels;
  plan.bug = inject;
  plan.jobs = o.jobs;
  Progress progress(o.common, what);
  return run_conformance(plan, [&](std::size_t done, std::size_t total) { progress(done, total); });
}

// Cases that fail, by id.
std::vector<std::string> failing(const std::vector<CaseResult>& results) {
  std::vector<std::string> ids;
  for (const CaseResult& r : results)
    if ((r.verdict == Verdict::Fail || r.verdict == Verdict::Error) && (ids.empty() || ids.back() != r.id))
      ids.push_back(r.id);
  return ids;
}

int check(const BugsOptions& o) {
  check_common(o.common);
  std::vector<Bug> bugs;
  for (const std::string& id : o.ids.empty() ? bug_ids() : o.ids) bugs.push_back(load_bug(id));
  std::map<std::vector<std::string>, std::vector<std::string>> clean;  // failures without defect, by where
  u64 caught = 0;
  for (const Bug& bug : bugs) {
    std::vector<std::string> where = bug.models;
    where.insert(where.end(), bug.policies.begin(), bug.policies.end());
    where.insert(where.end(), bug.kernels.begin(), bug.kernels.end());
    if (!clean.count(where)) clean[where] = failing(run(bug, "", o, "case runs without defect"));
    std::vector<std::string> by;
    for (const std::string& id : failing(run(bug, bug.id, o, "case runs")))
      if (std::find(clean[where].begin(), clean[where].end(), id) == clean[where].end()) by.push_back(id);
    if (by.empty()) {
      fmt::print("MISSED  {}  {}\n", bug.id, bug.title);
    } else {
      ++caught;
      fmt::print("caught  {}  by {}{}\n", bug.id, by[0],
                 by.size() > 1 ? fmt::format(" and {} more", by.size() - 1) : "");
    }
  }
  u64 unclean = 0;
  for (const auto& [where, ids] : clean) unclean += ids.size();
  if (unclean) fmt::print("{} cases fail without any defect\n", unclean);
  fmt::print("{} of {} defects caught\n", caught, bugs.size());
  return caught == bugs.size() && !unclean ? 0 : 1;
}

}  // namespace

void add_bugs(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("bugs", "The bug library");
  verb->require_subcommand(1);
  CLI::App* sub = verb->add_subcommand("check", "every injected defect must be caught");
  auto o = std::make_shared<BugsOptions>();
  sub->add_option("ID", o->ids, "defects; none: all");
  sub->add_option("--jobs", o->jobs, "worker processes")->check(CLI::Range(1u, 1024u))->capture_default_str();
  add_common(*sub, o->common);
  sub->callback([o, &action] { action = [o] { return check(*o); }; });
}

}  // namespace pmusim::cli
