// SPDX-License-Identifier: Apache-2.0
// What `pmusim conform` was asked for: from the command line, or from the config.json of an earlier run.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "cli/options.h"
#include "conformance/judge/runner.h"
#include "jobs/pool.h"

namespace pmusim::cli {

struct ConformOptions {
  Common common;
  std::string folder;  // that the paths of a config.json are relative to; "": the current one
  std::vector<std::string> patterns, exclude, areas;
  std::string target = "sim", bug, format = "text", out;
  std::string last_failed;             // results of an earlier run, of whose failures this one is; "": none
  std::set<conformance::RunKey> only;  // of a config.json: the case runs that it was
  std::string timing;                  // empty: not given
  std::vector<std::string> models, policies, cpuids, kernels;
  u64 jobs = jobs::default_workers();
  u64 max_cycles = 0, max_seconds = 0;  // 0: the default
  u64 durations = 0;                    // how many of the slowest case runs to name
  bool explain = false, step = false, fail_fast = false, allow_skips = false, show_values = false,
       no_sources = false;
};

// Checked; with target kvm, what would change a simulated machine is refused.
conformance::RunPlan plan_of(ConformOptions options);

// Complete and re-runnable, from options.out: every value that decides the result.
std::string to_json(const ConformOptions& options, const conformance::RunPlan& plan);

// Replaces everything but the form of output and where it goes; options that are given beside it are applied
// after it.
void read_config(const std::string& path, ConformOptions& options);

}  // namespace pmusim::cli
