// SPDX-License-Identifier: Apache-2.0
// From a prepared run to results: what the target is given, where events go, and the lines of workers.
#include "cli/run_policies.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>

#include "jobs/pool.h"
#include "session/catalog.h"
#include "session/cpuid_choice.h"
#include "session/target.h"
#include "trace/sinks.h"

namespace pmusim::cli {
namespace {

using namespace session;
using namespace jobs;

TargetRun run_of(const RunConfig& c, const PreparedRun& p, std::size_t index) {
  TargetRun run;
  run.point = {p.model.id, vendor_name(p.model.vendor), p.policies[index],
               resolved_cpuid(c.cpuid, !p.loaded[index]), c.kernel};
  run.model = &p.model;
  run.policy = p.loaded[index] ? &*p.loaded[index] : nullptr;
  run.release = p.release;
  run.host_costs = p.host_costs;
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
std::string record_path(const RunConfig& c, const PreparedRun& p, std::size_t index) {
  if (p.policies.size() == 1) return c.record;
  std::string path = c.record;
  const std::size_t dot = path.rfind('.');
  path.insert(dot == std::string::npos || path.find('/', dot) != std::string::npos ? path.size() : dot,
              "." + p.policies[index]);
  return path;
}

PolicyResult run_policy(Target& target, const RunConfig& c, const PreparedRun& p, std::size_t index,
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

}  // namespace

std::vector<PolicyResult> run_policies(const RunConfig& c, const PreparedRun& p) {
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

}  // namespace pmusim::cli
