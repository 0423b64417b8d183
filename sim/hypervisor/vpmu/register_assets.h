// SPDX-License-Identifier: Apache-2.0
// The asset of a policy that decides about accesses to a PMU register, from the registers' table.
#pragma once

#include "hypervisor/vpmu/policy.h"

namespace pmusim::hv {

constexpr Asset asset_of(pmu::Reg reg) {
  constexpr Asset assets[pmu::kRegs] = {
#define ASSET_OF_BOTH(reg, id, access, storage, asset, intel, amd) Asset::asset,
#define ASSET_OF_ONE(reg, id, access, storage, asset, place) Asset::asset,
      PMU_REGISTERS_OF_BOTH(ASSET_OF_BOTH) PMU_REGISTERS_OF_INTEL(ASSET_OF_ONE)
          PMU_REGISTERS_OF_AMD(ASSET_OF_ONE)
#undef ASSET_OF_BOTH
#undef ASSET_OF_ONE
  };
  return assets[static_cast<unsigned>(reg)];
}

}  // namespace pmusim::hv
