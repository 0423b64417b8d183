// SPDX-License-Identifier: Apache-2.0
// From what a target saw to a verdict: the guest's own checks, the documented divergences of the policy, and
// the expectations on the host's side.
#pragma once

#include "conformance/judge/records.h"
#include "conformance/judge/verdict.h"
#include "conformance/language/case.h"
#include "session/observation.h"

namespace pmusim::conformance {

// Fills verdict, reason, findings, divergences and counts of a result whose names are set. policy: nullptr on
// bare metal; of a real kernel the one that it implements.
void judge(const Case& c, const session::RunPoint& point, const hv::Policy* policy,
           const session::Observation& seen, CaseResult& result);

}  // namespace pmusim::conformance
