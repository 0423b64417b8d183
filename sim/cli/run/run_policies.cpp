// SPDX-License-Identifier: Apache-2.0
// From a prepared run to results: which simulations there are, in which process each runs, and how the lines
// of workers are read. With a baseline each policy runs twice.
#include "cli/run/run_policies.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>

#include "cli/options.h"
#include "cli/run/run_job.h"
#include "cli/run/run_progress.h"
#include "cli/run/run_values.h"
#include "jobs/pool.h"

namespace pmusim::cli {
namespace {

using namespace session;
using namespace jobs;

// Why a baseline is nothing to compare with, or "".
std::string unusable(const RunConfig& c, const Observation& seen, const RunEnding& baseline) {
  if (!baseline.unmet.empty()) return "it cannot run here: " + baseline.unmet;
  const Observation& base = baseline.seen;
  if (!ended_by_itself(base)) return base.stopped;
  if (base.exit_status != seen.exit_status)
    return fmt::format("the guest wrote {} to the exit port instead of {}{}", exit_value(base.exit_status),
                       exit_value(seen.exit_status),
                       base.exit_status == kSkippedStatus ? ": it skipped everything" : "");
  if (c.baseline == kNoPmu && !base.audit.empty())
    return fmt::format("the guest used {} although its CPUID tells of no PMU", base.audit[0].counter);
  return "";
}

PolicyResult result_of(const RunConfig& c, const std::string& policy, const RunEnding& ending,
                       const RunEnding* baseline) {
  PolicyResult result{policy, ending.unmet, ending.seen, {}, ""};
  if (!baseline || !ending.unmet.empty()) return result;
  result.baseline = baseline->seen;
  result.no_baseline = unusable(c, ending.seen, *baseline);
  return result;
}

// The log would be written over it.
bool wants_progress(const RunConfig& c) {
  return !c.common.quiet && c.log.empty();
}

// The guest's text as it comes. The progress line shares the terminal: it appears only between lines.
class Serial {
 public:
  Serial(std::FILE* to, RunProgress& progress) : to_(to), progress_(progress) {}
  void put(char c) {
    progress_.erase();
    if (std::fputc(c, to_) == EOF || (c == '\n' && std::fflush(to_) != 0)) throw output_lost(errno);
    line_begins_ = c == '\n';
  }
  void show_progress() {
    if (line_begins_) progress_.show();
  }

 private:
  std::FILE* to_;
  RunProgress& progress_;
  bool line_begins_ = true;
};

// The first character of a worker's line says what follows: why it did not run, or what was seen.
constexpr char kUnmet = '-', kSeen = '+';

std::string to_line(const RunEnding& ending) {
  return ending.unmet.empty() ? kSeen + to_line(ending.seen) : kUnmet + ending.unmet;
}
RunEnding ending_from(const std::string& line) {
  if (line.empty()) return {"interrupted", {}};  // the user ended it all
  if (line[0] == kUnmet) return {line.substr(1), {}};
  return {"", observation_from_line(line.substr(1))};
}

std::vector<RunEnding> run_here(const RunConfig& c, const PreparedRun& p, const std::vector<RunJob>& jobs,
                                std::FILE* to) {
  const std::unique_ptr<Target> target = make_simulator(static_cast<unsigned>(c.cpus));
  RunProgress progress(wants_progress(c), jobs.size(), p.model.core_khz);
  Serial serial(to, progress);
  std::vector<RunEnding> endings;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    std::function<void(u64, u64)> on_progress;
    if (progress.on())
      on_progress = [&, i](u64 cycles, u64 instructions) {
        progress.tell(i, cycles, instructions);
        serial.show_progress();
      };
    endings.push_back(run_job(
        *target, c, p, jobs[i], [&](char ch) { serial.put(ch); }, on_progress));
    progress.done();
  }
  return endings;
}

std::vector<RunEnding> run_in_workers(const RunConfig& c, const PreparedRun& p,
                                      const std::vector<RunJob>& jobs) {
  PoolSettings settings;
  settings.workers = default_workers();
  settings.hung_after_seconds = ~0u >> 1;  // the user decides with --max-seconds
  RunProgress progress(wants_progress(c), jobs.size(), p.model.core_khz);
  if (progress.on()) settings.on_wait = [&] { progress.show(); };
  // Of a worker, and in it the only one: a process can elaborate once.
  std::unique_ptr<Target> target;
  const auto work = [&](std::size_t index) {
    if (!target) target = make_simulator(static_cast<unsigned>(c.cpus));
    std::function<void(u64, u64)> on_progress;
    if (progress.on())
      on_progress = [&progress, index](u64 cycles, u64 instructions) {
        progress.tell(index, cycles, instructions);
      };
    return to_line(run_job(*target, c, p, jobs[index], {}, on_progress));
  };
  const auto died = [](std::size_t, const std::string& reason) {
    Observation seen;
    seen.stopped = reason;
    return kSeen + to_line(seen);
  };
  std::vector<RunEnding> endings;
  for (const std::string& line :
       run_jobs(jobs.size(), settings, work, died, [&](std::size_t, const std::string&) { progress.done(); }))
    endings.push_back(ending_from(line));
  return endings;
}

}  // namespace

std::vector<PolicyResult> run_policies(const RunConfig& c, const PreparedRun& p, std::FILE* serial) {
  const std::size_t policies = p.policies.size();
  std::vector<RunJob> jobs;
  for (std::size_t i = 0; i < policies; ++i) jobs.push_back({i, false});
  if (!c.baseline.empty())
    for (std::size_t i = 0; i < policies; ++i) jobs.push_back({i, true});
  const std::vector<RunEnding> endings =
      policies == 1 ? run_here(c, p, jobs, serial) : run_in_workers(c, p, jobs);
  std::vector<PolicyResult> results;
  for (std::size_t i = 0; i < policies; ++i)
    results.push_back(
        result_of(c, p.policies[i], endings[i], jobs.size() > policies ? &endings[policies + i] : nullptr));
  return results;
}

}  // namespace pmusim::cli
