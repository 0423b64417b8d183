// SPDX-License-Identifier: Apache-2.0
// pmusim list WHAT [GLOB]: what other verbs accept as names, and where policies depart from the architecture.
// With --json one array of objects, each with an "id"; of cpuid the form of --cpuid FILE.
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "base/data.h"
#include "base/error.h"
#include "cli/list/list.h"
#include "cli/list/list_divergences.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "session/catalog.h"
#include "session/cpuid_choice.h"

namespace pmusim::cli {
namespace {

const std::vector<std::string> kSubjects = {"models", "policies", "events", "features", "cases",      "bugs",
                                            "costs",  "kernels",  "guests", "cpuid",    "divergences"};

struct ListOptions {
  std::string what, pattern, policy, kernel = hv::release_name(hv::kDefaultRelease);
  std::string cpuid = session::kDefaultCpuid;
  std::vector<std::string> models;
  bool json = false;
};

// What is given without a meaning for the subject is refused.
void check(const ListOptions& o, const VerbOptions& verb) {
  if (std::find(kSubjects.begin(), kSubjects.end(), o.what) == kSubjects.end())
    throw InputError("list", "", "'" + o.what + "'", expected_one_of(o.what, kSubjects));
  const auto only_with = [&](const char* option, const std::vector<std::string>& subjects) {
    if (!verb.given(option) || std::find(subjects.begin(), subjects.end(), o.what) != subjects.end()) return;
    std::string with;
    for (const std::string& subject : subjects) with += (with.empty() ? "'" : ", '") + subject + "'";
    throw InputError(option, "", "'" + o.what + "'", "it with " + with);
  };
  only_with("--model", {"events", "policies", "costs", "cpuid", "divergences"});
  for (const char* option : {"--cpuid", "--policy", "--kernel"}) only_with(option, {"cpuid", "divergences"});
  if (o.what == "cpuid" && !o.pattern.empty())
    throw InputError("list", "", "'" + o.pattern + "' with cpuid", "it with names");
}

std::vector<std::string> models_of(const ListOptions& o) {
  const bool none = o.models.empty();
  if (none && o.what == "costs") return {};
  return session::models_from(split_list("--model", none ? std::vector<std::string>{"all"} : o.models),
                              "--model");
}

Table table_of(const ListOptions& o) {
  if (o.what == "models") return list_models();
  if (o.what == "policies") return list_policies(models_of(o));
  if (o.what == "events") return list_events(models_of(o));
  if (o.what == "features") return list_features();
  if (o.what == "cases") return list_cases();
  if (o.what == "bugs") return list_bugs();
  if (o.what == "costs") return list_costs(models_of(o));
  if (o.what == "kernels") return list_kernels();
  return list_guests();
}

int cpuid(const ListOptions& o) {
  const std::vector<std::string> models = models_of(o);
  if (o.models.empty() || models.size() != 1)
    throw InputError("--model", "", o.models.empty() ? "no model" : fmt::format("{} models", models.size()),
                     "one model");
  session::check_cpuid_choice(o.cpuid);
  check_one_of("--kernel", o.kernel, hv::release_names());
  const std::vector<std::string> policy =
      session::policies_from({o.policy.empty() ? "emulated" : o.policy}, "--policy");
  if (policy.size() != 1) throw InputError("--policy", "", "several policies", "one policy");
  fmt::print("{}", list_cpuid({models[0], o.cpuid, policy[0], o.kernel}, o.json));
  return 0;
}

// GLOB is one of cases.
int divergences(const ListOptions& o) {
  conformance::RunPlan plan;
  plan.models = models_of(o);
  plan.policies = session::policies_from(
      split_list("--policy", o.policy.empty() ? std::vector<std::string>(std::begin(session::kPresets),
                                                                         std::end(session::kPresets))
                                              : std::vector<std::string>{o.policy}),
      "--policy");
  session::check_cpuid_choice(o.cpuid);
  plan.cpuids = {o.cpuid};
  plan.kernels = split_list("--kernel", {o.kernel});
  for (const std::string& kernel : plan.kernels) check_one_of("--kernel", kernel, hv::release_names());
  if (!o.pattern.empty()) plan.selection.patterns = {o.pattern};
  return list_divergences(std::move(plan), o.json);
}

int list(const ListOptions& o) {
  if (o.what == "cpuid") return cpuid(o);
  if (o.what == "divergences") return divergences(o);
  Table table = table_of(o);
  const bool installed = !table.rows.empty();
  const auto other = [&](const std::vector<Cell>& row) {
    return !o.pattern.empty() && ::fnmatch(o.pattern.c_str(), row[0].text().c_str(), 0) != 0;
  };
  std::vector<std::string> ids;
  for (const auto& row : table.rows) ids.push_back(row[0].text());
  table.rows.erase(std::remove_if(table.rows.begin(), table.rows.end(), other), table.rows.end());
  if (installed && table.rows.empty())
    throw InputError("list " + o.what, "", "nothing like '" + o.pattern + "'",
                     expected_one_of(o.pattern, ids, "pmusim list " + o.what));
  if (o.json) {
    fmt::print("{}", as_json(table));
    return 0;
  }
  if (!installed) fmt::print(stderr, "no {} are installed\n", o.what);
  fmt::print("{}", as_text(table, output_width()));
  if (o.what == "events" && o.pattern.empty()) fmt::print("{}", events_summary(table));
  if (o.what == "guests" && installed) fmt::print("images: {}/NAME.elf\n", guests_folder());
  return 0;
}

}  // namespace

void add_list(const VerbOptions& command, Action& action) {
  const VerbOptions verb =
      command.verb("list", "List models, policies, events, cases, costs and other names");
  auto o = std::make_shared<ListOptions>();
  verb.word("WHAT", o->what,
            "models, policies, events, features (of --cpuid), cases, bugs, costs, kernels, guests, cpuid, or "
            "divergences: where policies depart from the architecture, as documented (runs the cases that "
            "say so)")
      .required();
  verb.text("GLOB", o->pattern, "a pattern of names", "only names like this: 'overflow*'");
  verb.list("--model", o->models,
            "events, costs and divergences of these models, policies that they refuse, cpuid of one; "
            "default: all, of "
            "costs none");
  verb.word("--cpuid", o->cpuid,
            "of cpuid and divergences: what a run's --cpuid takes; default: KVM's for a VM");
  verb.text("--policy", o->policy, "a policy",
            "of cpuid: of a VM under it, or bare-metal (default: emulated); divergences of these (default: "
            "the presets)");
  verb.word("--kernel", o->kernel, "of cpuid and divergences: kernel release of the host");
  verb.flag("--json", o->json, "print one JSON array of objects, of cpuid a file for --cpuid");
  verb.parsed([=, &action] {
    check(*o, verb);
    action = [o] { return list(*o); };
  });
}

}  // namespace pmusim::cli
