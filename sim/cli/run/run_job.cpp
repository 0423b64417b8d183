// SPDX-License-Identifier: Apache-2.0
// What the target is given, and where its events go.
#include "cli/run/run_job.h"

#include <fmt/format.h>

#include <memory>

#include "session/catalog.h"
#include "session/cpuid_choice.h"
#include "trace/sinks.h"

namespace pmusim::cli {

using namespace session;

namespace {

TargetRun run_of(const RunConfig& c, const PreparedRun& p, const RunJob& job) {
  const std::size_t index = job.policy;
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
  if (job.baseline && c.baseline != kNoPmu) {
    const std::string arguments = c.baseline.substr(std::string(kArgs).size());
    if (!arguments.empty()) run.command_line += " " + arguments;
  } else {
    for (const std::string& argument : c.arguments) run.command_line += " " + argument;
  }
  run.hide_pmu = job.baseline && c.baseline == kNoPmu;
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

}  // namespace

RunEnding run_job(Target& target, const RunConfig& c, const PreparedRun& p, const RunJob& job,
                  std::function<void(char)> on_character, std::function<void(u64, u64)> on_progress) {
  TargetRun run = run_of(c, p, job);
  RunEnding ending;
  ending.unmet = target.unmet(run);
  if (!ending.unmet.empty()) return ending;
  run.on_progress = std::move(on_progress);
  if (job.baseline) {
    ending.seen = target.run(run);
    return ending;
  }
  trace::Tee sinks;
  std::unique_ptr<trace::TextLog> log;
  std::unique_ptr<trace::Recorder> recorder;
  if (const std::vector<std::string> groups = split_list("--log", c.log); !groups.empty()) {
    log = std::make_unique<trace::TextLog>(stderr, groups);
    sinks.add(*log);
  }
  if (!c.record.empty()) {
    recorder = std::make_unique<trace::Recorder>(
        record_path(c, p, job.policy),
        std::vector<std::pair<std::string, std::string>>{{"model", p.model.id},
                                                         {"policy", p.policies[job.policy]},
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
  ending.seen = target.run(run);
  if (recorder) recorder->close();
  return ending;
}

}  // namespace pmusim::cli
