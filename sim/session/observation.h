// SPDX-License-Identifier: Apache-2.0
// One point of the matrix, and what a target observed there.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"
#include "hypervisor/vpmu/policy.h"

namespace pmusim::session {

struct RunPoint {
  std::string model, vendor;  // vendor: "intel" or "amd"
  std::string policy, cpuid, kernel;
  // Of a real kernel: the policy that it implements. What is documented as that policy's may be met there, or
  // not: what a distribution made of the release is not known. as_release: the release as which the user
  // wants it judged; "": what is documented of any.
  std::string implements = {}, as_release = {};
};

// One number of stats.json.
struct Stat {
  std::string name;  // "vcpu0.exits.msr_write"
  u64 value = 0;
  std::string unit;  // "cycles", "instructions", ...
};

// What one guest counter shows beside what happened while the guest meant it to count.
struct CounterAudit {
  unsigned vcpu = 0;
  std::string counter;     // "gp0", "fixed1"
  std::string programmed;  // "INST_RETIRED.ANY_P USR|OS INT"
  u64 hardware = 0;        // in a VM, the counters that have stood behind it, bits as in GLOBAL_CTRL
  s64 visible = 0;         // sum of its advances as the guest reads them
  s64 truth = 0;           // ... as a counter that nothing disturbs would have them
  std::vector<std::pair<std::string, s64>> causes;  // visible - truth, by cause
  s64 residual = 0;                                 // what no cause explains
};

struct Observation {
  std::string serial;
  bool exited = false;       // through the debug exit port
  u32 exit_status = 0;       // 2 x value + 1
  std::string stopped;       // why it ended otherwise: a limit, a triple fault, an internal error
  bool interrupted = false;  // the user ended it
  std::string report;        // several lines about the CPUs at that moment; "" if there is nothing to say
  bool host_side = false;    // `exits` is known
  std::map<std::string, u64> exits;  // VM-exits by reason name
  std::optional<hv::HandlingFacts>
      facts;                         // of a simulated vPMU: what its policy's conditions asked. Not sent.
  u64 instructions = 0, cycles = 0;  // of the guest; of CPU 0
  std::vector<Stat> stats;
  std::vector<CounterAudit> audit;
  std::vector<std::string> assumed, gaps;
};

// As a worker sends it: one line of JSON.
std::string to_line(const Observation& observation);
Observation observation_from_line(const std::string& line);

}  // namespace pmusim::session
