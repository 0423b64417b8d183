// SPDX-License-Identifier: Apache-2.0
// CPUID bits by the manuals' names (SDM Vol. 2, "CPUID"; APM Vol. 3, appendix E): those that something here
// depends on. Fields of several bits (leaf 0AH's counts and widths, sizes of addresses) are read where they
// are used.
#pragma once

#include "arch/cpuid.h"

namespace pmusim::cpuid {

constexpr CpuidBit eax_bit(u32 leaf, u32 subleaf, unsigned number) {
  return {leaf, subleaf, &CpuidRegs::eax, number};
}
constexpr CpuidBit ebx_bit(u32 leaf, unsigned number) {
  return {leaf, 0, &CpuidRegs::ebx, number};
}
constexpr CpuidBit ecx_bit(u32 leaf, unsigned number) {
  return {leaf, 0, &CpuidRegs::ecx, number};
}
constexpr CpuidBit edx_bit(u32 leaf, unsigned number) {
  return {leaf, 0, &CpuidRegs::edx, number};
}

// 01H
inline constexpr CpuidBit kDtes64 = ecx_bit(1, 2);
inline constexpr CpuidBit kMonitor = ecx_bit(1, 3);
inline constexpr CpuidBit kDsCpl = ecx_bit(1, 4);
inline constexpr CpuidBit kVmx = ecx_bit(1, 5);
inline constexpr CpuidBit kCmpxchg16b = ecx_bit(1, 13);
inline constexpr CpuidBit kPdcm = ecx_bit(1, 15);
inline constexpr CpuidBit kPcid = ecx_bit(1, 17);
inline constexpr CpuidBit kX2Apic = ecx_bit(1, 21);
inline constexpr CpuidBit kMovbe = ecx_bit(1, 22);
inline constexpr CpuidBit kPopcnt = ecx_bit(1, 23);
inline constexpr CpuidBit kTscDeadline = ecx_bit(1, 24);
inline constexpr CpuidBit kXsave = ecx_bit(1, 26);
inline constexpr CpuidBit kOsxsave = ecx_bit(1, 27);
inline constexpr CpuidBit kRdrand = ecx_bit(1, 30);
inline constexpr CpuidBit kHypervisor = ecx_bit(1, 31);  // never set by hardware
inline constexpr CpuidBit kApic = edx_bit(1, 9);
inline constexpr CpuidBit kSep = edx_bit(1, 11);
inline constexpr CpuidBit kMtrr = edx_bit(1, 12);
inline constexpr CpuidBit kMca = edx_bit(1, 14);
inline constexpr CpuidBit kClfsh = edx_bit(1, 19);
inline constexpr CpuidBit kDs = edx_bit(1, 21);
inline constexpr CpuidBit kHtt = edx_bit(1, 28);

// 07H
inline constexpr CpuidBit kFsgsbase = ebx_bit(7, 0);
inline constexpr CpuidBit kTscAdjust = ebx_bit(7, 1);
inline constexpr CpuidBit kBmi1 = ebx_bit(7, 3);
inline constexpr CpuidBit kHle = ebx_bit(7, 4);
inline constexpr CpuidBit kSmep = ebx_bit(7, 7);
inline constexpr CpuidBit kBmi2 = ebx_bit(7, 8);
inline constexpr CpuidBit kInvpcid = ebx_bit(7, 10);
inline constexpr CpuidBit kRtm = ebx_bit(7, 11);
inline constexpr CpuidBit kRdseed = ebx_bit(7, 18);
inline constexpr CpuidBit kAdx = ebx_bit(7, 19);
inline constexpr CpuidBit kSmap = ebx_bit(7, 20);
inline constexpr CpuidBit kClflushopt = ebx_bit(7, 23);
inline constexpr CpuidBit kClwb = ebx_bit(7, 24);
inline constexpr CpuidBit kIntelPt = ebx_bit(7, 25);
inline constexpr CpuidBit kUmip = ecx_bit(7, 2);
inline constexpr CpuidBit kRdpid = ecx_bit(7, 22);
inline constexpr CpuidBit kHybrid = edx_bit(7, 15);  // cores of several types
inline constexpr CpuidBit kArchLbr = edx_bit(7, 19);
inline constexpr CpuidBit kIbrsIbpb = edx_bit(7, 26);  // IA32_SPEC_CTRL, IA32_PRED_CMD
inline constexpr CpuidBit kArchCapabilities = edx_bit(7, 29);
inline constexpr CpuidBit kArchPerfmonExt = eax_bit(7, 1, 8);  // leaf 23H

// 0AH
inline constexpr CpuidBit kAnyThreadDeprecated = edx_bit(0xa, 15);

// 0DH
inline constexpr CpuidBit kXsaveopt = eax_bit(0xd, 1, 0);
inline constexpr CpuidBit kXsavec = eax_bit(0xd, 1, 1);
inline constexpr CpuidBit kXgetbv1 = eax_bit(0xd, 1, 2);  // XGETBV with ECX = 1

// 80000001H
inline constexpr CpuidBit kLahfSahf = ecx_bit(0x80000001, 0);
inline constexpr CpuidBit kSvm = ecx_bit(0x80000001, 2);
inline constexpr CpuidBit kAbm = ecx_bit(0x80000001, 5);  // LZCNT
inline constexpr CpuidBit kIbs = ecx_bit(0x80000001, 10);
inline constexpr CpuidBit kPerfCtrExtCore = ecx_bit(0x80000001, 23);
inline constexpr CpuidBit kPerfCtrExtNb = ecx_bit(0x80000001, 24);
inline constexpr CpuidBit kPerfCtrExtLlc = ecx_bit(0x80000001, 28);
inline constexpr CpuidBit kNx = edx_bit(0x80000001, 20);
inline constexpr CpuidBit kPage1Gb = edx_bit(0x80000001, 26);
inline constexpr CpuidBit kRdtscp = edx_bit(0x80000001, 27);
inline constexpr CpuidBit kLongMode = edx_bit(0x80000001, 29);

// 80000008H
inline constexpr CpuidBit kAmdIbpb = ebx_bit(0x80000008, 12);
inline constexpr CpuidBit kAmdIbrs = ebx_bit(0x80000008, 14);

// 80000022H
inline constexpr CpuidBit kPerfMonV2 = eax_bit(0x80000022, 0, 0);
inline constexpr CpuidBit kLbrAndPmcFreeze = eax_bit(0x80000022, 0, 2);

}  // namespace pmusim::cpuid
