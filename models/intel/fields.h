// SPDX-License-Identifier: Apache-2.0
// Bit fields of Intel's PMU registers, beyond those of arch/evtsel.h (SDM Vol. 3,
// "Architectural Performance Monitoring"), and which of them a version has.
#pragma once

#include "arch/evtsel.h"
#include "pmu/registers.h"

namespace pmusim::models::intel {

// GLOBAL_STATUS
inline constexpr unsigned kTopaPmi = 55, kLbrFrozen = 58, kCountersFrozen = 59, kAsci = 60, kUncore = 61,
                          kDsBuffer = 62, kCondChanged = 63;
// IA32_DEBUGCTL
inline constexpr unsigned kFreezeLbrOnPmi = 11, kFreezePerfmonOnPmi = 12;
// IA32_PERF_CAPABILITIES
inline constexpr unsigned kRdpmcMetricsClear = 19;

// AnyThread came with version 3 and went where leaf 0AH EDX[15] says so.
inline bool has_any_thread(const pmu::Caps& caps) {
  return caps.version >= 3 && !caps.anythread_deprecated;
}

inline unsigned fixed_field(u64 fixed_ctrl, unsigned n) {
  return static_cast<unsigned>(fixed_ctrl >> 4 * n & 0xf);
}

}  // namespace pmusim::models::intel
