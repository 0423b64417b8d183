// SPDX-License-Identifier: Apache-2.0
// The rules of AMD's core PMU: legacy, extended (PerfCtrExtCore) and PerfMonV2.
#pragma once

#include <memory>

#include "pmu/description.h"

namespace pmusim::models {

std::shared_ptr<const pmu::VendorRules> amd_rules();

// The hardware rule layer alone, as the lowest layer of a vPMU.
pmu::RuleLayer amd_hardware_layer();

}  // namespace pmusim::models
