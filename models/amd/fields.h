// SPDX-License-Identifier: Apache-2.0
// Bit fields of AMD's PMU registers (pmu-hardware B; APM Vol. 2, "Performance Monitoring Counters").
#pragma once

#include "base/bits.h"
#include "pmu/registers.h"

namespace pmusim::models::amd {

// PERF_CTLn
inline constexpr unsigned kUsr = 16, kOs = 17, kEdge = 18, kInt = 20, kEnable = 22, kInv = 23,
                          kGuestOnly = 40, kHostOnly = 41;
// Event 35:32 and 7:0, umask, flags, CMASK, GuestOnly, HostOnly. PREC_RET (43) is on none of the models.
inline constexpr u64 kSelectorBits =
    (mask(32) & ~(bit(19) | bit(21))) | 0xf00000000u | bit(kGuestOnly) | bit(kHostOnly);
// PerfCntrGlobalStatus
inline constexpr unsigned kLbrFrozen = 58, kCountersFrozen = 59;
// DEBUGCTL
inline constexpr unsigned kFreezeLbrOnPmi = 11, kFreezePerfmonOnPmi = 12;

inline constexpr unsigned kLegacyCounters = 4;
inline constexpr u8 kCounterWidth = 48;

inline u64 status_bits(const pmu::Caps& caps) {
  return caps.gp_bits() | (caps.pmc_freeze ? bit(kLbrFrozen) | bit(kCountersFrozen) : 0);
}

}  // namespace pmusim::models::amd
