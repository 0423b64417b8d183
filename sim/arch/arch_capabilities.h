// SPDX-License-Identifier: Apache-2.0
// IA32_ARCH_CAPABILITIES (SDM Vol. 4), which CPUID 07H EDX[29] enumerates. One value for the generations that
// have it: the bits that QEMU's Icelake-Server (version 3) and SapphireRapids models share. Further bits of
// real parts name controls that are not modelled.
#pragma once

#include "base/types.h"

namespace pmusim {

// RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, MDS_NO, IF_PSCHANGE_MC_NO, TAA_NO; all within what KVM passes on
// (KVM_SUPPORTED_ARCH_CAP).
inline constexpr u64 kArchCapabilities = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 8;

}  // namespace pmusim
