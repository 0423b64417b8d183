// SPDX-License-Identifier: Apache-2.0
// Which cases a run of the suite is about: by globs of ids, files, folders and areas; and which of its case
// runs, by an earlier run's failures.
#pragma once

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "conformance/judge/verdict.h"
#include "conformance/language/case.h"

namespace pmusim::conformance {

struct Selection {
  std::vector<std::string>
      patterns;  // globs of ids ("overflow*"), files or folders of cases; none: all shipped
  std::vector<std::string> exclude;  // globs of ids
  std::vector<std::string> areas;    // globs of areas, whatever the case of letters; none: all
  bool diverging = false;            // only those with a documented divergence
};

// In the order of their ids. Throws InputError for what selects or excludes nothing, with the names that
// exist. verb: of the command line, for messages.
std::vector<Case> select_cases(const Selection& selection, const std::string& verb);

// Case, model, policy, cpuid, kernel.
using RunKey = std::tuple<std::string, std::string, std::string, std::string, std::string>;
RunKey run_key_of(const CaseResult& result);

// The case runs that failed or ended in an error, from results.json or the folder that holds it. Throws
// InputError for a file that is no such report, and for one in which nothing failed.
std::set<RunKey> failures_of(const std::string& path);

}  // namespace pmusim::conformance
