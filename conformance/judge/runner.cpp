// SPDX-License-Identifier: Apache-2.0
// The matrix of a conformance run. All input is loaded and checked before the first worker starts; workers
// inherit it by fork and send back one line of JSON for each case.
#include "conformance/judge/runner.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "arch/host_cpu.h"
#include "base/data.h"
#include "conformance/judge/verdict_explain.h"
#include "conformance/judge/verdict_judge.h"
#include "conformance/language/case.h"
#include "jobs/pool.h"
#include "model/cpu_model.h"
#include "session/cpuid_choice.h"
#include "session/expectation.h"
#include "session/target.h"

namespace pmusim::conformance {

using namespace session;
using namespace jobs;
namespace {

constexpr const char* kNoKernel = "-";  // bare metal has no hypervisor

// A column of the matrix.
struct Column {
  RunPoint point;
  const CpuModel* model = nullptr;
  const hv::Policy* policy = nullptr;  // nullptr: bare metal
  hv::KernelRelease release = hv::kDefaultRelease;
  std::string unmet;                       // why every case skips here
  std::optional<hv::HandlingFacts> facts;  // of a real kernel: what is expected of its guests
};

class Suite {
 public:
  explicit Suite(const RunPlan& plan) : plan_(plan), cases_(select_cases(plan.selection, plan.verb)) {
    if (plan.target == "kvm")
      kvm_columns();
    else
      simulator_columns();
    for (std::size_t column = 0; column < columns_.size(); ++column)
      for (std::size_t c = 0; c < cases_.size(); ++c) {
        jobs_.push_back({column, c});
        if (!plan.only.empty() && !plan.only.count(run_key_of(blank(jobs_.size() - 1)))) jobs_.pop_back();
      }
    if (jobs_.empty())
      throw InputError("--last-failed", "", "no failure at these cases, models, policies, CPUIDs and kernels",
                       "options that take in at least one");
  }

  std::size_t size() const { return jobs_.size(); }
  const Case& case_of(std::size_t job) const { return cases_[jobs_[job].second]; }
  const Column& column_of(std::size_t job) const { return columns_[jobs_[job].first]; }

  CaseResult blank(std::size_t job) const {
    const Case& c = case_of(job);
    const RunPoint& point = column_of(job).point;
    CaseResult result;
    result.id = c.id;
    result.title = c.title;
    result.area = c.area;
    result.model = point.model;
    result.policy = point.policy;
    result.cpuid = point.cpuid;
    result.kernel = point.kernel;
    return result;
  }

  // In a worker. "": the user ended it.
  std::string work(std::size_t job) {
    const auto begin = std::chrono::steady_clock::now();
    CaseResult result = blank(job);
    if (!judged(job, result)) return "";
    result.wall_us = static_cast<u64>(
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin)
            .count());
    return to_line(result);
  }

 private:
  // False: the user ended it.
  bool judged(std::size_t job, CaseResult& result) {
    const Column& column = column_of(job);
    if (!column.unmet.empty()) {
      result.verdict = Verdict::Skip;
      result.reason = column.unmet;
      return true;
    }
    if (!target_) target_ = plan_.target == "kvm" ? make_kernel_kvm() : make_simulator(1);
    const Case& c = case_of(job);
    TargetRun run;
    run.point = column.point;
    run.model = column.model;
    run.policy = column.policy;
    run.release = column.release;
    run.host_costs = host_costs_;
    run.strategies = plan_.strategies;
    run.image = &image_of(jobs_[job].second);
    run.command_line = c.id;
    run.step = plan_.step;
    run.seed = plan_.seed;
    run.max_cycles = plan_.max_cycles;
    run.max_seconds = plan_.max_seconds;
    run.script = &c.script;
    if (const std::string reason = target_->unmet(run); !reason.empty()) {
      result.verdict = Verdict::Skip;
      result.reason = reason;
    } else {
      Observation seen = target_->run(run);
      if (seen.interrupted) return false;
      if (column.facts) seen.facts = column.facts;
      judge(c, column.point, column.policy, seen, result);
      if (!plan_.keep_values) result.values.clear();
      explain(c, result);
    }
    return true;
  }

