// SPDX-License-Identifier: Apache-2.0
// pmusim run IMAGE: boots an image on bare metal or in a VM under one or several policies. The guest's serial
// line goes to standard output. With several policies each runs in a process of its own, and a table compares
// them. Exit status: 0 if the guest wrote 0 (good) or 38 (everything skipped) to the debug exit port under
// every policy, 1 if it wrote anything else or did not end by itself, 2 if no policy can run on the model,
// 128 + signal if the user ended it.
#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstdio>

#include "base/cancel.h"
#include "base/json.h"
#include "cli/config_folder.h"
#include "cli/run_config.h"
#include "cli/run_report.h"
#include "cli/scenario.h"
#include "cli/verbs.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "jobs/pool.h"
#include "model/cpu_model.h"
#include "session/catalog.h"
#include "session/cpuid_choice.h"
#include "session/target.h"
#include "trace/sinks.h"

namespace pmusim::cli {
namespace {

using namespace session;
using namespace jobs;

constexpr const char* kFooter =
    "IMAGE may be followed by '--' and the guest's arguments: its command line is IMAGE and they.\n"
    "The guest's serial line is standard output. Exit status: 0 if the guest wrote 0 (good) or 38 (all\n"
    "skipped) to the debug exit port 0xf4 under every policy; 1 if it wrote anything else, or did not end\n"
    "by itself; 2 wrong use, or output that cannot be written; 3 an internal error; 130 interrupted\n"
    "(Ctrl-C), 143 ended by SIGTERM.\n"
    "Messages and stats.json show what QEMU's status would be: (2 * value + 1) & 255.";
constexpr u32 kGood = 2 * 0 + 1, kSkipped = 2 * 38 + 1;  // as the exit port reports values

// Everything checked and loaded, before anything is simulated.
struct Prepared {
  platform::Image image;
  std::vector<platform::BootModule> modules;
  CpuModel model;
  std::vector<std::string> policies;
  std::vector<std::optional<hv::Policy>> loaded;  // beside policies; nothing: bare metal
  hv::KernelRelease release;
  u64 memory;
  Scenario scenario;
};

u64 parse_address(const std::string& option, const std::string& text) {
  u64 value = 0;
  const bool hex = text.rfind("0x", 0) == 0;
  const char* begin = text.data() + (hex ? 2 : 0);
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(begin, end, value, hex ? 16 : 10);
  if (error != std::errc() || last != end)
    throw InputError(option, "", "'" + text + "'", "an address such as 0x100000");
  return value;
}

platform::Image image_of(const RunConfig& c) {
  check_one_of("--entry-mode", c.entry_mode, {"protected", "real"});
  const bool real = c.entry_mode == "real";
  if (c.load_address.empty()) {
    if (real)
      throw InputError("--entry-mode", "", "'real' without --load-address", "a flat binary's address");
    return platform::load_image(c.image);
  }
  return platform::load_flat(c.image, parse_address("--load-address", c.load_address),
                             real ? platform::BootProtocol::RealMode : platform::BootProtocol::Flat);
}

std::vector<platform::BootModule> modules_of(const RunConfig& c) {
  std::vector<platform::BootModule> modules;
  for (const std::string& path : c.modules) {
    if (path.empty()) throw InputError("--module", "", "an empty text", "the path of a file");
    const std::vector<u8> bytes = platform::read_image_file(path);
    modules.push_back({path, std::string(bytes.begin(), bytes.end())});
  }
  return modules;
}

// Leaves the names in c's lists one by one.
Prepared prepare(RunConfig& c) {
  check_common(c.common);
  check_one_of("--timing", c.timing, {"functional", "interval"});
  check_one_of("--kernel", c.kernel, hv::release_names());
  check_cpuid_choice(c.cpuid);
  for (const std::string& group : split_list("--log", c.log))
    check_one_of("--log", group, trace::log_groups());
  for (const std::string& group : split_list("--record-events", c.record_events))
    check_one_of("--record-events", group, trace::log_groups());
  if (c.models.empty()) throw InputError("--model", "", "no model", "one model");
  if (c.policies.empty())
    throw InputError("--policy", "", "no policy", "a list of policies, or 'bare-metal'");
  c.models = models_from(split_list("--model", c.models), "--model");
  if (c.models.size() != 1)
    throw InputError("--model", "", fmt::format("{} models", c.models.size()), "one model");
  if (c.record.empty() && !c.record_events.empty())
    throw InputError("--record-events", "", "no --record", "it beside --record FILE");
  const Overrides overrides = split_overrides(c.common.set);
  Prepared p;
  p.policies = c.policies = policies_from(split_list("--policy", c.policies), "--policy");
  const bool bare = p.policies == std::vector<std::string>{kBareMetal};
  if (bare && !overrides.policy.empty())
    throw InputError("--set", "", "'policy." + overrides.policy[0] + "' with bare metal alone",
                     "a policy that it changes");
  p.model = model_by_id(c.models[0], overrides, c.timing == "interval");
  for (const std::string& id : p.policies) p.loaded.push_back(policy_by_id(id, overrides));
  p.release = hv::release_by_name(c.kernel);
  p.memory = parse_size("--memory", c.memory);
  if (p.memory == 0 || p.memory % 4096 || p.memory > u64{1} << 40)
    throw InputError("--memory", "", "'" + c.memory + "'", "a multiple of 4096 bytes, from 4096 to 1024G");
  p.scenario = load_scenario(c.scenario, overrides.scenario);
  if (bare && p.scenario.script)
    throw InputError(c.scenario.empty() ? "--set" : c.scenario, "/host",
                     "steps of a host with bare metal alone", "a policy, which has a host");
  if (c.cpus > 1 && p.scenario.sync_window > p.model.ipi_latency)
    throw InputError(c.scenario.empty() ? "--set" : c.scenario, "sync_window",
                     fmt::format("{}", p.scenario.sync_window),
                     fmt::format("1 to the model's IPI latency, {}, with several CPUs", p.model.ipi_latency));
  if (c.image.empty()) throw InputError("run", "", "no image", "the path of a bootable image");
  p.image = image_of(c);
  p.modules = modules_of(c);
  return p;
}

TargetRun run_of(const RunConfig& c, const Prepared& p, std::size_t index) {
  TargetRun run;
  run.point = {p.model.id, vendor_name(p.model.vendor), p.policies[index],
               resolved_cpuid(c.cpuid, !p.loaded[index]), c.kernel};
  run.model = &p.model;
  run.policy = p.loaded[index] ? &*p.loaded[index] : nullptr;
  run.release = p.release;
  run.image = &p.image;
  run.modules = p.modules;
  run.command_line = c.image;  // then the arguments: what QEMU makes of -kernel and -append
  for (const std::string& argument : c.arguments) run.command_line += " " + argument;
  run.cpus = static_cast<unsigned>(c.cpus);
  run.memory = p.memory;
  run.step = c.step;
  run.seed = c.common.seed;
  run.audit = true;
  run.max_cycles = c.max_cycles ? c.max_cycles : kNever;
  run.max_seconds = c.max_seconds ? c.max_seconds : kNever;
  run.sync_window = p.scenario.sync_window;
  run.script = p.scenario.script.get();
  return run;
}

// "run.jsonl" -> "run.mediated.jsonl" where several policies are recorded.
std::string record_path(const RunConfig& c, const Prepared& p, std::size_t index) {
  if (p.policies.size() == 1) return c.record;
  std::string path = c.record;
  const std::size_t dot = path.rfind('.');
  path.insert(dot == std::string::npos || path.find('/', dot) != std::string::npos ? path.size() : dot,
              "." + p.policies[index]);
  return path;
}

PolicyResult run_policy(Target& target, const RunConfig& c, const Prepared& p, std::size_t index,
                        std::function<void(char)> on_character) {
  PolicyResult result;
  result.policy = p.policies[index];
  TargetRun run = run_of(c, p, index);
  result.unmet = target.unmet(run);
  if (!result.unmet.empty()) return result;
  trace::Tee sinks;
  std::unique_ptr<trace::TextLog> log;
  std::unique_ptr<trace::Recorder> recorder;
  if (const std::vector<std::string> groups = split_list("--log", c.log); !groups.empty()) {
    log = std::make_unique<trace::TextLog>(stderr, groups);
    sinks.add(*log);
  }
  if (!c.record.empty()) {
    recorder = std::make_unique<trace::Recorder>(
        record_path(c, p, index),
        std::vector<std::pair<std::string, std::string>>{{"model", p.model.id},
                                                         {"policy", result.policy},
                                                         {"cpuid", run.point.cpuid},
                                                         {"kernel", c.kernel},
                                                         {"tsc_khz", fmt::format("{}", p.model.tsc_khz)},
                                                         {"image", c.image},
                                                         {"provenance", "simulated"}},
        split_list("--record-events", c.record_events));
    sinks.add(*recorder);
  }
  if (!sinks.empty()) run.sink = &sinks;
  run.on_character = std::move(on_character);
  result.seen = target.run(run);
  if (recorder) recorder->close();
  return result;
}

// The first character of a worker's line says what follows: why it did not run, or what was seen.
constexpr char kUnmet = '-', kSeen = '+';

std::vector<PolicyResult> run_all(const RunConfig& c, const Prepared& p) {
  if (p.policies.size() == 1) {
    const std::unique_ptr<Target> target = make_simulator(static_cast<unsigned>(c.cpus));
    return {run_policy(*target, c, p, 0, [](char ch) {
      if (std::fputc(ch, stdout) == EOF) throw output_lost(errno);
    })};
  }
  PoolSettings settings;
  settings.workers = default_workers();
  settings.hung_after_seconds = ~0u >> 1;  // the user decides with --max-seconds
  // Of a worker, and in it the only one: a process can elaborate once.
  std::unique_ptr<Target> target;
  const auto work = [&](std::size_t index) {
    if (!target) target = make_simulator(static_cast<unsigned>(c.cpus));
    const PolicyResult r = run_policy(*target, c, p, index, {});
    return r.unmet.empty() ? kSeen + to_line(r.seen) : kUnmet + r.unmet;
  };
  const auto died = [](std::size_t, const std::string& reason) {
    Observation seen;
    seen.stopped = reason;
    return kSeen + to_line(seen);
  };
  std::vector<PolicyResult> results;
  Progress progress(c.common, "policies");
  std::size_t done = 0;
  const std::vector<std::string> lines =
      run_jobs(p.policies.size(), settings, work, died,
               [&](std::size_t, const std::string&) { progress(++done, p.policies.size()); });
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) {  // the user ended it all
      results.push_back({p.policies[i], "interrupted", {}});
      continue;
    }
    const std::string text = lines[i].substr(1);
    if (lines[i][0] == kUnmet)
      results.push_back({p.policies[i], text, {}});
    else
      results.push_back({p.policies[i], "", observation_from_line(text)});
  }
  return results;
}

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
  const Prepared p = prepare(c);
  if (!c.out.empty()) make_folder(c.out);
  handle_interrupts();
  const std::vector<PolicyResult> results = run_all(c, p);
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
            "with ,-FEATURE for what it lacks: kvm,-x2apic (see 'pmusim list features')");
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
  add_common(verb, c->common, "model.KEY=V, policy.KEY=V or scenario.KEY=V");
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
