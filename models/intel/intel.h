// SPDX-License-Identifier: Apache-2.0
// The rules of Intel's architectural PMU, versions 1 to 5.
#pragma once

#include <memory>

#include "pmu/description.h"

namespace pmusim::models {

std::shared_ptr<const pmu::VendorRules> intel_rules();

// The hardware rule layer alone, as the lowest layer of a vPMU.
pmu::RuleLayer intel_hardware_layer();

}  // namespace pmusim::models
