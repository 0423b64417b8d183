// SPDX-License-Identifier: Apache-2.0
// pmusim conform [GLOB]: runs the conformance suite. Ends with "N passed, N failed, N skipped": on standard
// output after a text report, on standard error where standard output holds a report for programs.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "conformance/report_formats.h"
#include "conformance/runner.h"
#include "conformance/target_cpuid.h"
#include "conformance/worker.h"

namespace pmusim::cli {
namespace {

using namespace conformance;

struct ConformOptions {
  Common common;
  std::string pattern, target = "sim", bug, format = "text", out;
  std::vector<std::string> models, policies, cpuids, kernels;
  unsigned jobs = default_workers();
  u64 max_cycles = 0, max_seconds = 0;  // 0: the default
  bool explain = false, step = false;
};

RunPlan plan_of(const ConformOptions& o) {
  check_common(o.common);
  check_one_of("--format", o.format, {"text", "json", "junit", "ktap"});
  check_one_of("--target", o.target, {"sim", "kvm"});
  RunPlan plan;
  plan.pattern = o.pattern;
  plan.target = o.target;
  plan.bug = o.bug;
  plan.overrides = split_overrides(o.common.set);
  plan.jobs = o.jobs;
  plan.step = o.step;
  if (o.max_cycles) plan.max_cycles = o.max_cycles;
  if (o.max_seconds) plan.max_seconds = o.max_seconds;
  if (!o.cpuids.empty()) plan.cpuids = split_list("--cpuid", o.cpuids);
  for (const std::string& cpuid : plan.cpuids) check_cpuid_choice(cpuid);
  if (!o.kernels.empty()) plan.kernels = split_list("--kernel", o.kernels);
  for (const std::string& kernel : plan.kernels) check_one_of("--kernel", kernel, kernel_names());
  if (o.target == "kvm") {
    // This machine's kernel is what it is: what would change a simulated one must not seem to have been
    // heard.
    const auto refuse = [](const char* option, bool given) {
      if (given) throw InputError(option, "", "--target kvm beside it", "the simulator, which it changes");
    };
    refuse("--bug", !o.bug.empty());
    refuse("--step", o.step);
    refuse("--set", !o.common.set.empty());
    refuse("--kernel", !o.kernels.empty());
    models_from(split_list("--model", o.models), "--model");
    policies_from(split_list("--policy", o.policies), "--policy");
    return plan;
  }
  if (o.models.empty()) throw InputError("--model", "", "no model", "a list of models, or 'all'");
  if (o.policies.empty()) throw InputError("--policy", "", "no policy", "a list of policies, or 'all'");
  plan.models = models_from(split_list("--model", o.models), "--model");
  plan.policies = policies_from(split_list("--policy", o.policies), "--policy");
  return plan;
}

std::string config_of(const ConformOptions& o, const RunPlan& plan) {
  const nlohmann::ordered_json config = {{"program", std::string("pmusim ") + PMUSIM_VERSION},
                                         {"verb", "conform"},
                                         {"cases", plan.pattern},
                                         {"target", plan.target},
                                         {"models", plan.models},
                                         {"policies", plan.policies},
                                         {"cpuids", plan.cpuids},
                                         {"kernels", plan.kernels},
                                         {"bug", plan.bug},
                                         {"set", o.common.set},
                                         {"seed", o.common.seed},
                                         {"step", plan.step},
                                         {"max_cycles", plan.max_cycles},
                                         {"max_seconds", o.max_seconds}};
  return config.dump(2) + "\n";
}

int conform(const ConformOptions& o) {
  const RunPlan plan = plan_of(o);
  if (!o.out.empty()) make_folder(o.out);
  std::vector<CaseResult> results;
  {
    Progress progress(o.common, "case runs");
    results = run_conformance(plan, [&](std::size_t done, std::size_t total) { progress(done, total); });
  }
  const Totals totals = totals_of(results);
  const TextStyle style{use_color(o.common), o.explain};
  if (!o.out.empty()) {
    write_file(o.out + "/config.json", config_of(o, plan));
    write_file(o.out + "/results.json", report_json(results, plan.target));
    write_file(o.out + "/junit.xml", report_junit(results));
    write_file(o.out + "/results.ktap", report_ktap(results));
    write_file(o.out + "/report.txt", report_text(results, {false, o.explain}) + totals.line() + "\n");
  }
  std::string report;
  if (o.format == "json")
    report = report_json(results, plan.target);
  else if (o.format == "junit")
    report = report_junit(results);
  else if (o.format == "ktap")
    report = report_ktap(results);
  else
    report = report_text(results, style);
  fmt::print("{}", report);
  fmt::print(o.format == "text" ? stdout : stderr, "{}\n", totals.line());
  return totals.failed ? 1 : 0;
}

}  // namespace

void add_conform(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("conform", "Run the conformance suite");
  auto o = std::make_shared<ConformOptions>();
  verb->add_option("GLOB", o->pattern, "ids of cases ('overflow*'), or a file or folder of cases");
  verb->add_option("--model", o->models, "models, or 'all'")->allow_extra_args(false);
  verb->add_option("--policy", o->policies, "policies, 'bare-metal', or 'all'")->allow_extra_args(false);
  verb->add_option("--target", o->target, "sim, or kvm: this machine's /dev/kvm")->capture_default_str();
  verb->add_option("--cpuid", o->cpuids,
                   "CPUIDs of the guest: kvm, host, a file, or default: host on bare metal, kvm in a VM")
      ->allow_extra_args(false)
      ->default_str("default");
  verb->add_option("--kernel", o->kernels, "kernel releases of the host")
      ->allow_extra_args(false)
      ->default_str("7.2");
  verb->add_option("--bug", o->bug, "inject a defect of the bug library");
  verb->add_option("--jobs", o->jobs, "worker processes")
      ->check(CLI::Range(1u, 1024u))
      ->capture_default_str();
  verb->add_option("--format", o->format, "text, json, junit or ktap")->capture_default_str();
  verb->add_option("--out", o->out, "folder for config.json and all reports");
  verb->add_option("--max-cycles", o->max_cycles, "end a case after so many cycles")
      ->check(CLI::PositiveNumber);
  verb->add_option("--max-seconds", o->max_seconds, "end a case after so much wall time")
      ->check(CLI::PositiveNumber);
  verb->add_flag("--explain", o->explain, "show the guest's code beside each failure");
  verb->add_flag("--step", o->step, "one instruction at a time");
  add_common(*verb, o->common);
  verb->callback([o, &action] { action = [o] { return conform(*o); }; });
}

}  // namespace pmusim::cli
