// SPDX-License-Identifier: Apache-2.0
// Which documented divergences of a case hold where it runs, and why.
#pragma once

#include <string>
#include <vector>

#include "conformance/language/case.h"
#include "session/observation.h"

namespace pmusim::conformance {

// Where a case runs, as far as its divergences depend on that.
struct Setting {
  session::RunPoint point;
  const hv::Policy* policy = nullptr;  // nullptr: bare metal. Of a real kernel: the one that it implements
  hv::Circumstances circumstances;     // of the policy's properties
};
Setting setting_of(const session::RunPoint& point, const hv::Policy* policy,
                   const session::Observation& seen);

// Why the divergence holds there ("rdpmc passthrough", "policy emulated", "every policy"), or "" if it does
// not. Its "when", which the guest answers check by check, is not asked.
std::string why_documented(const Divergence& divergence, const Setting& setting);

struct Applying {
  std::size_t divergence;  // index in the case's list
  std::string why;
};
std::vector<Applying> applying_divergences(const Case& c, const Setting& setting);

}  // namespace pmusim::conformance
