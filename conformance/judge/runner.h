// SPDX-License-Identifier: Apache-2.0
// Runs the conformance suite: finds the cases, runs each at every point of model x policy x cpuid x kernel in
// worker processes, and collects the verdicts. Results are in the order of the matrix, then of the cases'
// ids, for any number of workers.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "conformance/judge/selection.h"
#include "conformance/judge/verdict.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "session/catalog.h"
#include "session/cpuid_choice.h"

namespace pmusim::hv {
struct VpmuStrategies;
}

namespace pmusim::conformance {

struct RunPlan {
  std::string verb = "conform";  // of the command line, for messages
  Selection selection;
  std::set<RunKey> only;  // of the case runs, these; empty: all
  std::string target = "sim";
  // Ids. For target kvm, what the kernel is expected to be like: at most one of each, and none if that is not
  // said.
  std::vector<std::string> models, policies;
  std::vector<std::string> cpuids = {session::kDefaultCpuid};
  std::vector<std::string> kernels = {hv::release_name(hv::kDefaultRelease)};
  std::shared_ptr<const hv::VpmuStrategies> strategies;  // an injected defect; nullptr: none
  session::Overrides overrides;
  u64 max_cycles = u64{20} * 1000 * 1000 * 1000;  // of one case
  u64 max_seconds = kNever;                       // of wall time, likewise
  u64 seed = 1;
  unsigned jobs = 1;
  bool step = false;
  bool interval = true;          // timing
  bool keep_values = false;      // what the guests saved stays in the results
  bool stop_at_failure = false;  // begin no case run after one that failed
};

// progress: called first and after each case with the numbers done and total. Throws InputError for wrong
// names and files before anything runs. When the user interrupts (base/cancel.h), and after a failure with
// stop_at_failure, only what was finished is returned.
std::vector<CaseResult> run_conformance(const RunPlan& plan,
                                        const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace pmusim::conformance
