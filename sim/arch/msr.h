// SPDX-License-Identifier: Apache-2.0
// MSR numbers. PMU registers are described with their rules in sim/pmu/registers.h.
#pragma once

#include "base/types.h"

namespace pmusim::msr {

inline constexpr u32 kTsc = 0x10;
inline constexpr u32 kApicBase = 0x1b;
inline constexpr u32 kFeatureControl = 0x3a;
inline constexpr u32 kTscAdjust = 0x3b;
inline constexpr u32 kSpecCtrl = 0x48;
inline constexpr u32 kPredCmd = 0x49;
inline constexpr u32 kBiosSignId = 0x8b;
inline constexpr u32 kPerfCtr0 = 0xc1;
inline constexpr u32 kMtrrCap = 0xfe;
inline constexpr u32 kSysenterCs = 0x174;
inline constexpr u32 kSysenterEsp = 0x175;
inline constexpr u32 kSysenterEip = 0x176;
inline constexpr u32 kPerfEvtSel0 = 0x186;
inline constexpr u32 kMiscEnable = 0x1a0;
inline constexpr u32 kDebugCtl = 0x1d9;
inline constexpr u32 kPat = 0x277;
inline constexpr u32 kFixedCtr0 = 0x309;
inline constexpr u32 kPerfMetrics = 0x329;
inline constexpr u32 kPerfCapabilities = 0x345;
inline constexpr u32 kFixedCtrCtrl = 0x38d;
inline constexpr u32 kGlobalStatus = 0x38e;
inline constexpr u32 kGlobalCtrl = 0x38f;
inline constexpr u32 kGlobalStatusReset = 0x390;  // GLOBAL_OVF_CTRL before version 4
inline constexpr u32 kGlobalStatusSet = 0x391;
inline constexpr u32 kGlobalInuse = 0x392;
inline constexpr u32 kPebsEnable = 0x3f1;
inline constexpr u32 kPebsDataCfg = 0x3f2;
inline constexpr u32 kAPmc0 = 0x4c1;
inline constexpr u32 kDsArea = 0x600;
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
inline constexpr u32 kAmdGlobalStatus = 0xc0000300;
inline constexpr u32 kAmdGlobalCtl = 0xc0000301;
inline constexpr u32 kAmdGlobalStatusClr = 0xc0000302;
inline constexpr u32 kAmdGlobalStatusSet = 0xc0000303;
inline constexpr u32 kK7EvntSel0 = 0xc0010000;
inline constexpr u32 kK7PerfCtr0 = 0xc0010004;
inline constexpr u32 kArchCapabilities = 0x10a, kSyscfg = 0xc0010010, kHwcr = 0xc0010015;
inline constexpr u32 kNbCfg = 0xc001001f;
inline constexpr u32 kAmdPerfCtl0 = 0xc0010200;  // stride 2
inline constexpr u32 kAmdPerfCtr0 = 0xc0010201;  // stride 2

}  // namespace pmusim::msr
