// SPDX-License-Identifier: Apache-2.0
// One simulation of `pmusim run`.
#pragma once

#include <functional>
#include <string>

#include "cli/run/prepared_run.h"
#include "session/target.h"

namespace pmusim::cli {

// A policy's, or its baseline's.
struct RunJob {
  std::size_t policy;  // of PreparedRun::policies
  bool baseline;
};

struct RunEnding {
  std::string unmet;  // why it did not run; "" if it ran
  session::Observation seen;
};

// Simulates it on the target, and writes the log and the recording that the config asks for, but not of a
// baseline. Both functions may be empty.
RunEnding run_job(session::Target& target, const RunConfig& config, const PreparedRun& prepared,
                  const RunJob& job, std::function<void(char)> on_character,
                  std::function<void(u64 cycles, u64 instructions)> on_progress);

}  // namespace pmusim::cli
