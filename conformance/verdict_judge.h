// SPDX-License-Identifier: Apache-2.0
// From what a target saw to a verdict: the guest's own checks, the documented divergences of the policy, and
// the expectations on the host's side.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "conformance/case.h"
#include "conformance/target_records.h"
#include "conformance/verdict.h"

namespace pmusim::conformance {

// One point of the matrix.
struct RunPoint {
  std::string model, vendor;  // vendor: "intel" or "amd"
  std::string policy, cpuid, kernel;
};

// What a target observed while it ran a case's image.
struct Observation {
  std::string serial;
  bool exited = false;               // through the debug exit port
  u32 exit_status = 0;               // 2 x value + 1
  std::string stopped;               // why it ended otherwise: a limit, a triple fault, an internal error
  bool host_side = false;            // `exits` is known
  std::map<std::string, u64> exits;  // VM-exits by reason name
  u64 instructions = 0, cycles = 0;
  std::vector<std::string> assumed, gaps;
};

// Which of the case's divergences are documented for that point.
bool applies(const Divergence& divergence, const RunPoint& point);

// Fills verdict, reason, findings, divergences and counts of a result whose names are set.
void judge(const Case& c, const RunPoint& point, const Observation& seen, CaseResult& result);

}  // namespace pmusim::conformance
