// SPDX-License-Identifier: Apache-2.0
// A campaign: every form, so many random states each, on both CPUs; what differs is counted, and the first
// difference of a form is written out in full.
#pragma once

#include <string>

#include "form.h"
#include "host.h"
#include "simulated.h"

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
  explicit Campaign(u64 seed) : seed_(seed) {}
  // Why this host cannot run the mode or the form, or nullptr.
  const char* lacks(Mode mode) const { return host_.lacks(mode); }
  const char* lacks(const Form& form) const;
  Tally run(const Form& form, u64 states);

 private:
  u64 seed_;
  HostCpu host_;
  SimulatedCpu simulated_;
};

}  // namespace pmusim::silicon
