// SPDX-License-Identifier: Apache-2.0
// A campaign: every form, so many random states each, on both CPUs; what differs is counted, and the first
// difference of a form is written out in full.
#pragma once

#include <string>

#include "form.h"
#include "host.h"
#include "simulated.h"
#include "split_locks.h"

namespace pmusim::silicon {

struct Tally {
  u64 states = 0;      // compared
  u64 faults = 0;      // of them, ended in a fault or trap
  u64 undefined = 0;   // of them, with a result that the manual leaves undefined: nothing compared
  u64 unpromised = 0;  // of them, equal but for what no manual promises (undefined.h)
  u64 differences = 0;
  std::string first;  // the first difference, or why the form could not be run
};

class Campaign {
 public:
  // Locked accesses across cache lines: few of each form and 5 s in all, where the host makes them slow.
  explicit Campaign(u64 seed) : seed_(seed), split_locks_(split_lock_cost(), 5, 2) {}
  // Why this host cannot run the mode or the form, or nullptr.
  const char* lacks(Mode mode) const { return host_.lacks(mode); }
  const char* lacks(const Form& form) const;
  Tally run(const Form& form, u64 states);
  const SplitLocks& split_locks() const { return split_locks_; }

 private:
  u64 seed_;
  SplitLocks split_locks_;
  HostCpu host_;
  SimulatedCpu simulated_;
};

}  // namespace pmusim::silicon
