// SPDX-License-Identifier: Apache-2.0
// MSR numbers; those of PMU registers come from their table.
#pragma once

#include "arch/pmu_registers.h"
#include "base/types.h"

namespace pmusim::msr {

inline constexpr u32 kTsc = 0x10;
inline constexpr u32 kApicBase = 0x1b;
inline constexpr u32 kFeatureControl = 0x3a;
inline constexpr u32 kTscAdjust = 0x3b;
inline constexpr u32 kSpecCtrl = 0x48;
inline constexpr u32 kPredCmd = 0x49;
inline constexpr u32 kBiosSignId = 0x8b;
inline constexpr u32 kMtrrCap = 0xfe;
inline constexpr u32 kSysenterCs = 0x174;
inline constexpr u32 kSysenterEsp = 0x175;
inline constexpr u32 kSysenterEip = 0x176;
inline constexpr u32 kMiscEnable = 0x1a0;
inline constexpr u32 kDebugCtl = 0x1d9;
inline constexpr u32 kPat = 0x277;
inline constexpr u32 kTscDeadline = 0x6e0;
inline constexpr u32 kX2ApicFirst = 0x800;
inline constexpr u32 kX2ApicLast = 0x8ff;
inline constexpr u32 kEfer = 0xc0000080;
inline constexpr u32 kStar = 0xc0000081;
inline constexpr u32 kLstar = 0xc0000082;
inline constexpr u32 kCstar = 0xc0000083;
inline constexpr u32 kSfmask = 0xc0000084;
inline constexpr u32 kFsBase = 0xc0000100;
inline constexpr u32 kGsBase = 0xc0000101;
inline constexpr u32 kKernelGsBase = 0xc0000102;
inline constexpr u32 kTscAux = 0xc0000103;
inline constexpr u32 kArchCapabilities = 0x10a, kSyscfg = 0xc0010010, kHwcr = 0xc0010015;
inline constexpr u32 kNbCfg = 0xc001001f;

#define PMU_MSR(constant, name, address, stride, count, saved) inline constexpr u32 k##constant = address;
#define PMU_MSRS_OF_BOTH(reg, id, access, storage, asset, intel, amd) PMU_MSR intel PMU_MSR amd
#define PMU_MSRS_OF_ONE(reg, id, access, storage, asset, place) PMU_MSR place
PMU_REGISTERS_OF_BOTH(PMU_MSRS_OF_BOTH)
PMU_REGISTERS_OF_INTEL(PMU_MSRS_OF_ONE)
PMU_REGISTERS_OF_AMD(PMU_MSRS_OF_ONE)
#undef PMU_MSR
#undef PMU_MSRS_OF_BOTH
#undef PMU_MSRS_OF_ONE

}  // namespace pmusim::msr
