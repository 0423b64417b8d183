// SPDX-License-Identifier: Apache-2.0
// pmusim run IMAGE: boots an image on bare metal or in a VM under one or several policies. The guest's serial
// line goes to standard output. With several policies each runs in a process of its own, and a table compares
// them. Exit status: 0 if the guest wrote 0 (good) or 38 (everything skipped) to the debug exit port under
// every policy, 1 if it wrote anything else or did not end by itself, 2 if no policy can run on the model,
// 128 + signal if the user ended it.
#include <fmt/format.h>

#include <cstdio>

#include "base/cancel.h"
#include "base/json.h"
#include "cli/config_folder.h"
#include "cli/run_policies.h"
#include "cli/verbs.h"

namespace pmusim::cli {
namespace {

constexpr const char* kFooter =
    "IMAGE may be followed by '--' and the guest's arguments: its command line is IMAGE and they.\n"
    "The guest's serial line is standard output. Exit status: 0 if the guest wrote 0 (good) or 38 (all\n"
    "skipped) to the debug exit port 0xf4 under every policy; 1 if it wrote anything else, or did not end\n"
    "by itself; 2 wrong use, or output that cannot be written; 3 an internal error; 130 interrupted\n"
    "(Ctrl-C), 143 ended by SIGTERM.\n"
    "Messages and stats.json show what QEMU's status would be: (2 * value + 1) & 255.";
constexpr u32 kGood = 2 * 0 + 1, kSkipped = 2 * 38 + 1;  // as the exit port reports values

// The guest's text once if it is the same everywhere.
void print_serial(const std::vector<PolicyResult>& results) {
  bool same = true;
  const PolicyResult* first = nullptr;
  for (const PolicyResult& r : results) {
    if (!r.unmet.empty()) continue;
    if (!first) first = &r;
    same = same && r.seen.serial == first->seen.serial;
  }
  for (const PolicyResult& r : results) {
    if (!r.unmet.empty() || (same && &r != first)) continue;
    if (!same) fmt::print("--- {}\n", r.policy);
    fmt::print("{}", r.seen.serial);
  }
}

int status_of(const std::vector<PolicyResult>& results) {
  bool ran = false;
  int status = 0;
  for (const PolicyResult& r : results) {
    if (!r.unmet.empty()) continue;
    ran = true;
    if (!r.seen.exited) {
      fmt::print(stderr, "pmusim: {}: {}\n{}{}\n", r.policy, r.seen.stopped, r.seen.report,
                 totals_line(r.seen));
      status = 1;
    } else if (r.seen.exit_status != kGood && r.seen.exit_status != kSkipped) {
      fmt::print(stderr, "pmusim: {}: the guest ended with status {}\n", r.policy, r.seen.exit_status);
      status = 1;
    }
    for (const std::string& gap : r.seen.gaps) fmt::print(stderr, "pmusim: {}: {}\n", r.policy, gap);
  }
  if (interrupt_signal()) return interrupted_status();
  if (!ran)
    throw InputError(
        "--policy", "",
        fmt::format("'{}', which cannot run here: {}", results.at(0).policy, results.at(0).unmet),
        "a policy that can run on this model");
  return status;
}

int run(RunConfig& c) {
  const PreparedRun p = prepare(c);
  if (!c.out.empty()) make_folder(c.out);
  handle_interrupts();
  const std::vector<PolicyResult> results = run_policies(c, p);
  if (results.size() > 1) {
    print_serial(results);
    fmt::print("{}", comparison_table(results, use_color(c.common)));
  }
  if (!c.out.empty()) {
    write_file(c.out + "/config.json", to_json(c));
    write_file(c.out + "/stats.json", stats_json(p.model.id, results));
  }
  flush_output();
  return status_of(results);
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
  verb.one_of_list("--model", c->models, "CPU model (one; required)");
  verb.list("--policy", c->policies,
            "policies, 'bare-metal', or 'all': bare metal and the three presets (required)");
  verb.word("--timing", c->timing,
            "interval: pipeline, caches, TLBs, predictor; or functional: the width alone");
  verb.number("--cpus", c->cpus, 1, 64, "processors").shown_default("1");
  verb.word("--memory", c->memory, "RAM of the machine or VM");
  verb.word("--cpuid", c->cpuid,
            "CPUID of the guest: kvm, host, a file, or default: host on bare metal, kvm in a VM; "
            "with ,-FEATURE for what it lacks: kvm,-x2apic (see 'pmusim list features'), and "
            "gp=N,fixed=N,version=N,width=N for fewer counters: kvm,gp=4");
  verb.word("--kernel", c->kernel, "kernel release of the host");
  verb.text("--scenario", c->scenario, "a path", "what the host does (JSON)");
  verb.flag("--step", c->step, "one instruction at a time");
  verb.list("--log", c->log, "events to print on standard error: msr, exit, pmi, sched, hostmsr");
  verb.text("--record", c->record, "a path",
            "write events to FILE.jsonl; of several policies, to FILE.POLICY.jsonl each");
  verb.list("--record-events", c->record_events, "only these, by the groups of --log; default: every event");
  verb.number("--max-cycles", c->max_cycles, 1, kMostCycles, "end after so many cycles");
  verb.number("--max-seconds", c->max_seconds, 1, kMostSeconds, "end after so much wall time");
  verb.text("--out", c->out, "a path", "folder for config.json and stats.json");
  add_common(verb, c->common, "model.KEY=V, policy.KEY=V, scenario.KEY=V or host.COST=CYCLES");
  verb.footer(kFooter);
  verb.parsed([verb, c, &action, &guest_arguments] {
    if (guest_arguments) c->arguments = *guest_arguments;
    const ConfigFolder folder(verb, c->folder);
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
