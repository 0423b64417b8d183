// SPDX-License-Identifier: Apache-2.0
// Which combinations of assets and axes cannot work, and why.
#pragma once

#include "hypervisor/vpmu/policy.h"

namespace pmusim {
class JsonView;
}

namespace pmusim::hv {

// Throws InputError with the place to change. file: the policy's, for places; what it does not say itself is
// placed at the base that it has it from.
void check_policy(const Policy& policy, const JsonView& file);

}  // namespace pmusim::hv
