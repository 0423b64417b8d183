// SPDX-License-Identifier: Apache-2.0
// Bit fields of Intel's PMU registers (pmu-hardware A3; SDM Vol. 3, "Architectural Performance Monitoring"),
// and which of them a version has.
#pragma once

#include "base/bits.h"
#include "pmu/registers.h"

namespace pmusim::models::intel {

// IA32_PERFEVTSELn
inline constexpr unsigned kUsr = 16, kOs = 17, kEdge = 18, kInt = 20, kAny = 21, kEnable = 22, kInv = 23,
                          kInTx = 32, kInTxCp = 33, kAdaptive = 34;
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
