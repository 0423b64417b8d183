// SPDX-License-Identifier: Apache-2.0
// Checks of the options of `pmusim conform`, and its config.json.
#include "cli/conform/conform_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/config_folder.h"
#include "cli/version.h"
#include "conformance/defects/bug.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "session/cpuid_choice.h"

namespace pmusim::cli {

using namespace conformance;
using namespace session;

namespace {

// Of the failures to run again: what is not said otherwise is theirs.
void take_axes(ConformOptions& o, const std::set<RunKey>& failures) {
  const bool models = o.models.empty(), policies = o.policies.empty(), cpuids = o.cpuids.empty(),
             kernels = o.kernels.empty();
  const auto add = [](bool wanted, std::vector<std::string>& list, const std::string& name) {
    if (wanted && std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
  };
  for (const auto& [id, model, policy, cpuid, kernel] : failures) {
    add(models, o.models, model);
    add(policies, o.policies, policy);
    add(cpuids, o.cpuids, cpuid);
    add(kernels && kernel != "-", o.kernels, kernel);  // bare metal has none
  }
}

}  // namespace

RunPlan plan_of(ConformOptions o) {
  check_common(o.common);
  check_one_of("--format", o.format, {"text", "json", "junit", "ktap"});
  check_one_of("--target", o.target, {"sim", "kvm"});
  if (!o.timing.empty()) check_one_of("--timing", o.timing, {"functional", "interval"});
  RunPlan plan;
  plan.selection = {o.patterns, split_list("--exclude", o.exclude), o.areas, false};
  plan.only = o.last_failed.empty() ? o.only : failures_of(o.last_failed);
  if (!o.last_failed.empty() && o.target == "sim") take_axes(o, plan.only);
  plan.keep_values = o.show_values;
  plan.stop_at_failure = o.fail_fast;
  plan.target = o.target;
  plan.overrides = suite_overrides(o.common);
  plan.seed = o.common.seed;
  plan.jobs = static_cast<unsigned>(o.jobs);
  plan.step = o.step;
  plan.interval = o.timing != "functional";
  if (o.max_cycles) plan.max_cycles = o.max_cycles;
  if (o.max_seconds) plan.max_seconds = o.max_seconds;
  if (!o.cpuids.empty()) plan.cpuids = split_list("--cpuid", o.cpuids);
  for (const std::string& cpuid : plan.cpuids) check_cpuid_choice(cpuid);
  if (!o.kernels.empty()) plan.kernels = split_list("--kernel", o.kernels);
  for (const std::string& kernel : plan.kernels) check_one_of("--kernel", kernel, hv::release_names());
  if (o.target == "kvm") {
    // This machine's kernel is what it is: what would change a simulated one must not seem to have been
    // heard.
    const auto refuse = [](const char* option, bool given) {
      if (given) throw InputError(option, "", "--target kvm beside it", "the simulator, which it changes");
    };
    refuse("--bug", !o.bug.empty());
    refuse("--step", o.step);
    refuse("--set", !o.common.set.empty());
    refuse("--seed", o.common.seeded);
    refuse("--timing", !o.timing.empty());
    refuse("--max-cycles", o.max_cycles != 0);
    // What it is expected to be like; the runner refuses what it cannot be.
    plan.models = models_from(split_list("--model", o.models), "--model");
    plan.policies = policies_from(split_list("--policy", o.policies), "--policy");
    if (o.kernels.empty()) plan.kernels.clear();
    return plan;
  }
  if (!o.bug.empty()) plan.strategies = load_bug(o.bug, "--bug").strategies;
  if (o.models.empty()) throw InputError("--model", "", "no model", "a list of models, or 'all'");
  if (o.policies.empty()) throw InputError("--policy", "", "no policy", "a list of policies, or 'all'");
  plan.models = models_from(split_list("--model", o.models), "--model");
  plan.policies = policies_from(split_list("--policy", o.policies), "--policy");
  return plan;
}

std::string to_json(const ConformOptions& o, const RunPlan& plan) {
  const nlohmann::ordered_json config = {{"program", program_name()},
                                         {"verb", "conform"},
                                         {"folder", folder_from(o.out)},
                                         {"cases", o.patterns},
                                         {"exclude", o.exclude},
                                         {"areas", o.areas},
                                         {"only", plan.only},
                                         {"target", plan.target},
                                         {"models", plan.models},
                                         {"policies", plan.policies},
                                         {"cpuids", plan.cpuids},
                                         {"kernels", plan.kernels},
                                         {"bug", o.bug},
                                         {"set", o.common.set},
                                         {"seed", o.common.seed},
                                         {"timing", o.target == "kvm" ? ""
                                                    : plan.interval   ? "interval"
                                                                      : "functional"},
                                         {"step", plan.step},
                                         {"max_cycles", o.max_cycles},
                                         {"max_seconds", o.max_seconds}};
  return config.dump(2) + "\n";
}

void read_config(const std::string& path, ConformOptions& o) {
  const JsonDocument document = load_json(path);
  const JsonView root = document.root();
  check_verb(root, "conform");
  root.only_keys({"program", "verb", "folder", "cases", "exclude", "areas", "only", "target", "models",
                  "policies", "cpuids", "kernels", "bug", "set", "seed", "timing", "step", "max_cycles",
                  "max_seconds"});
  o.folder = folder_of(root, path);
  o.patterns = root.at("cases").as_strings();
  o.exclude = root.at("exclude").as_strings();
  o.areas = root.at("areas").as_strings();
  for (const JsonView& run : root.at("only").items()) {
    const std::vector<std::string> key = run.as_strings();
    if (key.size() != std::tuple_size_v<RunKey>)
      run.fail(std::to_string(key.size()) + " names", "case, model, policy, cpuid and kernel");
    o.only.insert({key[0], key[1], key[2], key[3], key[4]});
  }
  o.target = root.at("target").one_of({"sim", "kvm"});
  o.models = root.at("models").as_strings();
  o.policies = root.at("policies").as_strings();
  o.cpuids = root.at("cpuids").as_strings();
  o.kernels = root.at("kernels").as_strings();
  o.bug = root.at("bug").as_string();
  o.common.set = root.at("set").as_strings();
  o.common.seed = root.at("seed").as_u64();
  o.timing = root.at("timing").as_string();
  o.step = root.at("step").as_bool();
  o.max_cycles = root.at("max_cycles").as_u64(kMostCycles);
  o.max_seconds = root.at("max_seconds").as_u64(kMostSeconds);
}

}  // namespace pmusim::cli
