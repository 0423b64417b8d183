// SPDX-License-Identifier: Apache-2.0
// pmusim conform [GLOB...]: runs the conformance suite. Ends with "N passed, N failed, N skipped": on
// standard output after a text report, on standard error where standard output holds a report for programs.
// Exit status: 1 if anything failed, 77 if everything was skipped.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/cancel.h"
#include "cli/config_folder.h"
#include "cli/conform/conform_config.h"
#include "cli/verbs.h"
#include "cli/version.h"
#include "conformance/judge/report_formats.h"
#include "conformance/judge/runner.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "session/cpuid_choice.h"
#include "session/target.h"

namespace pmusim::cli {
namespace {

using namespace conformance;

constexpr const char* kFooter =
    "Exit status: 0 nothing failed; 1 something did; 77 every case run was skipped, so that nothing was\n"
    "tested (--allow-skips: 0); 2 wrong use, or output that cannot be written; 3 an internal error; 130\n"
    "interrupted (Ctrl-C), 143 ended by SIGTERM.";

// The case runs that took longest. Wall time differs from run to run, so no report holds it.
std::string slowest(std::vector<CaseResult> results, std::size_t number) {
  std::stable_sort(results.begin(), results.end(),
                   [](const CaseResult& a, const CaseResult& b) { return a.wall_us > b.wall_us; });
  if (results.size() > number) results.resize(number);
  std::string text;
  for (const CaseResult& r : results)
    text += fmt::format("{:>4}.{:03} s  {} on {}\n", r.wall_us / 1000000, r.wall_us / 1000 % 1000, r.id,
                        r.point());
  return text;
}

// What a real kernel is judged as; "" in the simulator.
std::string judged_as(const RunPlan& plan) {
  if (plan.target != "kvm") return "";
  std::string text =
      "policy " + (plan.policies.empty() ? session::policy_of_this_kernel() : plan.policies[0]);
  text += ", kernel " + (plan.kernels.empty() ? "of any release" : plan.kernels[0]);
  return text + (plan.models.empty() ? "" : ", model " + plan.models[0]);
}

std::string report_of(const ConformOptions& o, const RunPlan& plan, const std::vector<CaseResult>& results) {
  const ReportHead head{program_name() + " (" + program_commit() + ")",
                        plan.target,
                        plan.target == "kvm" ? ""
                        : plan.interval      ? "interval"
                                             : "functional",
                        plan.seed,
                        o.bug,
                        judged_as(plan)};
  if (o.format == "json") return report_json(results, head);
  if (o.format == "junit") return report_junit(results);
  if (o.format == "ktap") return report_ktap(results);
  return report_text(results, {use_color(o.common), o.explain, !o.no_sources});
}

void write_reports(const ConformOptions& options, const RunPlan& plan, const std::vector<CaseResult>& results,
                   const std::string& last_lines) {
  ConformOptions o = options;
  o.common.color = "never";
  const std::pair<const char*, const char*> files[] = {
      {"json", "results.json"}, {"junit", "junit.xml"}, {"ktap", "results.ktap"}, {"text", "report.txt"}};
  write_file(o.out + "/config.json", to_json(o, plan));
  for (const auto& [format, file] : files) {
    o.format = format;
    write_file(o.out + "/" + file,
               report_of(o, plan, results) + (o.format == "text" ? last_lines : std::string()));
  }
}

// What stands above the last line: what was not done, and what the number of passed ones hides.
std::string remarks(const ConformOptions& o, const RunPlan& plan, const std::vector<CaseResult>& results,
                    const Totals& totals, std::size_t size) {
  std::string text;
  if (!o.bug.empty()) text += "with the injected defect " + o.bug + "\n";
  if (const std::string as = judged_as(plan); !as.empty()) text += "the kernel is judged as " + as + "\n";
  if (results.size() < size)
    text += fmt::format("{}: {} of {} case runs were finished\n",
                        interrupt_signal() ? "interrupted" : "stopped at a failure", results.size(), size);
  if (totals.diverged)
    text +=
        fmt::format("{} of the passed ones depart from the architecture as documented\n", totals.diverged);
  if (totals.nothing_tested()) text += "nothing was tested: every case run was skipped\n";
  return text;
}

int conform(const ConformOptions& o) {
  const RunPlan plan = plan_of(o);
  handle_interrupts();
  if (!o.out.empty()) make_folder(o.out);
  std::vector<CaseResult> results;
  std::size_t size = 0;
  {
    Progress progress(o.common, "case runs");
    results =
        run_conformance(plan, [&](std::size_t done, std::size_t total) { progress(done, size = total); });
  }
  const Totals totals = totals_of(results);
  const std::string last_lines = remarks(o, plan, results, totals, size) + totals.line() + "\n";
  if (!o.out.empty()) write_reports(o, plan, results, last_lines);
  fmt::print("{}", report_of(o, plan, results));
  if (o.durations) fmt::print(stderr, "{}", slowest(results, o.durations));
  fmt::print(o.format == "text" ? stdout : stderr, "{}", last_lines);
  if (interrupt_signal()) return interrupted_status();
  return totals.failed ? 1 : totals.nothing_tested() && !o.allow_skips ? kNothingTested : 0;
}

}  // namespace

void add_conform(const VerbOptions& command, Action& action) {
  const VerbOptions verb = command.verb("conform", "Run the conformance suite");
  auto o = std::make_shared<ConformOptions>();
  verb.config([o](const std::string& path) { read_config(path, *o); });
  verb.arguments("GLOB", o->patterns, "ids of cases ('overflow*'), files or folders of cases; none: all");
  verb.group("Where");
  verb.list("--model", o->models, "models, or 'all'");
  verb.list("--policy", o->policies, "policies, 'bare-metal', or 'all'");
  verb.list("--cpuid", o->cpuids,
            "CPUIDs of the guest: kvm, host, a file, or default: host on bare metal, kvm in a VM; "
            "each with ,-FEATURE for what it lacks (see 'pmusim list features') and "
            "gp=N,fixed=N,version=N,width=N for fewer counters")
      .shown_default(session::kDefaultCpuid);
  verb.list("--kernel", o->kernels, "kernel releases of the host")
      .shown_default(hv::release_name(hv::kDefaultRelease));
  verb.word("--target", o->target,
            "sim, or kvm: this machine's /dev/kvm; --model, --policy and --kernel beside it say what that "
            "kernel is "
            "expected to be like");
  verb.text("--bug", o->bug, "the id of a defect", "inject a defect of the bug library");
  verb.text("--timing", o->timing, "a timing",
            "interval: pipeline, caches, TLBs, predictor; or functional: the width alone")
      .shown_default("interval");
  verb.flag("--step", o->step, "one instruction at a time");
  verb.group("Which cases");
  verb.list("--area", o->areas, "only cases of an area of the matrix (a glob: 'event*'); may be repeated");
  verb.list("--exclude", o->exclude, "not the cases whose ids these globs match");
  verb.text("--last-failed", o->last_failed, "a path",
            "only what failed in these results: results.json or the --out folder that holds it");
  verb.flag("-x,--fail-fast", o->fail_fast, "begin nothing more once a case run has failed");
  verb.number("--max-cycles", o->max_cycles, 1, kMostCycles, "end a case after so many cycles");
  verb.number("--max-seconds", o->max_seconds, 1, kMostSeconds, "end a case after so much wall time");
  verb.number("-j,--jobs", o->jobs, 1, 1024, "worker processes").shown_default(std::to_string(o->jobs));
  verb.group("Reports");
  verb.word("--format", o->format, "text, json, junit or ktap");
  verb.text("-o,--out", o->out, "a path", "folder for config.json and all reports");
  verb.flag("--explain", o->explain, "show the guest's code beside each failure");
  verb.flag("--no-sources", o->no_sources,
            "failures and divergences without the sources of what was expected");
  verb.flag("--show-values", o->show_values, "show what each case saved ('as'), in text and JSON");
  verb.number("--durations", o->durations, 1, 1000000, "name the N slowest case runs, on standard error");
  verb.flag("--allow-skips", o->allow_skips, "status 0 although every case run was skipped");
  verb.group("Options");
  add_common(verb, o->common, "model.KEY=V, policy.KEY=V or host.COST=CYCLES");
  verb.footer(kFooter);
  verb.parsed([verb, o, &action] {
    const ConfigFolder folder(verb, o->folder);
    for (std::string& pattern : o->patterns) {
      if (pattern.empty()) throw InputError("GLOB", "", "an empty text", "ids of cases, a file or a folder");
      if (std::filesystem::exists(pattern)) folder.path("GLOB", pattern);
    }
    folder.path("--last-failed", o->last_failed);
    folder.names("--model", o->models);
    folder.names("--policy", o->policies);
    folder.names("--cpuid", o->cpuids);
    folder.output(o->out);
    folder.enter();
    action = [o] { return conform(*o); };
  });
}

}  // namespace pmusim::cli