  // The kernel of this machine, judged as the policy that it implements or, where said, as another of its
  // kind, on a model and of a release.
  void kvm_columns() {
    const Expectation expected = expected_of_this_kernel(plan_.models, plan_.policies, plan_.kernels);
    const hv::Policy& policy = policies_.emplace(expected.policy.id, expected.policy).first->second;
    for (const std::string& cpuid : cpuids(false)) {
      Column column;
      column.point = {"this-machine", host_vendor(), "kernel", cpuid, "running", expected.policy.id};
      column.point.as_release = expected.release;
      if (expected.model) column.facts = facts_of(*expected.model, expected, cpuid);
      column.policy = &policy;
      columns_.push_back(column);
    }
  }

  // Each once, although the default is one of the others.
  std::vector<std::string> cpuids(bool bare) const {
    std::vector<std::string> list;
    for (const std::string& choice : plan_.cpuids) {
      const std::string cpuid = resolved_cpuid(choice, bare);
      if (std::find(list.begin(), list.end(), cpuid) == list.end()) list.push_back(cpuid);
    }
    return list;
  }

  void simulator_columns() {
    for (const std::string& id : plan_.policies)
      if (auto policy = policy_by_id(id, plan_.overrides)) policies_.emplace(id, *policy);
    for (const std::string& id : plan_.models) {
      const CpuModel& model =
          models_.emplace(id, model_by_id(id, plan_.overrides, plan_.interval)).first->second;
      for (const std::string& policy : plan_.policies) add_columns(id, model, policy);
    }
  }

  void add_columns(const std::string& id, const CpuModel& model, const std::string& policy_id) {
    const auto policy = policies_.find(policy_id);
    const bool bare = policy == policies_.end();
    for (const std::string& kernel : plan_.kernels) {
      for (const std::string& cpuid : cpuids(bare)) {
        Column column;
        column.release = hv::release_by_name(kernel);
        column.point = {id, vendor_name(model.vendor), policy_id, cpuid, bare ? kNoKernel : kernel};
        column.model = &model;
        // Refused here, before any worker starts, if it asks for what the model has not.
        guest_cpuid(cpuid, model, column.release, !bare && policy->second.counters_in_hardware());
        if (!bare) {
          column.policy = &policy->second;
          column.unmet = hv::unmet(*column.policy, model, column.release);
        }
        columns_.push_back(column);
      }
      if (bare) break;
    }
  }

  const platform::Image& image_of(std::size_t index) {
    const auto found = images_.find(index);
    if (found != images_.end()) return found->second;
    const Case& c = cases_[index];
    return images_.emplace(index, platform::load_image(compile_case(c), c.path)).first->second;
  }

  const RunPlan& plan_;
  const hv::HostCosts host_costs_ = hv::host_costs(plan_.overrides.host);
  std::vector<Case> cases_;
  std::map<std::string, CpuModel> models_;
  std::map<std::string, hv::Policy> policies_;
  std::vector<Column> columns_;
  std::vector<std::pair<std::size_t, std::size_t>> jobs_;  // column and case
  std::unique_ptr<Target> target_;                         // of this worker
  std::map<std::size_t, platform::Image> images_;          // compiled by this worker
};

}  // namespace

std::vector<CaseResult> run_conformance(const RunPlan& plan,
                                        const std::function<void(std::size_t, std::size_t)>& progress) {
  Suite suite(plan);
  const auto died = [&](std::size_t job, const std::string& reason) {
    CaseResult result = suite.blank(job);
    result.verdict = Verdict::Error;
    result.reason = reason;
    return to_line(result);
  };
  progress(0, suite.size());
  std::map<std::size_t, CaseResult> finished;
  bool failed = false;
  PoolSettings settings;
  settings.workers = plan.jobs;
  settings.enough = [&] { return failed && plan.stop_at_failure; };
  run_jobs(
      suite.size(), settings, [&](std::size_t job) { return suite.work(job); }, died,
      [&](std::size_t job, const std::string& line) {
        const CaseResult& result = finished[job] = result_from_line(line);
        failed |= result.verdict == Verdict::Fail || result.verdict == Verdict::Error;
        progress(finished.size(), suite.size());
      });
  std::vector<CaseResult> results;
  for (auto& [job, result] : finished) results.push_back(std::move(result));
  return results;
}

}  // namespace pmusim::conformance
