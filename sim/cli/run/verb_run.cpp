// SPDX-License-Identifier: Apache-2.0
// pmusim run IMAGE: boots an image on bare metal or in a VM under one or several policies. Results go to
// standard output: the guest's serial line and the table, or for programs JSON or CSV. With several policies
// each runs in a process of its own. Exit status: 0 if the guest wrote 0 (good) or 38 (everything skipped) to
// the debug exit port under every policy, but 77 if it wrote 38 under all, 1 if it wrote anything else, did
// not end by itself or has no baseline where one was asked for, 2 if no policy can run on the model, 128 +
// signal if the user ended it.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/cancel.h"
#include "cli/config_folder.h"
#include "cli/run/run_policies.h"
#include "cli/run/run_stats.h"
#include "cli/run/run_table.h"
#include "cli/run/run_values.h"
#include "cli/verbs.h"
#include "session/catalog.h"

namespace pmusim::cli {
namespace {

constexpr const char* kFooter =
    "IMAGE may be followed by '--' and the guest's arguments: its command line is IMAGE and they.\n"
    "Standard output has the guest's serial line and the table of docs/audit.md; with --format serial the\n"
    "line alone; with json or csv the values of docs/stats-format.md alone, and the line goes to standard\n"
    "error. Exit status: 0 if the guest wrote 0 (good) or 38 (all skipped) to the debug exit port 0xf4\n"
    "under every policy that ran, but 77 if it wrote 38 under all (--allow-skips: 0); 1 if it wrote\n"
    "anything else, did not end by itself, or has no baseline; 2 wrong use, no policy that can run, or "
    "output\n"
    "that cannot be written; 3 an internal error; 130 interrupted (Ctrl-C), 143 ended by SIGTERM.\n"
    "Messages and stats.json show what QEMU's status would be: (2 * value + 1) & 255.";

// The guest's text once if it is the same everywhere.
void print_serial(const std::vector<PolicyResult>& results, std::FILE* to) {
  bool same = true;
  const PolicyResult* first = nullptr;
  for (const PolicyResult& r : results) {
    if (!r.unmet.empty()) continue;
    if (!first) first = &r;
    same = same && r.seen.serial == first->seen.serial;
  }
  for (const PolicyResult& r : results) {
    if (!r.unmet.empty() || (same && &r != first)) continue;
    if (!same) fmt::print(to, "--- {}\n", r.policy);
    fmt::print(to, "{}", r.seen.serial);
  }
}

void print_results(const RunConfig& c, const PreparedRun& p, const std::vector<PolicyResult>& results) {
  if (c.format == "json") fmt::print("{}", stats_json(c, p.image_sha256, results));
  if (c.format == "csv") fmt::print("{}", stats_csv(results));
  if (c.format != "text") return;
  if (std::any_of(results.begin(), results.end(), [](const auto& r) { return !r.seen.serial.empty(); }))
    fmt::print("\n");
  fmt::print("{}", run_table(results, use_color(c.common)));
}

bool any_overhead(const std::vector<PolicyResult>& results) {
  for (const PolicyResult& r : results)
    if (over_bare_metal(r, results) || over_baseline(r)) return true;
  return false;
}

bool asks_for_overhead(const RunConfig& c) {
  return !c.baseline.empty() ||
         std::find(c.policies.begin(), c.policies.end(), session::kBareMetal) != c.policies.end();
}

// What helps to read the results and is none.
void print_notes(const RunConfig& c, const std::vector<PolicyResult>& results) {
  if (c.common.quiet) return;
  for (const PolicyResult& r : results)
    for (const std::string& gap : r.seen.gaps) fmt::print(stderr, "pmusim: {}: {}\n", r.policy, gap);
  if (c.format != "text") return;
  if (!asks_for_overhead(c))
    fmt::print(stderr, "pmusim: note: for the overhead, add bare-metal to --policy, or give --baseline\n");
  else if (c.baseline.empty() && results.size() > 1 && !any_overhead(results))
    fmt::print(
        stderr,
        "pmusim: note: no overhead: the guest did not end as on bare metal, or it skipped everything\n");
  else if (c.timing == "functional" && any_overhead(results))
    fmt::print(
        stderr,
        "pmusim: note: functional timing has no stalls, so overheads in percent are too large: compare "
        "policies by them, and take percentages from --timing interval (docs/audit.md)\n");
}

int status_of(const RunConfig& c, const std::vector<PolicyResult>& results) {
  int status = 0;
  bool nothing_tested = true;
  for (const PolicyResult& r : results) {
    if (!r.unmet.empty()) continue;
    nothing_tested &= r.seen.exited && r.seen.exit_status == kSkippedStatus;
    if (!r.seen.exited) {
      fmt::print(stderr, "pmusim: {}: {}\n{}{}\n", r.policy, r.seen.stopped, r.seen.report,
                 totals_line(r.seen));
      status = 1;
    } else if (r.seen.exit_status != kGoodStatus && r.seen.exit_status != kSkippedStatus) {
      fmt::print(stderr, "pmusim: {}: the guest ended with status {} (it wrote {} to the exit port)\n",
                 r.policy, r.seen.exit_status, exit_value(r.seen.exit_status));
      status = 1;
    }
    if (r.no_baseline.empty()) continue;
    fmt::print(stderr, "pmusim: {}: no baseline: {}\n", r.policy, r.no_baseline);
    status = 1;
  }
  if (interrupt_signal()) return interrupted_status();
  return status == 0 && nothing_tested && !c.allow_skips ? kNothingTested : status;
}

int run(RunConfig& c) {
  const PreparedRun p = prepare(c);
  if (!c.out.empty()) make_folder(c.out);
  handle_interrupts();
  std::FILE* const serial = c.format == "text" || c.format == "serial" ? stdout : stderr;
  const std::vector<PolicyResult> results = run_policies(c, p, serial);
  const bool ran = std::any_of(results.begin(), results.end(), [](const auto& r) { return r.unmet.empty(); });
  if (results.size() > 1) print_serial(results, serial);
  if (ran || results.size() > 1) print_results(c, p, results);
  if (!c.out.empty()) {
    write_file(c.out + "/config.json", to_json(c, p.image_sha256));
    write_file(c.out + "/stats.json", stats_json(c, p.image_sha256, results));
  }
  flush_output();
  print_notes(c, results);
  const int status = status_of(c, results);
  if (ran || interrupt_signal()) return status;
  throw InputError("--policy", "",
                   fmt::format("'{}', which cannot run here: {}", results.at(0).policy, results.at(0).unmet),
                   "a policy that can run on this model");
}

}  // namespace

void add_run(const VerbOptions& command, Action& action,
             const std::optional<std::vector<std::string>>& guest_arguments) {
  const VerbOptions verb = command.verb("run", "Boot an image on bare metal or under policies");
  auto c = std::make_shared<RunConfig>();
  verb.config([c](const std::string& path) { read_config(path, *c); });
  verb.text("IMAGE", c->image, "a path", "image: ELF with a Multiboot header or PVH note, or a flat binary");
  verb.paths("--module", c->modules, "file for the guest (initial RAM disk, environment); may be repeated");
  verb.text("--load-address", c->load_address, "an address",
            "IMAGE is a flat binary, loaded and entered there");
  verb.word("--entry-mode", c->entry_mode, "CPU mode at a flat binary's entry: protected (32 bit) or real");
  verb.group("Where");
  verb.one_of_list("--model", c->models, "CPU model (one; required)");
  verb.list("--policy", c->policies,
            "policies, 'bare-metal', or 'all': bare metal and the three presets (required)");
  verb.word("--timing", c->timing,
            "interval: pipeline, caches, TLBs, predictor; or functional: the width alone");
  verb.number("--cpus", c->cpus, 1, 64, "processors").shown_default("1");
  verb.word("--memory", c->memory, "RAM of the machine or VM");
  verb.text("--baseline", c->baseline, "'no-pmu' or 'args=TEXT'",
            "run each policy once more to compare with: no-pmu, in a VM without a PMU (QEMU's pmu=off); or "
            "args=TEXT, with these arguments of the guest");
  verb.word("--cpuid", c->cpuid,
            "CPUID of the guest: kvm, host, a file, or default: host on bare metal, kvm in a VM; "
            "with ,-FEATURE for what it lacks: kvm,-x2apic (see 'pmusim list features'), and "
            "gp=N,fixed=N,version=N,width=N for fewer counters: kvm,gp=4");
  verb.word("--kernel", c->kernel, "kernel release of the host");
  verb.text("--scenario", c->scenario, "a path", "what the host does (JSON)");
  verb.group("How");
  verb.flag("--step", c->step, "one instruction at a time");
  verb.group("Reports");
  verb.list("--log", c->log, "events to print on standard error: msr, exit, pmi, sched, hostmsr");
  verb.text("--record", c->record, "a path",
            "write events to FILE.jsonl; of several policies, to FILE.POLICY.jsonl each");
  verb.list("--record-events", c->record_events, "only these, by the groups of --log; default: every event");
  verb.number("--max-cycles", c->max_cycles, 1, kMostCycles, "end after so many cycles");
  verb.number("--max-seconds", c->max_seconds, 1, kMostSeconds, "end after so much wall time");
  verb.text("-o,--out", c->out, "a path", "folder for config.json and stats.json");
  verb.flag("--allow-skips", c->allow_skips, "status 0 although the guest skipped everything");
  verb.word("--format", c->format, "of standard output: text, serial, json or csv");
  verb.group("Options");
  add_common(verb, c->common, "model.KEY=V, policy.KEY=V, scenario.KEY=V or host.COST=CYCLES");
  verb.footer(kFooter);
  verb.parsed([verb, c, &action, &guest_arguments] {
    if (guest_arguments) c->arguments = *guest_arguments;
    const ConfigFolder folder(verb, c->folder);
    if (verb.given("IMAGE")) c->image_sha256.clear();
    folder.path("IMAGE", c->image);
    folder.paths("--module", c->modules);
    folder.names("--model", c->models);
    folder.names("--policy", c->policies);
    folder.path("--scenario", c->scenario);
    std::vector<std::string> cpuid{c->cpuid};
    folder.names("--cpuid", cpuid);
    c->cpuid = cpuid[0];
    folder.output(c->out);
    folder.output(c->record);
    folder.enter();
    action = [c] { return run(*c); };
  });
}

}  // namespace pmusim::cli
