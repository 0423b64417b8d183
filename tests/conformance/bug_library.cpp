// SPDX-License-Identifier: Apache-2.0
// The bug library: its files, and what its check takes for caught. That every defect is caught is a test of
// its own ("conformance: every injected defect is caught").
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "conformance/defects/bug_check.h"
#include "conformance/defects/bug_patches.h"
#include "conformance/language/case.h"

using namespace pmusim;
using namespace pmusim::conformance;

TEST_CASE("every area of the suite has a defect, and every defect names its sources and cases") {
  std::set<std::string> areas;
  for (const std::string& id : bug_ids()) {
    const Bug bug = load_bug(id);
    CHECK_MESSAGE(!bug.sources.empty(), id);
    CHECK_MESSAGE(!bug.cases.empty(), id);
    CHECK_MESSAGE(static_cast<bool>(bug.strategies), id);
    areas.insert(bug.area);
  }
  for (const std::string& area : case_areas()) CHECK_MESSAGE(areas.count(area), area);
}

TEST_CASE("every patch has a file") {
  const std::vector<std::string> ids = bug_ids();
  for (const auto& [id, patch] : bug_patches())
    CHECK_MESSAGE(std::find(ids.begin(), ids.end(), id) != ids.end(), id);
}

TEST_CASE("an unknown defect is refused") {
  CHECK_THROWS_AS(load_bug("no-such-defect"), InputError);
  CHECK_THROWS_AS(check_bugs({"no-such-defect"}, RunPlan{}, [](std::size_t, std::size_t) {}), InputError);
}

TEST_CASE("a defect counts as caught only if a case of its area notices it") {
  BugReport report;
  report.verdicts.resize(1);
  BugVerdict& verdict = report.verdicts[0];
  CHECK_FALSE(report.ok());  // nobody notices
  verdict.caught["some-case"] = {"somewhere"};
  CHECK_FALSE(report.ok());  // only a case of another area
  verdict.area_caught = true;
  CHECK(report.ok());
  report.areas_without_bug = {"RDPMC"};
  CHECK_FALSE(report.ok());
  report.areas_without_bug.clear();
  report.unclean.resize(1);
  CHECK_FALSE(report.ok());  // a case that fails without the defect proves nothing
}

TEST_CASE("the check of one defect finds the case that catches it, and does not ask for the other areas") {
  const BugReport report = check_bugs({"rdpmc-type-as-flag"}, RunPlan{}, [](std::size_t, std::size_t) {});
  CHECK(report.ok());
  REQUIRE(report.verdicts.size() == 1);
  CHECK(report.verdicts[0].caught.count("rdpmc-unknown-types") == 1);
  CHECK(report.areas_without_bug.empty());
}
