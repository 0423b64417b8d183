// SPDX-License-Identifier: Apache-2.0
// Does the suite notice the defects of the bug library? Each is injected where its file says that it shows,
// and the cases that its file names are run there with and without it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "conformance/defects/bug.h"
#include "conformance/judge/runner.h"
#include "conformance/judge/verdict.h"

namespace pmusim::conformance {

struct BugVerdict {
  Bug bug;
  // Case id -> points at which it passes without the defect and fails with it.
  std::map<std::string, std::vector<std::string>> caught;
  std::vector<std::string> silent;  // named cases that notice nothing
  bool area_caught = false;         // one of the catching cases is of the defect's area

  bool ok() const { return !caught.empty() && area_caught; }
};

struct BugReport {
  std::vector<BugVerdict> verdicts;            // in the order asked for
  std::vector<CaseResult> unclean;             // runs that fail without any defect
  std::vector<std::string> areas_without_bug;  // of the suite; of a check of the whole library only

  bool ok() const;
};

// ids: empty for the whole library. plan: what all runs share (overrides, seed, jobs); where a defect shows
// and which cases are run is added. progress: what is running, and how much of it is done.
// When the user interrupts (base/cancel.h), only the verdicts that were finished are returned.
using BugProgress = std::function<void(std::size_t done, std::size_t total)>;
BugReport check_bugs(const std::vector<std::string>& ids, const RunPlan& plan, const BugProgress& progress);

}  // namespace pmusim::conformance
