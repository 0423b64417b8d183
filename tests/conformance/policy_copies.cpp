// SPDX-License-Identifier: Apache-2.0
// A policy of a user's has an oracle: what the cases say of policies hangs on properties, not on names.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "base/data.h"
#include "conformance/judge/runner.h"
#include "conformance/language/case.h"
#include "hypervisor/vpmu/policy_file.h"
#include "tests/support/paths.h"
#include "tests/support/sanitized.h"

using namespace pmusim;
using namespace pmusim::conformance;

const std::vector<std::string> kModels =
    pmusim::test::kSanitized ? std::vector<std::string>{"spr"} : std::vector<std::string>{"spr", "zen4"};

TEST_CASE("no shipped case asks for a policy's name") {
  for (const Case& c : load_cases(data_path("conformance/cases"))) {
    std::vector<PolicyMatch> asked = c.host_policies;
    for (const Divergence& d : c.divergences) asked.push_back(d.policies);
    for (const PolicyMatch& m : asked)
      CHECK_MESSAGE((m.name.empty() || m.name == "*"), c.id << ": " << m.name);
  }
}

TEST_CASE("a freeze mode fails only by what it loses and counts on purpose") {
  RunPlan plan;
  plan.models = kModels;
  plan.policies = {"freeze-vcpu"};
  plan.interval = false;
  plan.jobs = 2;
  const auto failing = [&] {
    return totals_of(run_conformance(plan, [](std::size_t, std::size_t) {})).failed;
  };
  plan.overrides.policy = {"emulated_instructions=count", "on_exit=stop-all"};
  CHECK(failing() == 0);
  plan.selection.patterns = {"cpuid-counts-once"};
  plan.overrides.policy = {"emulated_instructions=count"};
  CHECK(failing() == kModels.size());
  plan.overrides.policy = {"on_exit=stop-all"};
  CHECK(failing() == kModels.size());
}

TEST_CASE(
    "a copy of a shipped policy under another name has the original's verdicts wherever cases diverge") {
  const std::string folder = pmusim::test::fresh_folder("policy_copies");
  RunPlan plan;
  plan.models = kModels;
  plan.interval = false;
  plan.jobs = 2;
  const std::vector<std::string> ids =
      pmusim::test::kSanitized ? std::vector<std::string>{"mediated", "dedicated"} : hv::policy_ids();
  for (const std::string& id : ids) {
    const std::string copy = folder + "/copy-of-" + id + ".json";
    std::filesystem::copy_file(data_path("policies/" + id + ".json"), copy);
    plan.policies.insert(plan.policies.end(), {id, copy});
  }
  plan.selection.diverging = true;
  std::vector<CaseResult> results = run_conformance(plan, [](std::size_t, std::size_t) {});
  const std::size_t cases = select_cases(plan.selection, "conform").size(),
                    columns = plan.models.size() * plan.policies.size();
  REQUIRE(results.size() == cases * columns);
  std::size_t diverging = 0;
  for (std::size_t column = 0; column < columns; column += 2)
    for (std::size_t i = 0; i < cases; ++i) {
      const CaseResult& original = results[column * cases + i];
      CaseResult& copy = results[(column + 1) * cases + i];
      copy.wall_us = original.wall_us;
      REQUIRE(copy.policy == folder + "/copy-of-" + original.policy + ".json");
      diverging += original.divergences.size();
      copy.policy = original.policy;
      CHECK(to_line(copy) == to_line(original));
    }
  CHECK(diverging > 0);
}
