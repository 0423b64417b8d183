// SPDX-License-Identifier: Apache-2.0
// pmusim conform [GLOB]: runs the conformance suite. Ends with "N passed, N failed, N skipped": on standard
// output after a text report, on standard error where standard output holds a report for programs.
#include <fmt/format.h>

#include <filesystem>

#include "base/cancel.h"
#include "cli/config_folder.h"
#include "cli/conform_config.h"
#include "cli/verbs.h"
#include "conformance/judge/report_formats.h"
#include "conformance/judge/runner.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "session/cpuid_choice.h"

namespace pmusim::cli {
namespace {

using namespace conformance;

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
  const std::string cut = interrupt_signal() ? fmt::format("interrupted: {} of {} case runs were finished\n",
                                                           results.size(), size)
                                             : "";
  const std::string last_lines = cut + totals.line() + "\n";
  const TextStyle style{use_color(o.common), o.explain};
  if (!o.out.empty()) {
    write_file(o.out + "/config.json", to_json(o, plan));
    write_file(o.out + "/results.json", report_json(results, plan.target));
    write_file(o.out + "/junit.xml", report_junit(results));
    write_file(o.out + "/results.ktap", report_ktap(results));
    write_file(o.out + "/report.txt", report_text(results, {false, o.explain}) + last_lines);
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
  fmt::print(o.format == "text" ? stdout : stderr, "{}", last_lines);
  return interrupt_signal() ? interrupted_status() : totals.failed ? 1 : 0;
}

}  // namespace

void add_conform(const VerbOptions& command, Action& action) {
  const VerbOptions verb = command.verb("conform", "Run the conformance suite");
  auto o = std::make_shared<ConformOptions>();
  verb.config([o](const std::string& path) { read_config(path, *o); });
  verb.text("GLOB", o->pattern, "ids of cases, or a file or folder of cases",
            "ids of cases ('overflow*'), or a file or folder of cases");
  verb.list("--model", o->models, "models, or 'all'");
  verb.list("--policy", o->policies, "policies, 'bare-metal', or 'all'");
  verb.word("--target", o->target, "sim, or kvm: this machine's /dev/kvm");
  verb.list("--cpuid", o->cpuids,
            "CPUIDs of the guest: kvm, host, a file, or default: host on bare metal, kvm in a VM; "
            "each with ,-FEATURE for what it lacks (see 'pmusim list features') and "
            "gp=N,fixed=N,version=N,width=N for fewer counters")
      .shown_default(session::kDefaultCpuid);
  verb.list("--kernel", o->kernels, "kernel releases of the host")
      .shown_default(hv::release_name(hv::kDefaultRelease));
  verb.text("--bug", o->bug, "the id of a defect", "inject a defect of the bug library");
  verb.number("--jobs", o->jobs, 1, 1024, "worker processes").shown_default(std::to_string(o->jobs));
  verb.word("--format", o->format, "text, json, junit or ktap");
  verb.text("--out", o->out, "a path", "folder for config.json and all reports");
  verb.number("--max-cycles", o->max_cycles, 1, kMostCycles, "end a case after so many cycles");
  verb.number("--max-seconds", o->max_seconds, 1, kMostSeconds, "end a case after so much wall time");
  verb.flag("--explain", o->explain, "show the guest's code beside each failure");
  verb.text("--timing", o->timing, "a timing",
            "interval: pipeline, caches, TLBs, predictor; or functional: the width alone")
      .shown_default("interval");
  verb.flag("--step", o->step, "one instruction at a time");
  add_common(verb, o->common, "model.KEY=V, policy.KEY=V or host.COST=CYCLES");
  verb.parsed([verb, o, &action] {
    const ConfigFolder folder(verb, o->folder);
    if (std::filesystem::exists(o->pattern)) folder.path("GLOB", o->pattern);
    folder.names("--model", o->models);
    folder.names("--policy", o->policies);
    folder.names("--cpuid", o->cpuids);
    folder.output(o->out);
    folder.enter();
    action = [o] { return conform(*o); };
  });
}

}  // namespace pmusim::cli
