// SPDX-License-Identifier: Apache-2.0
// Bit fields of AMD's PMU registers, beyond those of arch/evtsel.h (APM Vol. 2, "Performance
// Monitoring Counters").
#pragma once

#include "arch/evtsel.h"
#include "pmu/registers.h"

namespace pmusim::models::amd {

// What PERF_CTLn has.
inline constexpr u64 kSelectorBits =
    evtsel::kEvent | evtsel::kUmask | evtsel::kUsr | evtsel::kOs | evtsel::kEdge | evtsel::kInt |
    evtsel::kEn | evtsel::kInv | evtsel::kCmask | evtsel::kEventHigh | evtsel::kGuestOnly | evtsel::kHostOnly;
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
